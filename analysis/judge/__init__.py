"""The judge: is the canary worse than stable by more than is tolerated? Right at every look.

One module per section of the mathematics: `evalue` (one look), `accounts` (all looks), `rates` (stable's rate),
`dispersion` (bursts), `interval` (what people see), `limits` and `shares` (one arm alone), `power` (what so many
requests can show), `tests` (metrics as counts). `book` puts them together for one look, `state` is what is remembered,
`codec` its form in the journal, `verdict` what is said of it, `explain`, `holds` and `words` how; `judge` is the way
in. What does not belong here: reading counters, moving shares, releases, clocks.
"""

from analysis.judge.codec import VERSION, decode, encode
from analysis.judge.config import JudgeConfig, MetricConfig
from analysis.judge.judge import begin_step, drop, first_request, learn, observe, recall, suspected
from analysis.judge.past import Known, Past
from analysis.judge.power import detectable, requests_needed
from analysis.judge.state import JudgeState, start
from analysis.judge.tests import levels

__all__ = [
    "VERSION",
    "JudgeConfig",
    "JudgeState",
    "Known",
    "MetricConfig",
    "Past",
    "begin_step",
    "decode",
    "detectable",
    "drop",
    "encode",
    "first_request",
    "learn",
    "levels",
    "observe",
    "recall",
    "requests_needed",
    "start",
    "suspected",
]
