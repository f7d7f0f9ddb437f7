"""The surgeon: carries out what touches the route, and reads what others did to it.

Plans come from `strategies` and are functions of the route just read; what a change means for the release is the
machine's. Between the two stands this: read, plan, patch, and remember the route as the server acknowledged it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import strategies as cut
from canary.core import effects as do
from canary.core import events as on
from canary.core.moves import PROMOTED
from canary.core.release import NONE, Release
from canary.engine import reading
from canary.ports import Clock, Conflict, JsonObject, NotFound, PortError, Refused, Routes, Unavailable

Operation = do.TakeFence | do.AttachCanary | do.RaiseShare | do.LowerShare | do.DetachCanary | do.ConfirmChange


class Surgeon:
    """Works on one route.

    Args:
        routes: the port.
        clock: the clock.
        pool: stable's and the canary's reference.
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
        self._manager = manager
        state = state or {}
        self._original = cut.Original.decode(state["original"]) if "original" in state else None
        self._uid: str = state.get("uid", "")
        self._parents: frozenset[str] = frozenset(state.get("parents", ()))
        self._known: JsonObject | None = None
        self._unsure = False  # a first stamp was sent that nobody answered
        self._still_ours: Callable[[], str | None] = lambda: None

    def encode(self) -> dict[str, Any]:
        """What a next incarnation must know."""
        if self._original is None:
            return {}
        return {"original": self._original.encode(), "uid": self._uid, "parents": sorted(self._parents)}

    def weights(self) -> tuple[str, ...]:
        """The chosen rules' weights as last acknowledged, for people."""
        if self._known is None or self._original is None:
            return ()
        return cut.weights_shown(self._known, original=self._original)

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
                    return self._confirm(release)
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
        self._must_be_ours(route)
        if self._original is None:
            shares = [step.share for step in release.policy.steps]
            noted = reading.noted(route, release)
            chosen = noted if noted and noted.rules else None
            self._original = chosen or cut.choose(route, self._pool, selectors=self._selectors, shares=shares)
            self._uid = cut.uid_of(route)
            self._parents = frozenset(parent.key for parent in cut.parents(route) if parent.good(0))
        leaving = release.outcome is not None or (release.phase, release.stage) in PROMOTED
        if leaving and cut.TOKEN not in notes:
            # We were out of the route already: without a token nobody can raise, and a stamp would only be left there.
            self._known = route
            return [on.FenceTaken(at=self._now(), effect=effect.id)]
        if notes.get(cut.TOKEN) != release.token:
            # Asked after the read that the stamp is conditional on: whoever took over since has changed the route.
            other = self._still_ours()
            if other is not None:
                return [on.FenceLost(at=self._now(), holder=other)]
            route = self._stamp(route, release, swap=cut.TOKEN in notes)
        self._known = route
        # What people did comes first: with the fence, what was pending before the takeover is carried out at once.
        events = [*self._abort_asked(route, release, self._now()), *self._believe(route, release)]
        return [*events, on.FenceTaken(at=self._now(), effect=effect.id), *self._accepted(route, release)]

    def _stamp(self, route: JsonObject, release: Release, *, swap: bool) -> JsonObject:
        if swap:
            return self._routes.patch(cut.swap_token(route, token=release.token, release=release.uid))
        body = cut.stamp(route, token=release.token, release=release.uid, original=self._required())
        try:
            return self._routes.merge(body)
        except Unavailable:
            self._unsure = True
            raise

    def _attach(self, effect: do.AttachCanary, release: Release) -> list[on.Event]:
        def plan(route: JsonObject) -> cut.Patch:
            return cut.attach(route, pool=self._pool, original=self._required(), token=release.token)

        def done(route: JsonObject) -> list[on.Event]:
            generation = cut.generation_of(route)
            attached = on.CanaryAttached(at=self._now(), effect=effect.id, generation=generation)
            return [attached, *self._accepted(route, release)]

        return self._strictly(effect.id, plan, done, release)

    def _raise(self, effect: do.RaiseShare, release: Release) -> list[on.Event]:
        def plan(route: JsonObject) -> cut.Patch:
            return cut.set_share(
                route, pool=self._pool, original=self._required(), share=effect.share, token=release.token
            )

        def done(route: JsonObject) -> list[on.Event]:
            return self._written(effect.id, effect.share, route, release)

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
        route = self._known or self._routes.read()
        if cut.annotations_of(route).get(cut.TOKEN) is None:
            route = self._routes.read()
            self._must_be_ours(route)
            if cut.annotations_of(route).get(cut.TOKEN) is None:
                other = self._still_ours()
                if other is not None:
                    return [on.FenceLost(at=self._now(), holder=other)]
                route = self._stamp(route, release, swap=False)
            self._known = route
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
        route = self._known or self._routes.read()
        if self._original is None:
            self._original = reading.noted(route, release)
        if self._original is None:
            return [on.ShareWritten(at=self._now(), effect=effect.id, share=NONE, generation=0)]
        if cut.RELEASE in cut.annotations_of(route) and (patch := self._lowering(route, release).patch):
            with contextlib.suppress(Conflict):
                written = self._write(patch, route)
                return self._written(effect.id, NONE, written, release, alarms=self._lowering(written, release).alarms)
        # What we know does not fit, or says that there is nothing to do; what is there now decides.
        route = self._routes.read()
        if cut.RELEASE not in cut.annotations_of(route):
            # Another engine may have ended the release since; where nobody can tell, traffic goes back all the same.
            with contextlib.suppress(PortError):
                if (other := self._still_ours()) is not None:
                    return [on.FenceLost(at=self._now(), holder=other)]
        lowering = self._lowering(route, release)
        route = self._write(lowering.patch, route)
        return self._written(effect.id, NONE, route, release, alarms=lowering.alarms)

    def _lowering(self, route: JsonObject, release: Release) -> cut.Lowering:
        return cut.lower(route, pool=self._pool, original=self._required(), release=release.uid)

    def _detach(self, effect: do.DetachCanary, release: Release) -> list[on.Event]:
        route = self._routes.read()
        if self._original is None:
            self._original = reading.noted(route, release)
        if self._original is None:
            return [on.CanaryDetached(at=self._now(), effect=effect.id, generation=0)]
        if cut.RELEASE not in cut.annotations_of(route):  # a copy that somebody put in its place is cleaned as ours
            self._must_be_ours(route)
        if self._unsure and cut.RELEASE not in cut.annotations_of(route):
            route = self._outrun(route, release)
        self._unsure = False
        plan = cut.detach(route, pool=self._pool, original=self._original, release=release.uid, keep=effect.keep)
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
        """Stamp a route, only to take the stamp off again: one of ours may still lie in a network.

        A first stamp holds for the version that was read before it, so the older one fails after this.
        """
        return self._routes.merge(cut.stamp(route, token=release.token, release=release.uid, original=self._required()))

    def _write(self, patch: cut.Patch, route: JsonObject) -> JsonObject:
        """Send a patch, unless there is nothing to send, and remember what was acknowledged."""
        self._known = self._routes.patch(patch) if patch else route
        return self._known

    def _written(
        self, effect: str, share: Decimal, route: JsonObject, release: Release, *, alarms: tuple[str, ...] = ()
    ) -> list[on.Event]:
        generation = cut.generation_of(route)
        done = on.ShareWritten(at=self._now(), effect=effect, share=share, generation=generation, alarms=alarms)
        return [done, *self._accepted(route, release)]

    # Readings ----------------------------------------------------------------------------------------------

    def examine(self, route: JsonObject | None, *, release: Release, at: float) -> list[on.Event]:
        """What a version of the route, as a watch showed it, amounts to.

        Args:
            route: the object; None when it was deleted.
            release: where the release stands.
            at: when it was seen.
        """
        if self._original is None or self._known is None:
            return []
        return [*self._abort_asked(route, release, at), *self._compared(route, release, at)]

    def _abort_asked(self, route: JsonObject | None, release: Release, at: float) -> list[on.Event]:
        """A person's word on the route; it counts once, and only until the way back is decided."""
        if route is None or release.outcome is not None or not (said := reading.abort_of(route, release)):
            return []
        by = said.by or self._writer(route) or "somebody"
        return [on.AbortRequested(at=at, by=by, reason=said.reason, superseded=said.superseded)]

    def _compared(self, route: JsonObject | None, release: Release, at: float) -> list[on.Event]:
        known = self._known or {}
        same = route is not None and cut.uid_of(route) == cut.uid_of(known)
        if route is not None and same and cut.generation_of(route) < cut.generation_of(known):
            return []  # an old version of it; one that was made again begins to count anew
        try:
            change = self._compare(route, release)
            if change is not None and change.direction is cut.Direction.GONE:
                with contextlib.suppress(PortError):  # then the watch's word has to do
                    route = self._try_read()
                change = self._compare(route, release)
            if change is not None and change.direction is cut.Direction.RESTAMPED:
                return self._restamped(release, at)
            return self._changed(change, route, release, at, confirmed=False)
        except cut.SurgeryError as error:
            return [
                on.RouteChanged(
                    at=at, direction=on.Direction.GONE, confirmed=True, by=self._writer(route), sentence=str(error)
                )
            ]

    def _changed(
        self, change: cut.Change | None, route: JsonObject | None, release: Release, at: float, *, confirmed: bool
    ) -> list[on.Event]:
        if change is None:
            self._known = route
            return self._accepted(route, release) if route is not None else []
        pending = release.pending
        if route is not None and isinstance(pending, do.RaiseShare) and self._holds(route, pending.share):
            # Our own write, of which the answer was lost.
            self._known = route
            return self._written(pending.id, pending.share, route, release)
        direction = reading.DIRECTIONS[change.direction]
        event = on.RouteChanged(
            at=at, direction=direction, confirmed=confirmed, by=self._writer(route), sentence=change.sentence
        )
        if direction is not on.Direction.LOWERED or confirmed:
            # A lowering is kept apart until it is confirmed: the next raise must not be planned on it.
            self._known = route
        accepted = self._accepted(route, release) if route is not None else []
        return [event, *accepted]

    def _restamped(self, release: Release, at: float) -> list[on.Event]:
        """A watch may show an old version: only a read says whose token stands there now."""
        try:
            token = cut.annotations_of(self._routes.read()).get(cut.TOKEN)
        except PortError:
            return []  # a raise will find out: it tests the token
        if token is None or token == release.token:
            return []
        return [on.FenceLost(at=at, holder=token)]

    def _confirm(self, release: Release) -> list[on.Event]:
        route = self._try_read()
        if self._known is None or self._original is None:
            return []
        change = self._compare(route, release)
        if change is not None and change.direction is cut.Direction.RESTAMPED:
            return self._restamped(release, self._now())
        if change is None:
            calm = on.RouteChanged(at=self._now(), direction=on.Direction.FOREIGN, confirmed=True, by="", sentence="")
            return [calm]
        return self._changed(change, route, release, self._now(), confirmed=True)

    def _compare(self, route: JsonObject | None, release: Release) -> cut.Change | None:
        """Against the route as known. Without the fence, or once a person revoked it, the token is no news."""
        token = release.token
        if route is not None and (not release.fenced or reading.abort_of(route, release)):
            token = cut.annotations_of(route).get(cut.TOKEN, token)
        return cut.compare(self._known or {}, route, pool=self._pool, original=self._required(), token=token)

    def _believe(self, route: JsonObject, release: Release) -> list[on.Event]:
        """After a takeover: whether the share in the route is one that this release wrote."""
        found = reading.disbelief(reading.shares(route, pool=self._pool, original=self._required()), release)
        if found is None:
            return []
        direction, sentence = found
        return [
            on.RouteChanged(
                at=self._now(), direction=direction, confirmed=True, by=self._writer(route), sentence=sentence
            )
        ]

    def _holds(self, route: JsonObject, share: Decimal) -> bool:
        """Whether every chosen rule stands at a share."""
        shares = reading.shares(route, pool=self._pool, original=self._required())
        return len(shares) == len(self._required().rules) and all(reading.near(now, share) for now in shares)

    def _accepted(self, route: JsonObject, release: Release) -> list[on.Event]:
        """The gateway's word about our newest generation, once every parent that was good has spoken."""
        newest = max(release.generation, cut.generation_of(self._known or route))
        word = reading.acceptance(route, wanted=self._parents, newest=newest)
        if word is None:
            return []
        good, reason = word
        return [on.RouteAccepted(at=self._now(), generation=newest, good=good, reason=reason)]

    def _writer(self, route: JsonObject | None) -> str:
        return cut.last_writer(route, ours=self._manager) if route is not None else ""

    def _try_read(self) -> JsonObject | None:
        with contextlib.suppress(NotFound):
            return self._routes.read()
        return None

    def _must_be_ours(self, route: JsonObject) -> None:
        if self._uid and cut.uid_of(route) != self._uid:
            raise NotFound("the route was deleted and made again by somebody else; nothing of ours is in the new one")

    def _required(self) -> cut.Original:
        if self._original is None:
            raise Refused("the route's original weights are not known: the fence was never taken")
        return self._original

    def _now(self) -> float:
        return self._clock.now()
