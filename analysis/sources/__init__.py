"""Where counters are read, and how readings become looks.

`prometheus` and `scrape`, both on `exchange`, are the only input and output of `analysis`; `window`, its `state` and
`read` are pure. What does not belong here: what a gateway's series are called (`analysis.packs`), what a look means
(`analysis.judge`).
"""

from analysis.sources.model import ROUTE, Key, Reading, Role, Sample, Trouble
from analysis.sources.window import NoLook, Window

__all__ = ["ROUTE", "Key", "NoLook", "Reading", "Role", "Sample", "Trouble", "Window"]
