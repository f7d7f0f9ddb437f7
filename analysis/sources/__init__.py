"""Where counters are read, and how readings become looks.

`prometheus`, its `measuring` for gauges, and `scrape`, all on `exchange`, are the only input and output of `analysis`;
`window`, its `state`, `gauges` and `read` are pure. What does not belong here: what a gateway's series are called
(`analysis.packs`), what a look means (`analysis.judge`).
"""

from analysis.sources.gauges import GaugeWindow
from analysis.sources.model import ROUTE, Key, Measured, Reading, Role, Sample, Trouble
from analysis.sources.window import NoLook, Window

__all__ = ["ROUTE", "GaugeWindow", "Key", "Measured", "NoLook", "Reading", "Role", "Sample", "Trouble", "Window"]
