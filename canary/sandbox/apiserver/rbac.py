"""Who may do what: Roles, ClusterRoles and their bindings, evaluated as a real server does.

Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/. A request that names no object (`list`, `watch`,
`create`, `deletecollection`) never matches a rule with resourceNames, except a list or watch selected by metadata.name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from canary.sandbox.apiserver.errors import Json, forbidden
from canary.sandbox.apiserver.store import Store

MASTERS = "system:masters"
"""The group that may do everything."""

_GROUP = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for, in the words of the rules.

    Attributes:
        verb: get, list, watch, create, update, patch, delete or deletecollection.
        group, resource, subresource: of what.
        namespace: where; empty for everywhere.
        name: which one; empty for none in particular.
    """

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""


def allows(rule: Json, request: Request) -> bool:
    """Whether one rule allows the request."""
    wanted = f"{request.resource}/{request.subresource}" if request.subresource else request.resource
    resources = rule.get("resources") or ()
    names = rule.get("resourceNames") or ()
    return (
        _any(rule.get("verbs") or (), request.verb)
        and _any(rule.get("apiGroups") or (), request.group)
        and (_any(resources, wanted) or (bool(request.subresource) and f"*/{request.subresource}" in resources))
        and (not names or request.name in names)
    )


def _any(values: list[str] | tuple[str, ...], wanted: str) -> bool:
    return "*" in values or wanted in values


def rules_of(store: Store, user: User, namespace: str) -> Iterator[Json]:
    """Every rule that applies to a user in a namespace; in all namespaces when it is empty."""
    for binding in store.items(f"clusterrolebindings.{_GROUP}"):
        if _binds(binding, user):
            yield from _rules(store, binding["roleRef"], "")
    if namespace:
        for binding in store.items(f"rolebindings.{_GROUP}", namespace):
            if _binds(binding, user):
                yield from _rules(store, binding["roleRef"], namespace)


def _binds(binding: Json, user: User) -> bool:
    for subject in binding.get("subjects") or ():
        kind, name = subject.get("kind"), subject.get("name")
        if kind == "User" and name == user.name:
            return True
        if kind == "Group" and name in user.groups:
            return True
        home = subject.get("namespace") or binding["metadata"].get("namespace", "")
        if kind == "ServiceAccount" and user.name == f"system:serviceaccount:{home}:{name}":
            return True
    return False


def _rules(store: Store, reference: Json, namespace: str) -> Iterator[Json]:
    plural = "clusterroles" if reference.get("kind") == "ClusterRole" else "roles"
    key = ("", reference.get("name", "")) if plural == "clusterroles" else (namespace, reference.get("name", ""))
    role = store.get(f"{plural}.{_GROUP}", key)
    yield from (role or {}).get("rules") or ()


def permitted(store: Store, user: User, request: Request) -> bool:
    """Whether the user may do it."""
    return MASTERS in user.groups or any(allows(rule, request) for rule in rules_of(store, user, request.namespace))


def demand(store: Store, user: User, request: Request) -> None:
    """Nothing when the user may do it.

    Raises:
        ApiError: 403.
    """
    if permitted(store, user, request):
        return
    what = f"{request.resource}/{request.subresource}" if request.subresource else request.resource
    where = f'in the namespace "{request.namespace}"' if request.namespace else "at the cluster scope"
    why = f'User "{user.name}" cannot {request.verb} resource "{what}" in API group "{request.group}" {where}'
    resource = f"{request.resource}.{request.group}" if request.group else request.resource
    raise forbidden(resource, request.name, why)


def review(store: Store, user: User, body: Json) -> Json:
    """The SelfSubjectAccessReview with its answer."""
    asked = (body.get("spec") or {}).get("resourceAttributes")
    if asked is None:  # paths that are no resources: health and discovery, open to everybody here
        return {**body, "status": {"allowed": True}}
    request = Request(
        verb=asked.get("verb", ""),
        group=asked.get("group", ""),
        resource=asked.get("resource", ""),
        subresource=asked.get("subresource", ""),
        namespace=asked.get("namespace", ""),
        name=asked.get("name", ""),
    )
    return {**body, "status": {"allowed": permitted(store, user, request)}}


def rules_review(store: Store, user: User, body: Json) -> Json:
    """The SelfSubjectRulesReview with its answer."""
    namespace = (body.get("spec") or {}).get("namespace", "")
    everything = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    rules = everything if MASTERS in user.groups else list(rules_of(store, user, namespace))
    return {**body, "status": {"resourceRules": rules, "nonResourceRules": [], "incomplete": False}}
