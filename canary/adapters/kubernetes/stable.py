"""What is written to stable's Deployment: the fence's token, and the image; each write tests what it replaces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from canary.adapters.kubernetes import derive, marks
from canary.adapters.kubernetes.managers import writer_of
from canary.adapters.kubernetes.objects import Objects, understood
from canary.adapters.kubernetes.paths import DEPLOYMENT
from canary.ports import Conflict, JsonObject, Mark, NotFound, WorkloadFailure

TRIES = 4
"""How often a write to stable is decided anew after a conflict."""


def container_of(deployment: Mapping[str, Any], container: str | None) -> tuple[int, Mapping[str, Any]]:
    """Index and object of the container that gets the image.

    Raises:
        WorkloadFailure: it is not there, or several are and none was named.
    """
    try:
        return derive.container_of(deployment, container)
    except derive.Underivable as error:
        raise WorkloadFailure(str(error)) from error


def image_of(deployment: Mapping[str, Any], container: str | None) -> str:
    """The image that this container has."""
    return str(container_of(deployment, container)[1].get("image", ""))


def image_changed(what: str, deployment: Mapping[str, Any], container: str | None) -> NotFound:
    """Invariant 8, for whoever finds an image on stable that is nobody's business to have put there: who, and which.

    The image's writer alone: a whole template has several owners, and two that wrote within one second cannot be told
    apart.
    """
    _, found = container_of(deployment, container)
    item = json.dumps({"name": found.get("name")}, separators=(",", ":"))
    who = writer_of(deployment, "spec", "template", "spec", "containers", f"k:{item}", "image")
    return NotFound(f"the image of {what} was changed by {who} to {found.get('image', '')}")


def same_image(one: object, other: str) -> bool:
    """Whether two references name the same image: by digest where both have one, whatever tag stands before it."""
    if not isinstance(one, str):
        return False
    digests = [text.partition("@")[2] for text in (one, other)]
    return one == other or (digests[0] != "" and digests[0] == digests[1])


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
        container: which container gets the image; None for the only one.
        release: the release's uid.
    """

    def __init__(self, objects: Objects, *, name: str, container: str | None, release: str) -> None:
        self._objects, self._name, self._container, self._release = objects, name, container, release
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

    def replace(self, before: str, after: str, *, token: str | None = None) -> None:
        """Replace one image by the other; already replaced is done.

        Args:
            before, after: images.
            token: must stand there; None for that of whichever incarnation of this release: putting back is not fenced
                against one's own replacement, only against acting after the end.

        Raises:
            NotFound: it has a third one.
            Conflict: it keeps moving, or the token does not stand there.
        """
        for tries in range(TRIES):
            stable = self._objects.get(DEPLOYMENT, self._name)
            now = image_of(stable, self._container)
            if now == after:
                return
            if now != before:
                raise image_changed(self._what, stable, self._container)
            index, container = container_of(stable, self._container)
            carried = self._carried(stable, token)
            replaced = derive.replace_image(index, container=container["name"], before=before, after=after)
            operations: list[JsonObject] = [marks.must_carry(carried), *replaced]
            try:
                doing = f"giving {self._what} the image {after}"
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
