"""What is written to stable's Deployment: the fence's token, and a version; each write tests what it replaces."""

from __future__ import annotations

from canary.adapters.kubernetes import marks
from canary.adapters.kubernetes.objects import Objects, understood
from canary.adapters.kubernetes.paths import DEPLOYMENT
from canary.adapters.kubernetes.versions import Version
from canary.ports import Conflict, JsonObject, Mark

TRIES = 4
"""How often a write to stable is decided anew after a conflict."""


class Untouched:
    """Stable's Deployment where somebody else promotes: nothing is written, so there is nothing to fence.

    The token is kept in this process, so that the engine finds it where it put it.

    Args:
        writes: reads it all the same, so that a Deployment that is gone is seen.
    """

    def __init__(self, writes: StableWrites) -> None:
        self._writes, self._token = writes, ""

    def mark(self) -> Mark:
        """See StableWrites."""
        return Mark(token=self._token, version=self._writes.mark().version)

    def put_mark(self, token: str, *, over: Mark) -> None:
        """Remember it."""
        if over.token != self._token:
            raise Conflict(f"another token was read than stands there: {over.token!r}")
        self._token = token


class StableWrites:
    """Writes to stable's Deployment.

    Args:
        objects: the namespace.
        name: of the Deployment.
        release: the release's uid.
    """

    def __init__(self, objects: Objects, *, name: str, release: str) -> None:
        self._objects, self._name, self._release = objects, name, release
        self._what = objects.what(DEPLOYMENT, name)

    def mark(self) -> Mark:
        """See Workloads; within the bound of critical requests."""
        with understood("reading the token on stable"):
            mark = marks.mark_of(self._objects.get(DEPLOYMENT, self._name, patient=False))
            if not mark.version:  # a first stamp over no version would hold for every version
                raise ValueError("no resourceVersion")
            return mark

    def put_mark(self, token: str, *, over: Mark) -> None:
        """See Workloads; within the bound of critical requests."""
        if over.token:
            self._objects.patch(DEPLOYMENT, self._name, marks.swapped(token, over=over), patient=False)
        else:
            self._objects.merge(DEPLOYMENT, self._name, marks.first_mark(token, over=over), patient=False)

    def replace(self, before: Version, after: Version, *, token: str | None = None) -> None:
        """Replace one version by the other; already replaced is done.

        Args:
            before, after: versions.
            token: must stand there; None for that of whichever incarnation of this release: putting back is not fenced
                against one's own replacement, only against acting after the end.

        Raises:
            NotFound: it has a third one.
            Conflict: it keeps moving, or the token does not stand there.
        """
        for tries in range(TRIES):
            stable = self._objects.get(DEPLOYMENT, self._name)
            if after.on(stable):
                return
            if not before.on(stable):
                raise after.foreign(self._what, stable)
            operations: list[JsonObject] = [marks.must_carry(self._carried(stable, token)), *after.over(stable)]
            try:
                doing = f"giving {self._what} the image {after.image}"
                self._objects.patch(DEPLOYMENT, self._name, operations, doing=doing)
            except Conflict:
                if tries + 1 == TRIES:
                    raise
            else:
                return

    def _carried(self, stable: JsonObject, token: str | None) -> str:
        carried = marks.mark_of(stable).token
        ours = carried == token if token is not None else carried.partition("/")[0] == self._release
        if not ours:
            raise Conflict(f"{self._what} does not carry our token, but {carried or 'none'}")
        return carried
