"""What the API server lets us do: self subject access reviews, one for each thing that a release will ask for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from canary.adapters.kubernetes.api import Api
from canary.adapters.kubernetes.budget import CRITICAL
from canary.adapters.kubernetes.paths import Resource

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One thing to be allowed.

    Attributes:
        verb: as RBAC calls it.
        resource: the kind.
        name: which object; empty for all of the namespace (RBAC cannot restrict `create` to names).
        needed: without it the release cannot be done; else something is only told less well.
    """

    verb: str
    resource: Resource
    name: str = ""
    needed: bool = True

    def __str__(self) -> str:
        what = f"{self.resource.plural}.{self.resource.group}" if self.resource.group else self.resource.plural
        return f"{self.verb} {what}{f'/{self.name}' if self.name else ''}"


def denied(api: Api, namespace: str, rights: Iterable[Right]) -> list[Right]:
    """The rights that we do not have.

    Raises:
        PortError: the API server does not say.
    """
    return [right for right in rights if not _allowed(api, namespace, right)]


def rule_for(rights: Iterable[Right]) -> str:
    """The rules of a Role that give these rights, as one line of YAML."""
    verbs: dict[tuple[str, str], dict[str, None]] = {}
    for right in rights:
        verbs.setdefault((right.resource.group, right.resource.plural), {})[right.verb] = None
    rules = (
        f'{{apiGroups: ["{group}"], resources: [{plural}], verbs: [{", ".join(names)}]}}'
        for (group, plural), names in verbs.items()
    )
    return ", ".join(rules)


def _allowed(api: Api, namespace: str, right: Right) -> bool:
    attributes = {
        "namespace": namespace,
        "verb": right.verb,
        "group": right.resource.group,
        "version": right.resource.version,
        "resource": right.resource.plural,
        **({"name": right.name} if right.name else {}),
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    doing = f"asking whether we may {right}"
    # The whole call may be repeated by api only when it was not done; a review changes nothing either way.
    answer = api.create(REVIEWS, body, doing=doing, deadline=api.deadline(CRITICAL))
    return bool((answer.get("status") or {}).get("allowed"))
