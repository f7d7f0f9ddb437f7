"""What preflight looks at in stable's workload and Services, before anything is made from them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from canary.adapters.kubernetes import derive, neighbours, scalers
from canary.adapters.kubernetes.access import Right, rule_for
from canary.adapters.kubernetes.copying import Scaler
from canary.adapters.kubernetes.drafting import Drafts
from canary.adapters.kubernetes.endpoints import SERVICE_NAME
from canary.adapters.kubernetes.labels import selector_of, takes
from canary.adapters.kubernetes.managers import reverters_of, writer_of
from canary.adapters.kubernetes.marks import mark_of
from canary.adapters.kubernetes.objects import Objects
from canary.adapters.kubernetes.paths import (
    DEPLOYMENT,
    ENDPOINT_SLICE,
    NETWORK_POLICY,
    SERVICE,
    TOKEN_LABEL,
    Resource,
)
from canary.adapters.kubernetes.rollout import ready_endpoints, rollout
from canary.adapters.kubernetes.workload import KubernetesWorkloads
from canary.core.outcome import ExitCode
from canary.ports import Conflict, JsonObject, NotFound, Problem, Refused
from strategies import RefId


def check_service(objects: Objects, reference: RefId, *, served: bool = True) -> list[Problem]:
    """A Service that a reference of the route names: that it is there, with this port and ready endpoints, or none."""
    name = reference.name
    what = objects.what(SERVICE, name)
    try:
        service = objects.get(SERVICE, name)
    except NotFound:
        return [Problem(what=f"{what} does not exist.", fix="Create it, or correct its name in the release file.")]
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return [Problem(what=f"{what} is an ExternalName.", fix="Name a Service that selects pods.")]
    ports = [port.get("port") for port in spec.get("ports") or ()]
    if reference.port not in ports:
        has = ", ".join(map(str, ports)) or "none"
        return [Problem(what=f"{what} has no port {reference.port}; it has {has}.", fix="Correct spec.stable.port.")]
    ready = ready_endpoints(objects.list(ENDPOINT_SLICE, f"{SERVICE_NAME}={name}"))
    if ready and not served:
        fix = "Correct spec.workload.name: firstRelease: direct is for a service that nothing serves yet."
        return [Problem(what=f"{what} has {ready} ready endpoints, of another Deployment than the one named.", fix=fix)]
    if not ready and served:
        fix = f"See kubectl -n {objects.namespace} get endpointslices -l {SERVICE_NAME}={name}; its pods must be ready."
        return [Problem(what=f"{what} has no ready endpoints.", fix=fix)]
    return []


def check_first(objects: Objects, workloads: KubernetesWorkloads, reference: RefId) -> list[Problem]:
    """A first version, where stable's Deployment is not there: that nothing serves, and that it can be made.

    Args:
        objects: the namespace.
        workloads: what would make it.
        reference: of the route to stable's Service.
    """
    what, name = objects.what(DEPLOYMENT, workloads.stable_name), objects.what(SERVICE, reference.name)
    found = check_service(objects, reference, served=False)
    if found:
        return found
    made, _ = workloads.first()
    selector = selector_of(objects.get(SERVICE, reference.name))
    if selector is None or not takes(selector, derive.labels_of(made)):
        fix = "Write the labels that the Service selects in the template's metadata.labels, or correct the Service."
        return [Problem(what=f"{name} would not select the pods of {what}.", fix=fix)]
    if not takes(made["spec"]["selector"], derive.labels_of(made)):
        fix = "Write the labels that its selector names in the template's metadata.labels."
        return [Problem(what=f"{what} would not select its own pods.", fix=fix)]
    sentence = (
        f"There is no stable version: {what} does not exist, and {name} has no ready endpoints. It is deployed "
        f"directly: no canary, no comparison, no gate"
    )
    fix = "Nothing, if this is its first release; else correct spec.workload.name."
    return [Problem(what=f"{sentence}.", fix=fix, code=None, first=True)]


def check_workload(objects: Objects, workloads: KubernetesWorkloads, drafts: Drafts) -> list[Problem]:
    """Stable's Deployment, whether a canary can stand beside it, and whether its names are free."""
    stable = drafts.stable
    what = objects.what(DEPLOYMENT, workloads.stable_name)
    held = _check_holder(stable, what, objects, workloads.release)
    if held:
        return held
    found = [*_check_rollout(stable, what), *_check_selection(drafts, what, objects)]
    found += check_pods(stable, what)
    if drafts.already:
        fix = "Nothing, if a release of the same version is wanted; else pass the new image."
        found.append(Problem(what=f"{what} already runs {workloads.image}.", fix=fix, code=None))
    names = [(DEPLOYMENT, workloads.canary_name), (SERVICE, workloads.canary_service)]
    if workloads.fresh is not None:
        names += [(DEPLOYMENT, workloads.fresh.name), (SERVICE, workloads.fresh.service)]
    for resource, name in names:
        found += _check_free(objects, resource, name, workloads.release)
    found += _check_volumes(stable, what)
    found += check_cover(drafts, workloads.copies, objects, release=workloads.release)
    return found + check_floors(drafts, objects, workloads, what)


