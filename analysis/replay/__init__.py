"""A finished release judged again: from what its record holds to the same verdicts at the same looks.

`form` is how the question, looks and judgements are written into a record and read back; `again` judges by the same
functions as a live release does, and says where it comes to something else. Pure: entries in, results out. What does
not belong here: where a record is kept, how it is cut into chunks, printing.
"""

from analysis.replay.again import Again, Life, Replayed, Unreplayable, replay
from analysis.replay.form import Said, begun, look_of, look_row, past_of, past_row, question_of, said_row

__all__ = [
    "Again",
    "Life",
    "Replayed",
    "Said",
    "Unreplayable",
    "begun",
    "look_of",
    "look_row",
    "past_of",
    "past_row",
    "question_of",
    "replay",
    "said_row",
]
