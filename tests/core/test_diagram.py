"""The documentation's diagram is drawn from the table."""

from __future__ import annotations

from pathlib import Path

from canary.core.diagram import diagram

README = Path(__file__).parents[2] / "canary" / "README.md"


def test_the_readme_holds_the_diagram_that_the_table_draws() -> None:
    text = README.read_text(encoding="utf-8")
    drawn = text.split("```mermaid\n", 1)[1].split("```", 1)[0]
    assert drawn == diagram(), "run: python -m canary.core.diagram, and paste it into canary/README.md"
