"""Every write of a release sent with dryRun=All: quotas, policies and webhooks refuse here, not in the night."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import strategies as cut
from canary.adapters.kubernetes import derive, marks, scalers
from canary.adapters.kubernetes.cover import owned_by
from canary.adapters.kubernetes.drafting import Drafts
from canary.adapters.kubernetes.objects import Objects
from canary.adapters.kubernetes.paths import CONFIG_MAP, DEPLOYMENT, LEASE, MANAGED, SERVICE, Resource
from canary.adapters.kubernetes.routes import KubernetesRoutes
from canary.adapters.kubernetes.versioned import Copies
from canary.adapters.memory.patching import apply
from canary.core.outcome import ExitCode
from canary.ports import Conflict, JsonObject, Problem, Refused

_LABEL = "/metadata/labels/app.kubernetes.io~1managed-by"


def rehearse_route(routes: KubernetesRoutes, operations: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """The token, the canary's reference and the first raise as one patch, so that all of it stands before admission.

    Raises:
        Conflict: the patch does not apply; the route was changed since it was read.
        PortError: the API server could not be asked.
    """
    try:
        routes.patch(operations, dry_run=True)
    except Refused as error:
        return [_refused("the first raise of the route", error)]
    return []


def first_raise(
    route: JsonObject, *, pool: cut.Pool, original: cut.Original, share: Decimal, release: str
) -> list[dict[str, Any]]:
    """From the untouched route to the first share as one JSON Patch."""
    token = f"{release}/preflight"
    notes = cut.stamp(route, token=token, release=release, original=original)["metadata"]["annotations"]
    head = {"op": "add", "path": "/metadata/annotations", "value": {**cut.annotations_of(route), **notes}}
    stamped = apply(route, [head])
    attached = cut.attach(stamped, pool=pool, original=original, token=token)
    raised = cut.set_share(apply(stamped, attached), pool=pool, original=original, share=share, token=token)
    return [dict(operation) for operation in (head, *attached, *raised)]


def rehearse_workload(
    objects: Objects, drafts: Drafts, *, release: str, copies: Collection[str] = (), hook: bool = False
) -> list[Problem]:
    """Deployments and Services beside stable, copies of what covers it, the token on it, and the promotion."""
    made = [
        (f"creating {objects.what(resource, body['metadata']['name'])}", resource, body)
        for resource, body in (
            (DEPLOYMENT, drafts.deployment),
            (SERVICE, drafts.canary_service),
            (DEPLOYMENT, drafts.baseline),
            (SERVICE, drafts.baseline_service),
        )
        if body is not None
    ]
    # Stable's Deployment stands in for the canary's as the owner: some clusters look at owners, too.
    made += [
        (
            f"creating {objects.what(gap.resource, gap.copy['metadata']['name'])}",
            gap.resource,
            owned_by(gap.copy, drafts.stable),
        )
        for gap in drafts.gaps
        if gap.resource.kind in copies
    ]
    found = _rehearse_config(objects, drafts.config)
    canary, replicas = drafts.deployment["metadata"]["name"], derive.replicas_of(drafts.deployment)
    for scaler in drafts.autoscalers:
        if scaler.resource.kind in copies:
            body = scalers.for_canary(scaler.item, deployment=canary, release=release, replicas=replicas)
            what = f"creating {objects.what(scaler.resource, body['metadata']['name'])}"
            made.append((what, scaler.resource, owned_by(body, drafts.stable)))
    for what, resource, body in made:
        found += _tried(what, lambda resource=resource, body=body: objects.create(resource, body, dry_run=True))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
    if hook:
        return found  # nothing is written to stable
    name = drafts.stable["metadata"]["name"]
    mark = marks.mark_of(drafts.stable)
    if not mark.token:
        token = f"{release}/preflight"
        write = f"writing the fence's token onto {objects.what(DEPLOYMENT, name)}"
        body = marks.first_mark(token, over=mark)
        found += _tried(write, lambda: objects.merge(DEPLOYMENT, name, body, dry_run=True))
    promote = f"the promotion of {objects.what(DEPLOYMENT, name)}"
    return found + _tried(promote, lambda: objects.patch(DEPLOYMENT, name, drafts.promotion, dry_run=True))


def rehearse_first(objects: Objects, deployment: JsonObject, config: Copies) -> list[Problem]:
    """Stable's Deployment where there is none, and the config that it is made with."""
    what = f"creating {objects.what(DEPLOYMENT, deployment['metadata']['name'])}"
    found = _tried(what, lambda: objects.create(DEPLOYMENT, deployment, dry_run=True, strict=True))
    return found + _rehearse_config(objects, config)


def _rehearse_config(objects: Objects, config: Copies) -> list[Problem]:
    found: list[Problem] = []
    for resource, body in config.bodies:
        what = f"creating {objects.what(resource, body['metadata']['name'])}"
        found += _tried(what, partial(objects.create, resource, body, dry_run=True))
    return found


def rehearse_notes(objects: Objects, *, lease: str, journal: str) -> list[Problem]:
    """The lease and the journal, whether they are there already or not."""
    return [
        *_rehearse_note(objects, LEASE, lease, {"spec": {"holderIdentity": ""}}),
        *_rehearse_note(objects, CONFIG_MAP, journal, {"data": {}}),
    ]


def _rehearse_note(objects: Objects, resource: Resource, name: str, content: JsonObject) -> list[Problem]:
    body = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name, "namespace": objects.namespace, "labels": dict(MANAGED)},
        **content,
    }
    label = {"op": "add", "path": _LABEL, "value": MANAGED["app.kubernetes.io/managed-by"]}

    def write() -> object:
        try:
            return objects.create(resource, body, dry_run=True)
        except Conflict:
            return objects.patch(resource, name, [label], dry_run=True)

    return _tried(f"writing {objects.what(resource, name)}", write)


def _tried(what: str, write: Callable[[], object]) -> list[Problem]:
    try:
        write()
    except Conflict:
        return []  # it is there, or it moves just now: other checks say whose it is
    except Refused as error:
        return [_refused(what, error)]
    return []


def _refused(what: str, error: Refused) -> Problem:
    # An admission webhook refuses with 403 as well, and says so.
    lacking = error.status in {401, 403} and "denied the request" not in str(error)
    return Problem(
        what=f"The API server would refuse {what}: {error}.",
        fix="Give the engine's ServiceAccount this permission."
        if lacking
        else "Change what the message names (policy, quota, webhook or field), or ask its owner.",
        code=ExitCode.NOT_PERMITTED if lacking else ExitCode.PREFLIGHT_FAILED,
    )
