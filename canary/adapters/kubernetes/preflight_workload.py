"""What preflight looks at in stable's workload and Services, before anything is made from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes.endpoints import SERVICE_NAME
from canary.adapters.kubernetes.managers import writer_of
from canary.adapters.kubernetes.marks import mark_of
from canary.adapters.kubernetes.objects import Objects
from canary.adapters.kubernetes.paths import AUTOSCALER, DEPLOYMENT, ENDPOINT_SLICE, SERVICE, TOKEN_LABEL, Resource
from canary.adapters.kubernetes.rollout import ready_endpoints, rollout
from canary.adapters.kubernetes.workload import Drafts, KubernetesWorkloads
from canary.core.outcome import ExitCode
from canary.ports import JsonObject, NotFound, Problem, Refused
from strategies import RefId


def check_service(objects: Objects, reference: RefId) -> list[Problem]:
    """A Service that a reference of the route names: that it is there, with this port and ready endpoints."""
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
    slices = objects.list(ENDPOINT_SLICE, f"{SERVICE_NAME}={name}")
    if ready_endpoints(slices) == 0:
        fix = f"See kubectl -n {objects.namespace} get endpointslices -l {SERVICE_NAME}={name}; its pods must be ready."
        return [Problem(what=f"{what} has no ready endpoints.", fix=fix)]
    return []


def check_workload(objects: Objects, workloads: KubernetesWorkloads, drafts: Drafts) -> list[Problem]:
    """Stable's Deployment, whether a canary can stand beside it, and whether its names are free."""
    stable, service = drafts.stable, drafts.service
    what = objects.what(DEPLOYMENT, workloads.stable_name)
    held = _check_holder(stable, what, objects, workloads.release)
    if held:
        return held
    found = [*_check_rollout(stable, what), *_check_selection(stable, service, what, objects)]
    found += check_pods(stable, what)
    image = drafts.promotion[1]["value"]
    if image == workloads.image:
        fix = "Nothing, if a release of the same version is wanted; else pass the new image."
        found.append(Problem(what=f"{what} already runs {image}.", fix=fix, code=None))
    for resource, name in ((DEPLOYMENT, workloads.canary_name), (SERVICE, workloads.canary_service)):
        found += _check_free(objects, resource, name, workloads.release)
    found += _check_volumes(stable, what)
    return found + _optional(lambda: _check_autoscaler(objects, stable, what))


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


def _check_selection(stable: JsonObject, service: JsonObject, what: str, objects: Objects) -> list[Problem]:
    name = objects.what(SERVICE, service["metadata"]["name"])
    selector = derive.selector_of(service)
    if selector is None:
        fix = "Name a Service that selects stable's pods by their labels."
        return [Problem(what=f"{name} has no selector.", fix=fix)]
    labels = stable["spec"]["template"].get("metadata", {}).get("labels") or {}
    if not derive.takes(selector, labels):
        fix = "Correct spec.workload.name or spec.stable.service: they must be one and the same version's."
        return [Problem(what=f"{name} does not select the pods of {what}.", fix=fix)]
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


def _check_autoscaler(objects: Objects, stable: JsonObject, what: str) -> list[Problem]:
    name, replicas = stable["metadata"]["name"], derive.replicas_of(stable)
    found = []
    for scaler in objects.list(AUTOSCALER):
        target = (scaler.get("spec") or {}).get("scaleTargetRef") or {}
        least = (scaler.get("spec") or {}).get("minReplicas") or 1
        if target.get("kind") == "Deployment" and target.get("name") == name and least < replicas:
            scaler_name = scaler["metadata"]["name"]
            sentence = (
                f"{objects.what(AUTOSCALER, scaler_name)} may scale {what} from {replicas} down to {least} as traffic "
                f"leaves it, and all of it must be able to come back at once."
            )
            fix = f"Set its minReplicas to {replicas} for the release."
            found.append(Problem(what=sentence, fix=fix, code=None))
    return found


def _optional(check: Callable[[], list[Problem]]) -> list[Problem]:
    """Findings that only warn are not worth a permission."""
    try:
        return check()
    except (Refused, NotFound):
        return []
