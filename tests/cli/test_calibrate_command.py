"""`canary calibrate`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from analysis import calibration
from analysis.calibration.trial import Release, interval
from canary.report.calibrated import page, text

FULL = Path(__file__).parents[2] / "examples" / "releases" / "full.yaml"
SCRAPE = str(FULL.parent / "scrape.yaml")


@pytest.fixture
def release(tmp_path: Path) -> str:
    """The example with short steps."""
    path = tmp_path / "release.yaml"
    file = YAML(typ="safe").load(FULL.read_text().replace("max: 10m", "max: 1m"))
    analysis = file["spec"]["analysis"]
    analysis["metrics"] = [one for one in analysis["metrics"] if "query" not in one]
    analysis.pop("score", None)
    analysis["warmup"] = "10s"
    path.write_text(json.dumps(file))  # JSON is YAML
    return str(path)


@pytest.fixture
def counts(tmp_path: Path) -> str:
    """Twenty-five minutes of stable, of which one in a hundred fails."""
    chance, path = np.random.default_rng(5), tmp_path / "past.csv"
    rows = [f"r,{1_800_000_000 + 10 * i},errors,stable,2000,{chance.binomial(2000, 0.01)}" for i in range(150)]
    path.write_text("run,t,metric,arm,total,bad\n" + "\n".join(rows) + "\n")
    return str(path)


class Page(HTMLParser):
    """What a page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [(name, value) for name, value in attrs if name in {"src", "href", "xlink:href", "data"}]


def test_a_past_in_a_file_is_played(canary: Callable[..., Any], release: str, counts: str, tmp_path: Path) -> None:
    plot = tmp_path / "page.html"
    ran = canary("calibrate", release, "--csv", counts, "--plot", str(plot))
    assert ran.code == 0
    assert "Rolled back: 0 of" in ran.out
    assert "Dispersion of errors (phi0): 1." in ran.out
    assert "in nine of ten releases, half of them within" in ran.out
    page = Page(plot.read_text())
    assert page.tags.count("svg") == 3
    assert "script" not in page.tags
    assert page.links == []
    assert not re.search(r"url\(|@import|https?://", plot.read_text())
    assert [one.name for one in tmp_path.glob(".page*")] == []


def test_everything_is_data(canary: Callable[..., Any], release: str, counts: str) -> None:
    told = json.loads(canary("calibrate", release, "--csv", counts, "-o", "json").out, parse_constant=pytest.fail)
    assert (told["false"], told["whole"], told["split"]) == (0, True, "time")
    assert told["rates"]["errors"] == pytest.approx(0.01, rel=0.1)
    assert 1 <= told["scatter"]["errors"] < 2
    assert told["smallest"]["errors"]["caught"] >= 0.9 * told["smallest"]["errors"]["releases"]
    assert told["interval"][1] > 0


def test_interrupted_it_ends_with_130_and_leaves_nothing(
    canary: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, release: str, counts: str, tmp_path: Path
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(calibration, "calibrate", interrupted)
    before = set(tmp_path.iterdir())
    ran = canary("calibrate", release, "--csv", counts, "--plot", str(tmp_path / "page.html"))
    assert (ran.code, ran.out) == (130, "")
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("rows", "code", "said"),
    [
        ("", 2, "there are no counts"),
        ("r,1,errors,stable,5,9", 2, "bad is '9'"),
        ("r,1,errors,stable,5,1", 16, "there are 1 looks at stable's past"),
        ("\n".join(f"r,{i},errors,stable,0,0" for i in range(200)), 16, "stable had no requests"),
        ("\n".join(f"r,{i},errors,canary,9,0" for i in range(200)), 16, "stable had no requests"),
    ],
)
def test_a_past_that_cannot_be_used_says_so(
    canary: Callable[..., Any], release: str, tmp_path: Path, *, rows: str, code: int, said: str
) -> None:
    (tmp_path / "past.csv").write_text("run,t,metric,arm,total,bad\n" + rows)
    ran = canary("calibrate", release, "--csv", str(tmp_path / "past.csv"))
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--last", "soon"), "--last"),
        (("--last", "400d"), "longer than a week"),
        (("--csv", "/nowhere.csv"), "cannot be read"),
    ],
)
def test_what_cannot_be_asked_is_wrong_usage(
    canary: Callable[..., Any], release: str, words: tuple[str, ...], said: str
) -> None:
    ran = canary("calibrate", release, *words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_a_source_without_a_past_says_what_to_do(canary: Callable[..., Any]) -> None:
    ran = canary("calibrate", SCRAPE)
    assert ran.code == 2
    assert "keeps no past" in ran.err
    assert "--csv" in ran.err


def test_a_page_that_cannot_be_written_says_so(canary: Callable[..., Any], release: str, counts: str) -> None:
    ran = canary("calibrate", release, "--csv", counts, "--plot", "/nowhere/page.html")
    assert ran.code == 2
    assert "cannot be written" in ran.err


def test_a_past_with_a_gap_and_an_hour_of_nothing_is_played_and_drawn_with_holes(
    canary: Callable[..., Any], release: str, tmp_path: Path
) -> None:
    chance, past = np.random.default_rng(6), tmp_path / "past.csv"
    rows = []
    for i in range(300):
        if 100 <= i < 160:
            continue  # nobody scraped
        total = 0 if 200 <= i < 240 else 2000
        rows.append(f"r,{1_800_000_000 + 10 * i},errors,stable,{total},{chance.binomial(total, 0.01)}")
    past.write_text("run,t,metric,arm,total,bad\n" + "\n".join(rows) + "\n")
    plot = tmp_path / "page.html"
    ran = canary("calibrate", release, "--csv", str(past), "--plot", str(plot), "-o", "json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out, parse_constant=pytest.fail)
    assert found["false"] == 0
    course = found["course"]["errors"]
    assert sum(rate is None for _, rate in course) >= 2
    assert all(rate is None or rate > 0 for _, rate in course), "no requests are not a rate of 0 %"
    drawn = plot.read_text().split("<figure>")[1]
    assert drawn.count("<polyline") == 3, "before the gap, after it, and after the hour of nothing"
    assert 'class="verdict good"' in plot.read_text()


def test_false_alarms_beyond_the_promise_are_said_first_and_in_red() -> None:
    some = calibration.Calibration(
        looks=600,
        every=10.0,
        span=6000.0,
        rates={"errors": 0.01},
        requests=1000,
        split="time",
        stages=(calibration.Stage(share=5.0, seconds=60.0),),
        whole=True,
        scatter={"errors": 1.0},
        releases=tuple(
            Release(began=0.0, unhealthy_after=5.0 if i < 4 else None, reason="", evidence=((0.0, 0.0),))
            for i in range(10)
        ),
        false=4,
        interval=interval(4, 10),
        unaware=4,
        caught=(),
        threshold=4.6,
        course={"errors": ((0.0, 0.01),)},
    )
    assert text("shop/a", some).startswith("shop/a: 4 false alarms in 10, more than the promised 1.0 %")
    assert 'class="verdict bad"' in page("shop/a", some)
