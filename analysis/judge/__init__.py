"""The judge: is the canary worse than stable by more than is tolerated? Right at every look.

One module per section of the mathematics: `evalue` (one look), `accounts` (all looks), `rates` (stable's rate),
`dispersion` (bursts), `tests` (metrics as counts), `state` (what is remembered), `judge` (the verdict), `explain`
(why). What does not belong here: reading counters, shares, releases, clocks.
"""

from analysis.judge.config import JudgeConfig, MetricConfig
from analysis.judge.judge import begin_step, learn, observe
from analysis.judge.state import VERSION, JudgeState, decode, encode, start

__all__ = [
    "VERSION",
    "JudgeConfig",
    "JudgeState",
    "MetricConfig",
    "begin_step",
    "decode",
    "encode",
    "learn",
    "observe",
    "start",
]
