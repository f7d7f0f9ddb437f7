"""Stable's side of a release: it gets the new version, by the engine or by somebody else, or its old one back."""

from __future__ import annotations

import math
import threading
from functools import partial

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes.drafting import Drafting
from canary.adapters.kubernetes.lookout import Lookout
from canary.adapters.kubernetes.objects import Objects
from canary.adapters.kubernetes.owned import Owned
from canary.adapters.kubernetes.paths import DEPLOYMENT, SERVICE
from canary.adapters.kubernetes.rollout import Standing
from canary.adapters.kubernetes.stable import StableWrites
from canary.adapters.kubernetes.versions import (
    Before,
    ImageOnly,
    Version,
    before_of,
    found_on,
    given,
    image_changed,
    image_of,
    same_image,
    template_changed,
)
from canary.adapters.kubernetes.waiting import Waiting
from canary.ports import JsonObject, NotFound, Refused


class Promotion:
    """Gives stable a version, and waits until it is ready.

    Args:
        objects: the namespace.
        name, service: of stable's Deployment and its Service.
        container: which container gets the image; None for the only one.
        image: the new version's.
        hook: somebody else gives it; nothing is written.
        drafting: knows the new version.
        owned: the canary, whose notes say what stable had.
        writes: to stable's Deployment.
        waiting, lookout: how it is waited for.
    """

    def __init__(
        self,
        objects: Objects,
        *,
        name: str,
        service: str,
        container: str | None,
        image: str,
        hook: bool,
        drafting: Drafting,
        owned: Owned,
        writes: StableWrites,
        waiting: Waiting,
        lookout: Lookout,
    ) -> None:
        self._objects, self._name, self._service = objects, name, service
        self._container, self._image, self._hook = container, image, hook
        self._drafting, self._owned, self._writes = drafting, owned, writes
        self._waiting, self._lookout = waiting, lookout
        self._before: Before | None = None
        self._what = objects.what(DEPLOYMENT, name)
        self._canary = objects.what(DEPLOYMENT, drafting.canary_name)

    def update(self, cancelled: threading.Event, *, token: str) -> None:
        """See Workloads.update_stable."""
        canary = self._owned.get(DEPLOYMENT, self._drafting.canary_name)
        if canary is None:
            raise NotFound(f"{self._canary} was deleted by somebody else")
        self._before = before = before_of(canary, self._container)
        if self._hook:
            self._await_hook(cancelled)
            return
        stable = self._objects.get(DEPLOYMENT, self._name)
        new = self._new(before, stable)
        if not new.on(stable):
            self.check_stable(stable, canary)
        self._writes.replace(self._known(before), new, token=token)
        self._await_stable(cancelled, new)

    def revert(self, cancelled: threading.Event) -> None:
        """See Workloads.revert_stable."""
        stable = self._objects.get(DEPLOYMENT, self._name)
        before = self._noted()
        now = found_on(stable, self._container, before)
        if not self._hook and given(stable, before, self._image, self._container):
            old = self._known(before)
            self._writes.replace(now, old)
            now = old
        self._await_stable(cancelled, now)

    def check_stable(self, stable: JsonObject, canary: JsonObject) -> None:
        """Invariant 8: stable's template is what the canary was made from, or the release stops."""
        known = derive.note_of(canary, derive.STABLE_TEMPLATE)
        if known is not None and known != derive.fingerprint(stable):
            raise template_changed(self._what, stable)

    def _noted(self) -> Before | None:
        """What the canary's notes say of stable; as this process last saw them where the canary is gone."""
        try:
            canary = self._objects.get(DEPLOYMENT, self._drafting.canary_name)
        except NotFound:
            return self._before
        return before_of(canary, self._container) if derive.release_of(canary) == self._owned.release else self._before

    def _known(self, before: Before | None) -> Version:
        """What stable had when the canary was made from it.

        Raises:
            Refused: nothing says it.
            WorkloadFailure: somebody else's object has the canary's name.
        """
        if before is not None and before.version is not None:
            return before.version
        self._owned.get(DEPLOYMENT, self._drafting.canary_name)
        raise Refused(f"the image that {self._what} had is not known: {self._canary} does not say it")

    def _new(self, before: Before, stable: JsonObject) -> Version:
        """The new version, as the canary's notes say that stable will have it."""
        if before.promised is None:
            return ImageOnly(image=self._image, container=self._container)
        return self._drafting.version(stable, known=before)

    def _await_stable(self, cancelled: threading.Event, version: Version) -> None:
        stable = self._objects.get(DEPLOYMENT, self._name)
        selector = stable["spec"]["selector"].get("matchLabels") or {}
        look = partial(self._lookout.look, self._name, selector, version=version)
        self._waiting.until_ready(cancelled, look, within=self._lookout.within(stable))
        service = self._objects.get(SERVICE, self._service)
        wanted = derive.replicas_of(self._objects.get(DEPLOYMENT, self._name))
        self._lookout.await_endpoints(cancelled, service, wanted)

    def _await_hook(self, cancelled: threading.Event) -> None:
        """Until somebody gave stable the new version; nothing is written, and a third version is somebody's change."""
        before, new = self._known(self._before).image, ImageOnly(image=self._image, container=self._container)
        selector: dict[str, str] = {}

        def look() -> Standing:
            stable = self._objects.get(DEPLOYMENT, self._name)
            selector.update(stable["spec"]["selector"].get("matchLabels") or {})
            now = image_of(stable, self._container)
            if same_image(now, self._image):
                return self._lookout.look(self._name, selector, version=new)
            if not same_image(now, before):
                raise image_changed(self._what, stable, self._container)
            return Standing(reason=f"{self._what} runs {now}, and nobody has given it {self._image}")

        # The machine knows how long that may take.
        self._waiting.until_ready(cancelled, look, within=math.inf, every=self._waiting.pace.hook)
        self._await_stable(cancelled, new)
