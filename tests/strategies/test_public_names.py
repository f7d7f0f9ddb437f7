"""What other rooms may use of these packages. A change here is a change of what they promise."""

from __future__ import annotations

import importlib

import pytest

NAMES = {
    "strategies": """
        ABORT Abort Ambiguous Change Direction Lowering Malformed NoRoom NoSuchRule ORIGINAL Original OriginalRule
        Parent Patch Plan Pool RELEASE RefId Restore Rule Step SurgeryError TOKEN abort abort_of annotations_of attach
        baseline_moved baseline_weight canary_weight choose compare detach explicit exponential generation_of
        last_writer linear lower parents rules_of set_share share_of stamp swap_token uid_of version_of weights_shown
    """,
    "analysis.judge": """
        JudgeConfig JudgeState Known MetricConfig Past VERSION begin_step decode detectable drop encode first_request
        learn levels observe recall requests_needed start suspected
    """,
    "analysis.packs": """
        Feed GaugeFeed PACKS Pack PackError REFUSED Target custom escape_regex gauge histogram pack quote selector
        tells_arms_apart
    """,
    "analysis.sources": "GaugeWindow Key Measured NoLook ROUTE Reading Role Sample Trouble Window",
}

WORDS = "Arm Counts Finding Gauge Judgement Look Note Pod Verdict of_requests"
"""`analysis.model` is the package's vocabulary, and all of it is public."""


@pytest.mark.parametrize("package", sorted(NAMES))
def test_the_public_names_are_these(package: str) -> None:
    module = importlib.import_module(package)
    assert sorted(module.__all__) == NAMES[package].split()
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_the_words_of_the_analysis_are_these() -> None:
    module = importlib.import_module("analysis.model")
    public = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    assert sorted(name for name in public if not name.startswith("_")) == WORDS.split()