def check_pods(stable: JsonObject, what: str) -> list[Problem]:
    """A warning where the canary has one pod only; where stable has several, `derive.replicas_for` gives it two."""
    if derive.replicas_of(stable) != 1:
        return []
    sentence = f"{what} has one pod, and so has its canary: a bad node cannot be told from a bad version."
    fix = f"Nothing, if that is acceptable; else scale {what} to two or more before the release."
    return [Problem(what=sentence, fix=fix, code=None)]


def _check_holder(stable: JsonObject, what: str, objects: Objects, release: str) -> list[Problem]:
    holder = mark_of(stable).token.partition("/")[0]
    if not holder or holder == release:
        return []
    fix = (
        f"One Deployment has one release at a time: wait for that one to end, or abort it. If it is over, remove its "
        f"mark: kubectl -n {objects.namespace} label deployment {stable['metadata']['name']} {TOKEN_LABEL}-"
    )
    return [Problem(what=f"{what} carries the mark of release {holder}.", fix=fix, code=ExitCode.HELD_BY_ANOTHER)]


def _check_rollout(stable: JsonObject, what: str) -> list[Problem]:
    if derive.replicas_of(stable) == 0:
        return [Problem(what=f"{what} has 0 replicas: there is no stable version.", fix="Scale it up first.")]
    standing = rollout(stable)
    if standing.ready:
        return []
    name, namespace = stable["metadata"]["name"], stable["metadata"]["namespace"]
    fix = f"Wait until it is steady: kubectl -n {namespace} rollout status deployment/{name}."
    return [Problem(what=f"{what} is not steady: {standing.reason}.", fix=fix)]


def _check_selection(drafts: Drafts, what: str, objects: Objects) -> list[Problem]:
    stable, name = drafts.stable, objects.what(SERVICE, drafts.service["metadata"]["name"])
    selector = selector_of(drafts.service)
    if selector is None:
        fix = "Name a Service that selects stable's pods by their labels."
        return [Problem(what=f"{name} has no selector.", fix=fix)]
    if not takes(selector, derive.labels_of(stable)):
        fix = "Correct spec.workload.name or spec.stable.service: they must be one and the same version's."
        return [Problem(what=f"{name} does not select the pods of {what}.", fix=fix)]
    if not takes(selector, drafts.pods):
        sentence = f"{name} would not select the pods of {what} with the template that is released."
        return [Problem(what=sentence, fix="Write the labels that it selects in the template's metadata.labels.")]
    return []


def _check_free(objects: Objects, resource: Resource, name: str, release: str) -> list[Problem]:
    try:
        found = objects.get(resource, name)
    except NotFound:
        return []
    owner = derive.release_of(found)
    if owner == release:
        return []
    if found["metadata"].get("deletionTimestamp"):
        fix = (
            f"Wait until it is gone; look at its finalizers if that takes long: {found['metadata'].get('finalizers')}."
        )
        return [Problem(what=f"{objects.what(resource, name)} of an earlier release is still being deleted.", fix=fix)]
    who = f"was left by release {owner}" if owner else f"belongs to {writer_of(found, ours='')}"
    delete = f"kubectl -n {objects.namespace} delete {resource.kind.lower()} {name}"
    fix = f"If nobody needs it: {delete}" + ("." if owner else ", or name another one in spec.canary.service.")
    return [Problem(what=f"{objects.what(resource, name)} exists already and {who}.", fix=fix)]


def _check_volumes(stable: JsonObject, what: str) -> list[Problem]:
    volumes: Sequence[dict[str, Any]] = stable["spec"]["template"]["spec"].get("volumes") or ()
    claims = [
        volume["persistentVolumeClaim"].get("claimName") for volume in volumes if "persistentVolumeClaim" in volume
    ]
    if not claims:
        return []
    fix = "Nothing, if both versions may use them at once and every node can mount them."
    names = ", ".join(map(str, claims))
    return [Problem(what=f"{what} mounts {names}; the canary's pods would mount the same.", fix=fix, code=None)]


