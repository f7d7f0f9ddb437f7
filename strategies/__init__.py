"""How much traffic, where, when: plans of steps, and the pure surgery on route objects.

Objects in, JSON Patches out; there is no input or output here at all. What does not belong here: metrics,
verdicts, Kubernetes clients. This package knows neither `analysis` nor `canary`.
"""

from strategies.plan import Plan, Step, explicit, exponential, linear
from strategies.route.aborting import Abort, abort, abort_of
from strategies.route.compare import (
    Change,
    Direction,
    Parent,
    baseline_moved,
    compare,
    last_writer,
    parents,
    share_of,
    weights_shown,
)
from strategies.route.lowering import Lowering, Restore, detach, lower
from strategies.route.model import (
    ABORT,
    ORIGINAL,
    RELEASE,
    TOKEN,
    Ambiguous,
    Malformed,
    NoRoom,
    NoSuchRule,
    RefId,
    Rule,
    SurgeryError,
    annotations_of,
    generation_of,
    rules_of,
    uid_of,
    version_of,
)
from strategies.route.operations import Patch
from strategies.route.original import Original, OriginalRule, Pool, choose
from strategies.route.raising import attach, set_share, stamp, swap_token
from strategies.route.weights import baseline_weight, canary_weight

__all__ = [
    "ABORT",
    "ORIGINAL",
    "RELEASE",
    "TOKEN",
    "Abort",
    "Ambiguous",
    "Change",
    "Direction",
    "Lowering",
    "Malformed",
    "NoRoom",
    "NoSuchRule",
    "Original",
    "OriginalRule",
    "Parent",
    "Patch",
    "Plan",
    "Pool",
    "RefId",
    "Restore",
    "Rule",
    "Step",
    "SurgeryError",
    "abort",
    "abort_of",
    "annotations_of",
    "attach",
    "baseline_moved",
    "baseline_weight",
    "canary_weight",
    "choose",
    "compare",
    "detach",
    "explicit",
    "exponential",
    "generation_of",
    "last_writer",
    "linear",
    "lower",
    "parents",
    "rules_of",
    "set_share",
    "share_of",
    "stamp",
    "swap_token",
    "uid_of",
    "version_of",
    "weights_shown",
]
