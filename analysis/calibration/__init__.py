"""What the judge would have said of releases that never happened, from stable's recorded past.

`past` makes looks of stable's counters, `pseudo` makes two arms of one, `scatter` says how much more than binomially
they differ (phi0), `trial` plays releases on them with the very judge, healthy ones and ones that are made worse
(`worsen`); `recorded` is what an engine begins with. Pure: samples or counts in, numbers out; chance comes in as a
seed. What does not belong here: reading a Prometheus, printing, plots.
"""

from analysis.calibration.past import Past, Scarce, of_run, of_samples, pods_of
from analysis.calibration.pseudo import LAG, arms_of, at_share
from analysis.calibration.recorded import recorded
from analysis.calibration.scatter import scatter, with_scatter
from analysis.calibration.trial import Calibration, Caught, Stage, calibrate
from analysis.calibration.worsen import rate_of

__all__ = [
    "LAG",
    "Calibration",
    "Caught",
    "Past",
    "Scarce",
    "Stage",
    "arms_of",
    "at_share",
    "calibrate",
    "of_run",
    "of_samples",
    "pods_of",
    "rate_of",
    "recorded",
    "scatter",
    "with_scatter",
]
