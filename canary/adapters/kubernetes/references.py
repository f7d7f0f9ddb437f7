"""The ConfigMaps and Secrets that a pod template names, found and renamed: pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from canary.ports import JsonObject

CONFIG_MAP, SECRET = "ConfigMap", "Secret"

_ENV = (("configMapKeyRef", CONFIG_MAP), ("secretKeyRef", SECRET))
_ENV_FROM = (("configMapRef", CONFIG_MAP), ("secretRef", SECRET))
_PROJECTED = (("configMap", CONFIG_MAP), ("secret", SECRET))
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """One object that a template names.

    Attributes:
        kind: ConfigMap or Secret.
        name: its name.
        optional: pods start without it.
    """

    kind: str
    name: str
    optional: bool = False


def references(template: Mapping[str, Any]) -> list[Reference]:
    """Each object once, optional only where every place says so. Pull secrets are no configuration, and left out."""
    found: dict[tuple[str, str], bool] = {}
    for kind, key, holder in _places(template):
        name = holder.get(key)
        if isinstance(name, str) and name:
            found[kind, name] = found.get((kind, name), True) and holder.get("optional") is True
    return sorted(Reference(kind, name, optional) for (kind, name), optional in found.items())


def renamed(template: Mapping[str, Any], names: Mapping[str, str]) -> JsonObject:
    """A template with other names in these places.

    Args:
        template: stays as it is.
        names: `Kind/name` to the new name; what is not in it keeps its own.
    """
    made: JsonObject = json.loads(json.dumps(template))
    for kind, key, holder in _places(made):
        holder[key] = names.get(f"{kind}/{holder.get(key)}", holder.get(key))
    return made


def _places(template: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Where a name stands: what kind it is of, under which key, in which mapping."""
    spec = template.get("spec") or {}
    for volume in _items(spec, "volumes"):
        yield from _named(volume, (("configMap", CONFIG_MAP),))
        yield from _named(volume, (("secret", SECRET),), key="secretName")
        for source in _items(volume.get("projected"), "sources"):
            yield from _named(source, _PROJECTED)
    for container in (one for key in _CONTAINERS for one in _items(spec, key)):
        for variable in _items(container, "env"):
            yield from _named(variable.get("valueFrom"), _ENV)
        for source in _items(container, "envFrom"):
            yield from _named(source, _ENV_FROM)


def _items(holder: object, key: str) -> Iterator[dict[str, Any]]:
    """The mappings in a list, whatever else somebody wrote: the API server refuses that."""
    found = holder.get(key) if isinstance(holder, dict) else None
    return (one for one in found if isinstance(one, dict)) if isinstance(found, list) else iter(())


def _named(
    holder: object, kinds: tuple[tuple[str, str], ...], *, key: str = "name"
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for word, kind in kinds if isinstance(holder, dict) else ():
        if isinstance(holder, dict) and isinstance(holder.get(word), dict):
            yield kind, key, holder[word]
