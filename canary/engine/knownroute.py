"""The route as we know it: as the server last acknowledged it, what it was before, and what others did to it since.

A version that a watch or a read shows is compared with the known one; what the difference means for the release is the
machine's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from decimal import Decimal
from typing import Any

import strategies as cut
from canary.core import effects as do
from canary.core import events as on
from canary.core.release import Release
from canary.engine import reading
from canary.ports import Clock, JsonObject, NotFound, PortError, Refused, Routes


class KnownRoute:
    """What an engine knows of its route.

    Args:
        routes, clock: the ports.
        pool: the references that traffic is moved between.
        manager: our field manager, so that we do not blame ourselves.
        state: as `encode` gave it; None before the first touch.

    Attributes:
        route: as last acknowledged, or as others were last seen to leave it; None before the first read.
        original: the weights before the release; None before the first touch.
    """

    def __init__(
        self, *, routes: Routes, clock: Clock, pool: cut.Pool, manager: str, state: dict[str, Any] | None = None
    ) -> None:
        self._routes, self._clock, self._pool, self._manager = routes, clock, pool, manager
        state = state or {}
        self.route: JsonObject | None = None
        self.original = cut.Original.decode(state["original"]) if "original" in state else None
        self._uid: str = state.get("uid", "")
        self._parents: frozenset[str] = frozenset(state.get("parents", ()))

    def encode(self) -> dict[str, Any]:
        """What a next incarnation must know."""
        if self.original is None:
            return {}
        return {"original": self.original.encode(), "uid": self._uid, "parents": sorted(self._parents)}

    def weights(self) -> tuple[str, ...]:
        """The chosen rules' weights as last acknowledged, for people."""
        if self.route is None or self.original is None:
            return ()
        return cut.weights_shown(self.route, original=self.original)

    def begin(self, route: JsonObject, original: cut.Original) -> None:
        """The first touch: what stood there before it."""
        self.original = original
        self._uid = cut.uid_of(route)
        self._parents = frozenset(parent.key for parent in cut.parents(route) if parent.good(0))

    def touched(self, route: JsonObject, release: Release) -> bool:
        """Whether this release ever touched it; where nobody remembers, the route's own note of its weights tells."""
        if self.original is None:
            self.original = reading.noted(route, release)
        return self.original is not None

    def required(self) -> cut.Original:
        """The weights before the release.

        Raises:
            Refused: nobody knows them.
        """
        if self.original is None:
            raise Refused("the route's original weights are not known: the fence was never taken")
        return self.original

    def must_be_ours(self, route: JsonObject) -> None:
        """Make sure that it is the one that was touched first.

        Raises:
            NotFound: it is another one under the same name.
        """
        if self._uid and cut.uid_of(route) != self._uid:
            raise NotFound("the route was deleted and made again by somebody else; nothing of ours is in the new one")

    def must_not_have_moved_the_baseline(self, route: JsonObject, written: Collection[Decimal]) -> None:
        """Invariant 8: a weight of the baseline that somebody changed stops the release before the next raise.

        Args:
            route: as it is known.
            written: shares that this release may have written, percent.

        Raises:
            NotFound: somebody did, with the name.
        """
        moved = cut.baseline_moved(route, pool=self._pool, original=self.required(), shares=written)
        if moved:
            raise NotFound(
                f"{self._writer(route) or 'somebody'} changed the baseline's weight during the release: {moved}"
            )

    def examine(self, route: JsonObject | None, *, release: Release, at: float) -> list[on.Event]:
        """What a version of the route, as a watch showed it, amounts to.

        Args:
            route: the object; None when it was deleted.
            release: where the release stands.
            at: when it was seen.
        """
        if self.original is None or self.route is None:
            return []
        return [*self.abort_asked(route, release, at), *self._compared(route, release, at)]

    def confirm(self, release: Release) -> list[on.Event]:
        """Read it, to see whether a change that a watch showed stands there still."""
        route = self._try_read()
        if self.route is None or self.original is None:
            return []
        change = self._compare(route, release)
        if change is not None and change.direction is cut.Direction.RESTAMPED:
            return self._restamped(release, self._now())
        if change is None:
            calm = on.RouteChanged(at=self._now(), direction=on.Direction.FOREIGN, confirmed=True, by="", sentence="")
            return [calm]
        return self._changed(change, route, release, self._now(), confirmed=True)

    def believe(self, route: JsonObject, release: Release) -> list[on.Event]:
        """After a takeover: whether the share in the route is one that this release wrote."""
        found = reading.disbelief(reading.shares(route, pool=self._pool, original=self.required()), release)
        if found is None:
            return []
        direction, sentence = found
        return [
            on.RouteChanged(
                at=self._now(), direction=direction, confirmed=True, by=self._writer(route), sentence=sentence
            )
        ]

    def abort_asked(self, route: JsonObject | None, release: Release, at: float) -> list[on.Event]:
        """A person's word on the route; it counts once, and only until the way back is decided."""
        if route is None or release.outcome is not None or not (said := reading.abort_of(route, release)):
            return []
        by = said.by or self._writer(route) or "somebody"
        return [on.AbortRequested(at=at, by=by, reason=said.reason, superseded=said.superseded)]

    def written(
        self, effect: str, share: Decimal, route: JsonObject, release: Release, *, alarms: tuple[str, ...] = ()
    ) -> list[on.Event]:
        """A write of ours was acknowledged: the share that it wrote, and what the gateway says already."""
        generation = cut.generation_of(route)
        done = on.ShareWritten(at=self._now(), effect=effect, share=share, generation=generation, alarms=alarms)
        return [done, *self.accepted(route, release)]

    def accepted(self, route: JsonObject, release: Release) -> list[on.Event]:
        """The gateway's word about our newest generation, once every parent that was good has spoken."""
        newest = max(release.generation, cut.generation_of(self.route or route))
        word = reading.acceptance(route, wanted=self._parents, newest=newest)
        if word is None:
            return []
        good, reason = word
        return [on.RouteAccepted(at=self._now(), generation=newest, good=good, reason=reason)]

    def _compared(self, route: JsonObject | None, release: Release, at: float) -> list[on.Event]:
        known = self.route or {}
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
            self.route = route
            return self.accepted(route, release) if route is not None else []
        pending = release.pending
        if route is not None and isinstance(pending, do.RaiseShare) and self._holds(route, pending.share):
            # Our own write, of which the answer was lost.
            self.route = route
            return self.written(pending.id, pending.share, route, release)
        direction = reading.DIRECTIONS[change.direction]
        event = on.RouteChanged(
            at=at, direction=direction, confirmed=confirmed, by=self._writer(route), sentence=change.sentence
        )
        if direction is not on.Direction.LOWERED or confirmed:
            # A lowering is kept apart until it is confirmed: the next raise must not be planned on it.
            self.route = route
        accepted = self.accepted(route, release) if route is not None else []
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

    def _compare(self, route: JsonObject | None, release: Release) -> cut.Change | None:
        """Against the route as known. Without the fence, or once a person revoked it, the token is no news."""
        token = release.token
        if route is not None and (not release.fenced or reading.abort_of(route, release)):
            token = cut.annotations_of(route).get(cut.TOKEN, token)
        return cut.compare(self.route or {}, route, pool=self._pool, original=self.required(), token=token)

    def _holds(self, route: JsonObject, share: Decimal) -> bool:
        """Whether every chosen rule stands at a share."""
        shares = reading.shares(route, pool=self._pool, original=self.required())
        return len(shares) == len(self.required().rules) and all(reading.near(now, share) for now in shares)

    def _writer(self, route: JsonObject | None) -> str:
        return cut.last_writer(route, ours=self._manager) if route is not None else ""

    def _try_read(self) -> JsonObject | None:
        with contextlib.suppress(NotFound):
            return self._routes.read()
        return None

    def _now(self) -> float:
        return self._clock.now()
