"""Which custom kinds the cluster serves.

Asking for one that it does not serve is answered like a broken proxy (a 404 that is no Status), so discovery is asked
first: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from canary.adapters.kubernetes.api import Api
from canary.adapters.kubernetes.budget import PATIENT
from canary.adapters.kubernetes.paths import Resource
from canary.ports import NotFound, Refused


def served(api: Api, resources: Sequence[Resource]) -> list[Resource]:
    """Those of some custom kinds that are served, each under the version that the server prefers.

    One request where none of their groups is there. Whoever may not ask (discovery is open to everybody who has logged
    in, unless somebody closed it) is told of none.

    Raises:
        Unavailable: the API server could not be asked.
    """
    try:
        listed = api.get("/apis", doing="asking which APIs are served", deadline=api.deadline(PATIENT)).get("groups")
        versions = {
            str(each["name"]): str((each.get("preferredVersion") or {}).get("version") or "") for each in listed or ()
        }
        found = [replace(each, version=versions[each.group]) for each in resources if versions.get(each.group)]
        known = {(each.group, each.version): _plurals(api, f"/apis/{each.group}/{each.version}") for each in found}
    except (NotFound, Refused):
        return []
    return [each for each in found if each.plural in known[each.group, each.version]]


def _plurals(api: Api, path: str) -> set[str]:
    answer = api.get(path, doing=f"asking what {path} serves", deadline=api.deadline(PATIENT))
    return {str(each["name"]) for each in answer.get("resources") or ()}
