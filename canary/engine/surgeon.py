"""The surgeon: carries out what touches the route.

Plans come from `strategies` and are functions of the route just read. Between them and the server stands this: read,
plan, patch, and remember the route as the server acknowledged it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import strategies as cut
from canary.core import effects as do
from canary.core import events as on
from canary.core.moves import PROMOTED
from canary.core.release import NONE, Release
from canary.engine import reading
from canary.engine.knownroute import KnownRoute
from canary.ports import Clock, Conflict, JsonObject, NotFound, PortError, Refused, Routes, Unavailable

Operation = do.TakeFence | do.AttachCanary | do.RaiseShare | do.LowerShare | do.DetachCanary | do.ConfirmChange


class Surgeon:
    """Works on one route.

    Args:
        routes: the port.
        clock: the clock.
        pool: the references that traffic is moved between.
        selectors: rules chosen by name or index; None for every rule that sends to stable.
        manager: our field manager, so that we do not blame ourselves.
        state: as `encode` gave it; None before the first touch.
    """

    def __init__(
        self,
        *,
        routes: Routes,
        clock: Clock,
        pool: cut.Pool,
        selectors: tuple[str | int, ...] | None,
        manager: str,
        state: dict[str, Any] | None = None,
    ) -> None:
        self._routes, self._clock, self._pool, self._selectors = routes, clock, pool, selectors
        self._known = KnownRoute(routes=routes, clock=clock, pool=pool, manager=manager, state=state)
        self._unsure = False  # a first stamp was sent that nobody answered
        self._still_ours: Callable[[], str | None] = lambda: None

    def encode(self) -> dict[str, Any]:
        """What a next incarnation must know."""
        return self._known.encode()

    def weights(self) -> tuple[str, ...]:
        """The chosen rules' weights as last acknowledged, for people."""
        return self._known.weights()

    def examine(self, route: JsonObject | None, *, release: Release, at: float) -> list[on.Event]:
        """See `KnownRoute.examine`."""
        return self._known.examine(route, release=release, at=at)

    def carry_out(self, effect: Operation, *, release: Release, still_ours: Callable[[], str | None]) -> list[on.Event]:
        """Do one thing to the route and say what came of it.

        Args:
            effect: what.
            release: where the release stands.
            still_ours: says who holds the lease instead of us, None when it is ours; asked before our token is put
                onto a route on which it does not stand.

        Raises:
            PortError: it was not done, or nobody can tell.
        """
        self._still_ours = still_ours
        try:
            match effect:
                case do.TakeFence():
                    return self._take_fence(effect, release)
                case do.AttachCanary():
                    return self._attach(effect, release)
                case do.RaiseShare():
                    return self._raise(effect, release)
                case do.LowerShare():
                    return self._lower(effect, release)
                case do.DetachCanary():
                    return self._detach(effect, release)
                case do.ConfirmChange():
                    return self._known.confirm(release)
        except cut.NoSuchRule as error:
            raise NotFound(str(error)) from error
        except cut.SurgeryError as error:
            raise Refused(str(error)) from error

    # Writes ------------------------------------------------------------------------------------------------

    def _take_fence(self, effect: do.TakeFence, release: Release) -> list[on.Event]:
        route = self._routes.read()
        notes = cut.annotations_of(route)
        holder = notes.get(cut.RELEASE)
        if holder is not None and holder != release.uid:
            return [on.FenceLost(at=self._now(), holder=notes.get(cut.TOKEN, holder))]
        self._known.must_be_ours(route)
        if self._known.original is None:
            shares = [step.share for step in release.policy.steps]
            noted = reading.noted(route, release)
            chosen = noted if noted and noted.rules else None
            self._known.begin(route, chosen or cut.choose(route, self._pool, selectors=self._selectors, shares=shares))
        leaving = release.outcome is not None or (release.phase, release.stage) in PROMOTED
        if leaving and cut.TOKEN not in notes:
            # We were out of the route already: without a token nobody can raise, and a stamp would only be left there.
            self._known.route = route
            return [on.FenceTaken(at=self._now(), effect=effect.id)]
        if notes.get(cut.TOKEN) != release.token:
            # Asked after the read that the stamp is conditional on: whoever took over since has changed the route.
            other = self._still_ours()
            if other is not None:
                return [on.FenceLost(at=self._now(), holder=other)]
            route = self._stamp(route, release, swap=cut.TOKEN in notes)
        self._known.route = route
        # What people did comes first: with the fence, what was pending before the takeover is carried out at once.
        events = [*self._known.abort_asked(route, release, self._now()), *self._known.believe(route, release)]
        return [*events, on.FenceTaken(at=self._now(), effect=effect.id), *self._known.accepted(route, release)]

    def _stamp(self, route: JsonObject, release: Release, *, swap: bool) -> JsonObject:
        if swap:
            return self._routes.patch(cut.swap_token(route, token=release.token, release=release.uid))
        body = cut.stamp(route, token=release.token, release=release.uid, original=self._known.required())
        try:
            return self._routes.merge(body)
        except Unavailable:
            self._unsure = True
            raise

    def _attach(self, effect: do.AttachCanary, release: Release) -> list[on.Event]:
        def plan(route: JsonObject) -> cut.Patch:
            return cut.attach(route, pool=self._pool, original=self._known.required(), token=release.token)

        def done(route: JsonObject) -> list[on.Event]:
            generation = cut.generation_of(route)
            attached = on.CanaryAttached(at=self._now(), effect=effect.id, generation=generation)
            return [attached, *self._known.accepted(route, release)]

        return self._strictly(effect.id, plan, done, release)

    def _raise(self, effect: do.RaiseShare, release: Release) -> list[on.Event]:
        def plan(route: JsonObject) -> cut.Patch:
            self._known.must_not_have_moved_the_baseline(route, {release.share, effect.share})
            return cut.set_share(
                route, pool=self._pool, original=self._known.required(), share=effect.share, token=release.token
            )

        def done(route: JsonObject) -> list[on.Event]:
            return self._known.written(effect.id, effect.share, route, release)

        return self._strictly(effect.id, plan, done, release)

    def _strictly(
        self,
        effect: str,
        plan: Callable[[JsonObject], cut.Patch],
        done: Callable[[JsonObject], list[on.Event]],
        release: Release,
    ) -> list[on.Event]:
        """Plan on the route as known and write; when it has moved, read and say what changed before trying again.

        The generation is tested as well: the weights may be what they were and yet have been others in between, and
        a raise that lay in a network for a minute must not come after the lowering that followed it.
        """
        route = self._known.route or self._routes.read()
        if cut.annotations_of(route).get(cut.TOKEN) is None:
            route = self._routes.read()
            self._known.must_be_ours(route)
            if cut.annotations_of(route).get(cut.TOKEN) is None:
                other = self._still_ours()
                if other is not None:
                    return [on.FenceLost(at=self._now(), holder=other)]
                route = self._stamp(route, release, swap=False)
            self._known.route = route
        patch = plan(route)
        try:
            route = self._write((reading.not_written_since(route), *patch) if patch else (), route)
        except Conflict as error:
            events = self.examine(self._routes.read(), release=release, at=self._now())
            if not events:
                raise
            conflict = on.Failure.CONFLICT
            return [*events, on.EffectFailed(at=self._now(), effect=effect, failure=conflict, message=str(error))]
        return done(route)

    def _lower(self, effect: do.LowerShare, release: Release) -> list[on.Event]:
        """The shortest path: the route as last seen, one write; read again only when that did not fit."""
        route = self._known.route or self._routes.read()
        if not self._known.touched(route, release):
            return [on.ShareWritten(at=self._now(), effect=effect.id, share=NONE, generation=0)]
        if cut.RELEASE in cut.annotations_of(route) and (patch := self._lowering(route, release).patch):
            with contextlib.suppress(Conflict):
                route = self._write(patch, route)
                alarms = self._lowering(route, release).alarms
                return self._known.written(effect.id, NONE, route, release, alarms=alarms)
        # What we know does not fit, or says that there is nothing to do; what is there now decides.
        route = self._routes.read()
        if cut.RELEASE not in cut.annotations_of(route):
            # Another engine may have ended the release since; where nobody can tell, traffic goes back all the same.
            with contextlib.suppress(PortError):
                if (other := self._still_ours()) is not None:
                    return [on.FenceLost(at=self._now(), holder=other)]
        lowering = self._lowering(route, release)
        route = self._write(lowering.patch, route)
        return self._known.written(effect.id, NONE, route, release, alarms=lowering.alarms)

    def _lowering(self, route: JsonObject, release: Release) -> cut.Lowering:
        return cut.lower(route, pool=self._pool, original=self._known.required(), release=release.uid)

    def _detach(self, effect: do.DetachCanary, release: Release) -> list[on.Event]:
        route = self._routes.read()
        if cut.RELEASE not in cut.annotations_of(route):  # a copy that somebody put in its place is cleaned as ours
            self._known.must_be_ours(route)
            # A driver that took over may have a sleeping one before it; whoever stands by drives nothing any more.
            if self._unsure or (release.resumed and self._still_ours() is None):
                route = self._outrun(route, release)
        if not self._known.touched(route, release):
            return [on.CanaryDetached(at=self._now(), effect=effect.id, generation=0)]
        self._unsure = False
        original = self._known.required()
        plan = cut.detach(route, pool=self._pool, original=original, release=release.uid, keep=effect.keep)
        route = self._write(plan.patch, route)
        alarms = plan.alarms
        if not effect.keep:
            # A rule that sends to the canary alone, whoever wrote it, would have nobody left to send to.
            left = self._lowering(route, release).alarms
            alarms = (*alarms, *(sentence for sentence in left if sentence not in alarms))
        generation = cut.generation_of(route)
        return [
            on.CanaryDetached(at=self._now(), effect=effect.id, generation=generation, kept=plan.kept, alarms=alarms)
        ]

    def _outrun(self, route: JsonObject, release: Release) -> JsonObject:
        """Stamp a route, only to take the stamp off again: one of ours may still lie in a network, or in a sleep.

        A first stamp holds for the version that was read before it, so the older one fails after this.
        """
        original = self._known.original or cut.Original(rules=())
        body = cut.stamp(route, token=release.token, release=release.uid, original=original)
        return self._routes.merge(body)

    def _write(self, patch: cut.Patch, route: JsonObject) -> JsonObject:
        """Send a patch, unless there is nothing to send, and remember what was acknowledged."""
        self._known.route = self._routes.patch(patch) if patch else route
        return self._known.route

    def _now(self) -> float:
        return self._clock.now()
