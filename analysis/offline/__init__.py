"""The judge offline: on counts in a file, for one release or for thousands at once.

`table` reads CSV, `runs` is what was read, `question` what is asked of it, `one` judges one run look by look exactly as
a live release is judged, `many` judges all runs together and gives the same results. Pure: text in, results out. What
does not belong here: opening files, printing, live releases.
"""

from analysis.offline.many import judge
from analysis.offline.one import judge_one
from analysis.offline.question import Question
from analysis.offline.result import Result
from analysis.offline.runs import BadTable, Run
from analysis.offline.table import read

__all__ = ["BadTable", "Question", "Result", "Run", "judge", "judge_one", "read"]
