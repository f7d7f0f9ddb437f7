"""What workers do for the decider: calls that may block, each answered by an event; nothing of its own is touched.

A chore that was called off before it began never begins: on the way back nothing of the way forward may still happen.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial

from canary.core import effects as do
from canary.core import events as on
from canary.core.outcome import ExitCode
from canary.ports import (
    BaselineFailure,
    Clock,
    Conflict,
    NotFound,
    PortError,
    Preflights,
    Refused,
    WorkloadFailure,
    Workloads,
)

Chore = do.ProvisionWorkload | do.UpdateStable | do.RevertStable | do.RemoveWorkload


class CalledOff:
    """Calls off the chores that were handed out so far; those handed out afterwards are not concerned."""

    def __init__(self) -> None:
        self._now = threading.Event()

    def ticket(self) -> threading.Event:
        """Set once the chore that it was given to is called off."""
        return self._now

    def call_off(self) -> None:
        """Nothing that has not begun shall begin."""
        self._now.set()
        self._now = threading.Event()


def workload(workloads: Workloads, effect: Chore, *, token: str, clock: Clock, off: threading.Event) -> on.Event:
    """Work on a workload; blocks until it is done.

    Args:
        workloads: the port.
        effect: what to do.
        token: ours, which a promotion tests.
        clock: the clock.
        off: set when it shall not begin any more.
    """
    done: Callable[..., on.Event]
    if off.is_set():
        return on.WorkloadFailed(at=clock.now(), effect=effect.id, reason="called off before it began")
    try:
        match effect:
            case do.ProvisionWorkload(first=True):
                workloads.deploy()
                done = on.WorkloadReady
            case do.ProvisionWorkload():
                ready = workloads.provision(share=effect.share)
                done = partial(on.WorkloadReady, baseline=ready.baseline)
            case do.UpdateStable():
                workloads.update_stable(token=token)
                done = on.StableUpdated
            case do.RevertStable():
                workloads.revert_stable()
                done = on.StableReverted
            case do.RemoveWorkload():
                workloads.remove(keep=effect.keep)
                done = on.WorkloadRemoved
        return done(at=clock.now(), effect=effect.id)
    except WorkloadFailure as error:
        fresh = isinstance(error, BaselineFailure)
        return on.WorkloadFailed(at=clock.now(), effect=effect.id, reason=str(error), baseline=fresh)
    except PortError as error:
        return failed(effect.id, error, at=clock.now())
    except Exception as error:  # noqa: BLE001 - an effect without an answer would be waited for for ever
        return _broken(effect.id, error, at=clock.now())


def preflight(preflights: Preflights, effect: do.RunPreflight, *, clock: Clock) -> on.Event:
    """Check everything that can be checked without touching anything."""
    try:
        problems = preflights.check()
    except PortError as error:
        return failed(effect.id, error, at=clock.now())
    except Exception as error:  # noqa: BLE001 - as above
        return _broken(effect.id, error, at=clock.now())
    refusing = [problem for problem in problems if problem.code is not None]
    if refusing:
        reason = " ".join(f"{problem.what} {problem.fix}" for problem in refusing)
        code = refusing[0].code or ExitCode.PREFLIGHT_FAILED
        return on.PreflightFailed(at=clock.now(), effect=effect.id, code=code, reason=reason)
    warnings = tuple(f"{problem.what} {problem.fix}" for problem in problems)
    first = any(problem.first for problem in problems)
    return on.PreflightPassed(at=clock.now(), effect=effect.id, warnings=warnings, first=first)


def failure_of(error: PortError) -> on.Failure:
    """What a port's failure is to the machine."""
    match error:
        case Conflict():
            return on.Failure.CONFLICT
        case Refused():
            return on.Failure.REFUSED
        case NotFound():
            return on.Failure.GONE
        case _:
            return on.Failure.UNAVAILABLE


def failed(effect: str, error: PortError, *, at: float) -> on.EffectFailed:
    """What a port's failure is to the machine, as the answer to an effect."""
    after = getattr(error, "retry_after", None) or 0.0
    return on.EffectFailed(at=at, effect=effect, failure=failure_of(error), message=str(error), after=after)


def _broken(effect: str, error: Exception, *, at: float) -> on.Event:
    """A mistake of ours in a worker; its place is in the log, because nobody else will say it."""
    traceback.print_exception(error, file=sys.stderr)
    message = f"{type(error).__name__}: {error}"
    return on.EffectFailed(at=at, effect=effect, failure=on.Failure.BROKEN, message=message)
