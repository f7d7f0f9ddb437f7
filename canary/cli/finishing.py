"""`abort --finish`: what a dead engine left is taken away from here, without its release file.

Only while the lease is ours: an engine that lives finishes by itself, and two at once would be two opinions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import strategies as cut
from canary.cli.aborting import Done, World
from canary.cli.case import Case, Nothing, Unknown, case_of, journal_of
from canary.core.outcome import ExitCode, Outcome
from canary.core.release import FINAL, NONE, Phase, Stage
from canary.engine.journal import JournalError, decode, encode
from canary.ports import Conflict, Refused, Unavailable

if TYPE_CHECKING:
    from canary.ports import JsonObject

TRIES = 5
"""How often the route is read and written anew when it moves in between."""


def finish(world: World, done: Done, *, remove: Callable[[str], None]) -> Done:
    """Take the canary's reference and our annotations off the route, its workload away, and end the journal.

    Args:
        world: what it is done with; the lease is held by the caller.
        done: how the abort went: all traffic is back on stable.
        remove: deletes what a release made, by its uid.

    Raises:
        PortError: something could not be done; doing it again goes on where it stopped.
    """
    found = journal_of(world.journals)
    if found is not None and found[0].phase is Phase.PROMOTING:
        raise Refused("stable was being updated; run the release again with its own file (canary run)")
    route, kept, alarms = _detach(world, done.release)
    world.say("the route is the user's own again; removing the canary's workload")
    remove(done.release)
    _end_journal(world, done, kept=(*kept, *alarms))
    left = "; ".join(kept)
    sentence = f"{done.sentence}, and nothing of the release is left{f' ({left})' if left else ''}"
    shown = done.weights if route is None else _weights(route)
    if alarms:
        sentence = f"the route could not be put back: {' '.join(alarms)}"
        return replace(done, code=ExitCode.ROLLBACK_INCOMPLETE, sentence=sentence, weights=shown, todo=())
    ends = done.ends if done.ends is not None else int(ExitCode.REJECTED)
    return replace(done, sentence=sentence, weights=shown, engine="ended", ends=ends, todo=())


def _detach(world: World, uid: str) -> tuple[JsonObject | None, tuple[str, ...], tuple[str, ...]]:
    """The route afterwards, what others changed in it, and what cannot be put back."""
    for _ in range(TRIES):
        route = world.routes.read()
        if cut.annotations_of(route).get(cut.RELEASE) not in {None, uid}:
            return None, ("another release is on the route by now",), ()
        try:
            case: Case = case_of(route, journal_of(world.journals), world.pool)
        except Nothing:
            return route, (), ()
        except Unknown as error:
            raise Refused(f"{error}; name the release file instead of the route") from error
        plan = cut.detach(route, pool=case.pool, original=case.original, release=uid)
        if not plan.patch:
            return route, plan.kept, plan.alarms
        try:
            return world.routes.patch(plan.patch), plan.kept, plan.alarms
        except (Conflict, Unavailable):
            world.sleep(0.25)
    raise Unavailable("the route keeps moving; do it again")


def _end_journal(world: World, done: Done, *, kept: tuple[str, ...]) -> None:
    """So that the next release may begin; a journal that cannot be read or is of another release is left alone."""
    stored = world.journals.load()
    try:
        journal = decode(stored.text) if stored else None
    except JournalError:
        return
    if stored is None or journal is None or journal.release.uid != done.release or journal.release.phase in FINAL:
        return
    release = journal.release
    reason = f"aborted by {done.by}: {done.reason}"
    outcome = release.outcome or Outcome(code=ExitCode.REJECTED, reason=reason, decided=world.clock.now())
    ended = replace(
        release,
        phase=Phase.ROLLED_BACK,
        stage=Stage.NONE,
        since=world.clock.now(),
        share=NONE,
        pending=None,
        suspended=None,
        retry_at=None,
        settling=None,
        outcome=outcome,
        leftovers=(*release.leftovers, *kept),
    )
    try:
        world.journals.save(encode(journal.model_copy(update={"release": ended})), version=stored.version)
    except (Conflict, JournalError) as error:
        raise Unavailable(f"the journal could not be ended: {error}") from error


def _weights(route: JsonObject) -> tuple[str, ...]:
    return tuple(
        f"{rule}: " + " ".join(f"{ref.id.name}={ref.weight}" for ref in rule.refs) for rule in cut.rules_of(route)
    )
