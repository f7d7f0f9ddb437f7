"""The rules of other engines, written from their documented behaviour; each answers when it would roll back.

`windows` is what they query, `flagger`, `argo` and `kayenta` are the rules, `mannwhitney` the test in the last. A rule
takes a stream and gives the seconds until each run's rollback, infinite where there is none. It goes on for as long as
the stream does: whatever its plan would have promoted earlier, it is given the time to see. What does not belong here:
how they move traffic, and anything they do not document.
"""

from judging.peers.argo import Argo
from judging.peers.flagger import Flagger
from judging.peers.kayenta import Kayenta

RULES = {
    "Flagger, defaults": Flagger(threshold=1),
    "Flagger, tutorial": Flagger(threshold=5),
    "Argo Rollouts, example": Argo(),
    "Kayenta, NetflixACA": Kayenta(),
}

__all__ = ["RULES", "Argo", "Flagger", "Kayenta"]