def check_cover(drafts: Drafts, copies: Collection[str], objects: Objects, *, release: str) -> list[Problem]:
    """What covers stable and would not cover the canary: refused for a NetworkPolicy that is not copied, else told."""
    found, kinds = [], {resource.kind for resource in neighbours.COVERS}
    for gap in drafts.gaps:
        kind = gap.resource.kind
        if kind in copies:
            found += check_copys_name(objects, gap.resource, gap.copy["metadata"]["name"], release)
            continue
        sentence = f"{objects.what(gap.resource, gap.name)} {gap.does}, and would not cover the canary's."
        fix = f"Add {kind} to spec.workload.copy: the canary gets a copy of it for the release."
        if kind != NETWORK_POLICY.kind:
            fix = f"Nothing, if the canary can do without; else add {kind} to spec.workload.copy."
        code = ExitCode.PREFLIGHT_FAILED if kind == NETWORK_POLICY.kind else None
        found.append(Problem(what=sentence, fix=fix, code=code))
    return found + [_unread(resource, copies, objects) for resource in drafts.unread if resource.kind in kinds]


def check_copys_name(objects: Objects, resource: Resource, name: str, release: str) -> list[Problem]:
    """Whether the name of a copy is free, or ours already."""
    for item in objects.list(resource):
        if item["metadata"]["name"] == name and derive.release_of(item) != release:
            fix = f"If nobody needs it: kubectl -n {objects.namespace} delete {resource.plural} {name}."
            return [Problem(what=f"{objects.what(resource, name)} exists already; the copy needs its name.", fix=fix)]
    return []


def _unread(resource: Resource, copies: Collection[str], objects: Objects) -> Problem:
    needed = resource.kind in copies
    rule = rule_for([Right(verb="list", resource=resource)])
    what = f"Whether each {resource.kind} that covers stable would cover the canary is not known: "
    return Problem(
        what=f"{what}the engine may not list {resource.plural} in namespace {objects.namespace}.",
        fix=f"Add to its Role: {rule}.",
        code=ExitCode.NOT_PERMITTED if needed else None,
    )


def check_floors(drafts: Drafts, objects: Objects, workloads: KubernetesWorkloads, what: str) -> list[Problem]:
    """An autoscaler that may take stable's pods away: told where its minimum is not, or cannot be, held."""
    replicas, found = derive.replicas_of(drafts.stable), list[Problem]()
    for scaler in drafts.autoscalers:
        item, kind = scaler.item, scaler.resource.kind
        scaler_name, field = item["metadata"]["name"], scalers.path_of(item).rpartition("/")[2]
        if kind in workloads.copies:
            found += check_copys_name(objects, scaler.resource, scalers.copy_name(item), workloads.release)
        known = scalers.held(item)
        whose = objects.what(scaler.resource, scaler_name)
        if known is not None and known.release != workloads.release:
            note = f"kubectl -n {objects.namespace} annotate {kind.lower()} {scaler_name} {scalers.FLOOR}-"
            sentence = f"The {field} of {whose} is held at {known.now} by release {known.release}; it was {known.was}."
            found.append(Problem(what=sentence, fix=f"If that one is over, put it back and run: {note}", code=None))
        if scalers.least(item) >= replicas:
            continue
        least = scalers.least(item)
        sentence = (
            f"{whose} may scale {what} from {replicas} down to {least} as traffic leaves it, and all of it must be "
            f"able to come back at once"
        )
        fix = f"Set its {field} to {replicas} for the release."
        if not workloads.floor:
            found.append(Problem(what=f"{sentence}.", fix=fix, code=None))
            continue
        refused = _rehearse_floor(objects, scaler, workloads.release, replicas)
        if refused:
            found.append(Problem(what=f"{sentence}; its {field} cannot be held: {refused}.", fix=fix, code=None))
        found += owners(item, whose, group=scaler.resource.group, path=scalers.path_of(item), touched=f"its {field}")
    return found


def _rehearse_floor(objects: Objects, scaler: Scaler, release: str, replicas: int) -> str:
    """Why the minimum cannot be held; empty when it can."""
    patch = scalers.hold(scaler.item, release=release, replicas=replicas)
    try:
        if patch:
            objects.patch(scaler.resource, scaler.item["metadata"]["name"], patch, dry_run=True)
    except Refused as error:
        return str(error)
    except (Conflict, NotFound):
        return ""  # its controller wrote it just now, or it is gone
    return ""


def owners(item: JsonObject, what: str, *, group: str, path: str, touched: str) -> list[Problem]:
    """A warning for each tool that would put the object back during the release."""
    kind, name = item.get("kind", ""), item["metadata"]["name"]
    found = []
    for tool, sign in reverters_of(item):
        fix = tool.hint.format(kind=kind, name=name, group=group, path=path)
        sentence = f"{what} is managed by {tool.name} ({sign}), which may put {touched} back during the release."
        found.append(Problem(what=sentence, fix=f"{fix[0].upper()}{fix[1:]}.", code=None))
    return found
