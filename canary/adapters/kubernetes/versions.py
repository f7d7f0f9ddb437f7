"""Which version a Deployment runs, and how it is given one: an image, or a whole pod template with its image.

The engine writes a template only where the release file names one. What the API server makes of it (defaults, webhooks)
is asked for as a dry run before the canary is made; by the fingerprint of that answer every incarnation, and a
watchdog that has no file, knows whether stable has the new template, the old one, or somebody else's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes.managers import writer_of
from canary.adapters.kubernetes.objects import Objects, understood
from canary.adapters.kubernetes.paths import DEPLOYMENT
from canary.adapters.kubernetes.versioned import Copies
from canary.ports import Conflict, JsonObject, NotFound, WorkloadFailure

TRIES = 4
"""How often a dry run is asked for anew while stable moves."""


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


def template_changed(what: str, deployment: Mapping[str, Any]) -> NotFound:
    """The same for a whole pod template."""
    who = writer_of(deployment, "spec", "template")
    return NotFound(f"{what} was changed during the release by {who}")


def same_image(one: object, other: str) -> bool:
    """Whether two references name the same image: by digest where both have one, whatever tag stands before it."""
    if not isinstance(one, str):
        return False
    digests = [text.partition("@")[2] for text in (one, other)]
    return one == other or (digests[0] != "" and digests[0] == digests[1])


class Version(Protocol):
    """What a Deployment may run.

    Attributes:
        image: of its pods.
    """

    @property
    def image(self) -> str:
        """See above."""
        ...

    def on(self, deployment: JsonObject) -> bool:
        """Whether it is what the Deployment says, exactly."""
        ...

    def still(self, deployment: JsonObject) -> bool:
        """Whether the Deployment means it, however somebody spelled it."""
        ...

    def over(self, deployment: JsonObject) -> list[JsonObject]:
        """The JSON Patch that puts it in place of what was just read, and holds only while that stands."""
        ...

    def foreign(self, what: str, deployment: JsonObject) -> NotFound:
        """What is said when neither it nor what it replaces stands there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOnly:
    """A version that is an image; whatever else the template says stays as it is."""

    image: str
    container: str | None

    def on(self, deployment: JsonObject) -> bool:
        """See Version."""
        return image_of(deployment, self.container) == self.image

    def still(self, deployment: JsonObject) -> bool:
        """See Version."""
        return same_image(image_of(deployment, self.container), self.image)

    def over(self, deployment: JsonObject) -> list[JsonObject]:
        """See Version."""
        index, found = container_of(deployment, self.container)
        return derive.replace_image(index, container=found["name"], before=found.get("image", ""), after=self.image)

    def foreign(self, what: str, deployment: JsonObject) -> NotFound:
        """See Version."""
        return image_changed(what, deployment, self.container)


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeTemplate:
    """A version that is a pod template.

    Attributes:
        fingerprint: of the template as the API server keeps it.
        template: what is written.
        copies: of ConfigMaps and Secrets that it names.
    """

    image: str
    fingerprint: str
    template: JsonObject = field(repr=False)
    copies: Copies = field(default_factory=Copies)

    def on(self, deployment: JsonObject) -> bool:
        """See Version."""
        return derive.fingerprint(deployment) == self.fingerprint

    still = on

    def over(self, deployment: JsonObject) -> list[JsonObject]:
        """See Version."""
        return derive.replace_template(deployment, self.template)

    def foreign(self, what: str, deployment: JsonObject) -> NotFound:
        """See Version."""
        return template_changed(what, deployment)


def promised(objects: Objects, deployment: JsonObject, template: JsonObject) -> str:
    """The fingerprint that a Deployment would have with another template, by a dry run.

    Args:
        objects: the namespace.
        deployment: as it was just read; read again when it moves.
        template: what would be written.

    Raises:
        Refused: the API server would not take it; a field that it does not know is told, and not dropped.
        Conflict: it keeps moving.
    """
    name = deployment["metadata"]["name"]
    doing = f"rehearsing the new template of {objects.what(DEPLOYMENT, name)}"
    for tries in range(TRIES):
        operations = derive.replace_template(deployment, template)
        try:
            return derive.fingerprint(
                objects.patch(DEPLOYMENT, name, operations, doing=doing, dry_run=True, strict=True)
            )
        except Conflict:
            if tries + 1 == TRIES:
                raise
            deployment = objects.get(DEPLOYMENT, name)
    raise AssertionError("unreachable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What the canary's notes say of stable.

    Attributes:
        version: what stable had when the canary was made from it; None where nothing says it.
        promised: the fingerprint that stable has with the new template; None where only the image is released.
        names: of the copies of ConfigMaps and Secrets in the new template.
    """

    version: Version | None
    promised: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)


def before_of(canary: JsonObject, container: str | None) -> Before:
    """Read from the canary's Deployment.

    Raises:
        Refused: what stands there has not the shape that the engine writes.
    """
    image, old = derive.note_of(canary, derive.STABLE_IMAGE), derive.note_of(canary, derive.OLD_TEMPLATE)
    if old is None:
        return Before(version=ImageOnly(image=image, container=container) if image is not None else None)
    with understood("reading stable's old template"):
        known = derive.note_of(canary, derive.STABLE_TEMPLATE)
        if known is None:
            raise LookupError(derive.STABLE_TEMPLATE)
        version = WholeTemplate(image=image or "", fingerprint=known, template=dict(json.loads(old)))
        names = dict(json.loads(derive.note_of(canary, derive.VERSIONED) or "{}"))
    return Before(version=version, promised=derive.note_of(canary, derive.NEW_TEMPLATE), names=names)


def found_on(deployment: JsonObject, container: str | None, before: Before | None) -> Version:
    """What a Deployment runs now, whatever it is, in the terms in which it is released."""
    image = image_of(deployment, container)
    if before is None or before.promised is None:
        return ImageOnly(image=image, container=container)
    template: JsonObject = deployment["spec"]["template"]
    return WholeTemplate(image=image, fingerprint=derive.fingerprint(deployment), template=template)


def given(deployment: JsonObject, before: Before | None, image: str, container: str | None) -> bool:
    """Whether a Deployment has what the release gave it, and not what it had before or got from somebody else."""
    if before is not None and before.promised is not None:
        return derive.fingerprint(deployment) == before.promised
    return image_of(deployment, container) == image
