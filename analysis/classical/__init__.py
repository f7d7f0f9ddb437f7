"""Judging as people from elsewhere know it, beside the sequential judge: for series that are not counts.

`tests` are the classical tests at one fixed look, which spend a stated share of the one alpha; `rules` are thresholds
with budgets, and `netflix` with `score` is Kayenta's judge: both are outside of the promise and say so. `config` is
what is asked, `seen` what is remembered, `observe` one look, `verdict` what is said of it. Pure; scipy.stats is loaded
when a test looks, never before. What does not belong here: counts at every look (`analysis.judge`), reading.
"""

from analysis.classical.config import MOST_POINTS, ClassicalConfig, FixedTest, Grouped, ScoreConfig, Threshold
from analysis.classical.observe import begin_step, observe
from analysis.classical.seen import Beside, decode, encode, fresh
from analysis.classical.verdict import Word, word_of

__all__ = [
    "MOST_POINTS",
    "Beside",
    "ClassicalConfig",
    "FixedTest",
    "Grouped",
    "ScoreConfig",
    "Threshold",
    "Word",
    "begin_step",
    "decode",
    "encode",
    "fresh",
    "observe",
    "word_of",
]
