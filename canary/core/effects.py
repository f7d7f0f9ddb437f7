"""What is done about it. Imperative, frozen, with a stable id; carrying one out twice is harmless.

An effect's id is `<release uid>/<number>`: the number is the release's own count, so that the same effect has
the same id after a crash. Whoever carries an effect out answers with an event that names this id.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from canary.core.outcome import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPreflight:
    """Check everything that can be checked without touching anything."""

    id: str
    kind: Literal["run-preflight"] = "run-preflight"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeFence:
    """Put our token on the route by compare-and-swap; nothing is raised before that."""

    id: str
    kind: Literal["take-fence"] = "take-fence"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionWorkload:
    """Make the canary's workload and Service and wait until its endpoints are ready and steady.

    Attributes:
        share: percent of the pool that it must be able to carry next; 100 means as large as stable.
        first: there is no stable version: make that instead, and no canary.
    """

    id: str
    share: Decimal
    first: bool = False
    kind: Literal["provision-workload"] = "provision-workload"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachCanary:
    """Append the canary's reference with weight 0 to each chosen rule."""

    id: str
    kind: Literal["attach-canary"] = "attach-canary"


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseShare:
    """Write the weights for a larger share; strict: fails when anything relevant moved."""

    id: str
    share: Decimal
    kind: Literal["raise-share"] = "raise-share"


@dataclass(frozen=True, slots=True, kw_only=True)
class LowerShare:
    """Take all traffic off the canary; must succeed: tests only what it touches."""

    id: str
    kind: Literal["lower-share"] = "lower-share"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateStable:
    """Give stable's workload the new version, testing the image it replaces, and wait until it is steady."""

    id: str
    kind: Literal["update-stable"] = "update-stable"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevertStable:
    """Put stable's workload back to its old template and wait until it is steady."""

    id: str
    kind: Literal["revert-stable"] = "revert-stable"


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachCanary:
    """Take our reference and annotations out of the route as it is now.

    Attributes:
        keep: leave the reference and its weights where they are (a release without a workload of ours ends with
            its traffic on the canary's Service); only the annotations go.
    """

    id: str
    keep: bool = False
    kind: Literal["detach-canary"] = "detach-canary"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveWorkload:
    """Delete the canary's Service, then its workload; only what we made.

    Attributes:
        keep: stable's workload, which this release made, stays: it is the user's own from now on.
    """

    id: str
    keep: bool = False
    kind: Literal["remove-workload"] = "remove-workload"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmChange:
    """Read the route once more and answer whether the change by somebody else still stands."""

    id: str
    kind: Literal["confirm-change"] = "confirm-change"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartJudge:
    """Begin a step for the judge: HEALTHY starts anew, looks count from here.

    Attributes:
        step: index into the plan; the number of steps means the bake.
        share: the share now settled, percent.
        baking: no second arm is left; judge by limits and stable's own past.
    """

    id: str
    step: int
    share: Decimal
    baking: bool
    kind: Literal["restart-judge"] = "restart-judge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """Say something to people: the report, the log, a Kubernetes Event.

    Attributes:
        alarm: a person must act.
        reason: CamelCase word for machines, as Kubernetes Events use it.
    """

    id: str
    reason: str
    message: str
    alarm: bool = False
    kind: Literal["tell"] = "tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandBy:
    """Do nothing more; follow the release's journal and end with the code that its holder records."""

    id: str
    holder: str
    kind: Literal["stand-by"] = "stand-by"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The release is over; flush everything, give the lease back, end with this code."""

    id: str
    code: ExitCode
    reason: str
    kind: Literal["finish"] = "finish"


Effect = (
    RunPreflight
    | TakeFence
    | ProvisionWorkload
    | AttachCanary
    | RaiseShare
    | LowerShare
    | UpdateStable
    | RevertStable
    | DetachCanary
    | RemoveWorkload
    | ConfirmChange
    | RestartJudge
    | Tell
    | StandBy
    | Finish
)
"""Everything the machine can ask for."""

Work = (
    RunPreflight
    | TakeFence
    | ProvisionWorkload
    | AttachCanary
    | RaiseShare
    | LowerShare
    | UpdateStable
    | RevertStable
    | DetachCanary
    | RemoveWorkload
)
"""Effects that are answered: one of them is pending at a time, and it is repeated until it is answered."""
