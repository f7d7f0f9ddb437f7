"""What a pod template changes, for a person: the running Deployment's against the one in a file, leaf by leaf.

What Kubernetes fills in by itself is left out on both sides, or every line that nobody wrote would be a change. Values
of variables, arguments and annotations are not shown: some are secrets, and a plan is printed where many can read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from canary.spec.problems import shown

MOST_LINES = 60
"""Changes that are printed; the rest is counted."""

_DEFAULTS: dict[str, object] = {
    "creationTimestamp": None,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "resources": {},
    "protocol": "TCP",
    "scheme": "HTTP",
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
    "defaultMode": 420,
}
"""What the API server writes where nothing was written (kubernetes/kubernetes, pkg/apis/core/v1/defaults.go)."""

_NAMED_BY = ("name", "mountPath", "containerPort", "topologyKey", "key")
"""By which of its keys an item of a list is known, the first that all items have."""

_HIDDEN = re.compile(r"\.(env\[[^]]*\]\.value|args\[\d+\]|command\[\d+\]|annotations\[[^]]*\]|exec\.command\[\d+\])$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value that differs.

    Attributes:
        path: where, such as `spec.containers[app].env[LEVEL].value`.
        before, after: the values; None where there is none, a word where they are not shown.
        hidden: they are not shown.
    """

    path: str
    before: object = None
    after: object = None
    hidden: bool = False

    def __str__(self) -> str:
        """A line: + for what comes, - for what goes, ~ for what changes."""
        if self.before is None:
            return f"+ {self.path}" + ("" if self.hidden or self.after == "" else f": {shown(self.after)}")
        if self.after is None:
            return f"- {self.path}" + ("" if self.hidden or self.before == "" else f": {shown(self.before)}")
        return f"~ {self.path}" + ("" if self.hidden else f": {shown(self.before)} -> {shown(self.after)}")


def changes(live: Mapping[str, Any], given: Mapping[str, Any], *, container: str | None) -> list[Change]:
    """What differs between two pod templates, but for the image of the container that is released.

    Args:
        live: the running Deployment's.
        given: the file's.
        container: which container gets the image; None for the only one.
    """
    before, after = dict(_leaves(live, "")), dict(_leaves(given, ""))
    image = f"spec.containers[{container or _only(given)}].image"
    found = []
    for path in sorted({*before, *after} - {image}):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        if _HIDDEN.search(f".{path}"):
            words = [None if value is None else "(not shown)" for value in (old, new)]
            found.append(Change(path=path, before=words[0], after=words[1], hidden=True))
        else:
            found.append(Change(path=path, before=old, after=new))
    return found


def lines(found: list[Change], *, file: str) -> list[str]:
    """For a person.

    Args:
        found: the changes.
        file: where the template stands.
    """
    if not found:
        return [f"{file} says what the running Deployment's pod template says; only the image is released."]
    told = [f"  {change}" for change in found[:MOST_LINES]]
    more = len(found) - MOST_LINES
    head = f"Released with the image, from {file} (values of variables, arguments and annotations are not shown):"
    return [head, *told, *([f"  and {more} more"] if more > 0 else [])]


def _only(template: Mapping[str, Any]) -> str:
    containers = (template.get("spec") or {}).get("containers") or [{}]
    return str(containers[0].get("name", ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping) and value:
        named = path.endswith(("labels", "annotations", "matchLabels", "nodeSelector", "limits", "requests"))
        for key, inner in value.items():
            if key in _DEFAULTS and inner == _DEFAULTS[key]:
                continue
            if key == "restartPolicy" and inner == "Always" and path == "spec":
                continue  # of one container it says that it is a sidecar
            if key in {"imagePullPolicy", "serviceAccount"} and _derived(key, value):
                continue
            here = f"{path}[{key}]" if named else f"{path}.{key}".removeprefix(".")
            yield from _leaves(inner, here)
    elif isinstance(value, list | tuple) and value:
        by = next((key for key in _NAMED_BY if all(isinstance(one, Mapping) and key in one for one in value)), None)
        for index, inner in enumerate(value):
            if by is None:
                yield from _leaves(inner, f"{path}[{index}]")
            else:
                rest = {key: part for key, part in inner.items() if key != by}
                here = f"{path}[{inner[by]}]"
                yield from list(_leaves(rest, here) if rest else ()) or [(here, "")]
    elif value is not None:
        yield path, value


def _derived(key: str, value: Mapping[str, Any]) -> bool:
    """What the server derives from another field, so that it says nothing of its own."""
    if key == "serviceAccount":
        return bool(value.get("serviceAccountName") == value[key])
    image = str(value.get("image", ""))
    latest = image != "" and "@" not in image and image.rpartition("/")[2].partition(":")[2] in {"", "latest"}
    return bool(value[key] == ("Always" if latest else "IfNotPresent"))
