"""Which resources are served: the table of built-in ones, and the registry that custom ones join."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from canary.sandbox.apiserver.errors import Json

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind of object under one version.

    Attributes:
        group: API group, empty for the core.
        version: the version it is served under.
        kind: the kind's name.
        plural: the name in paths.
        namespaced: whether its objects live in namespaces.
        short: short names that kubectl knows.
        categories: groups of kinds such as `all`.
        subresources: of `status`, `scale`, `log`, `token`.
        generation: whether metadata.generation counts changes of what is wanted.
        custom: whether a CustomResourceDefinition defines it.
        verbs: what may be done.
        storage: names the objects when several versions or groups show the same ones.
        schema: structural schema of a custom resource; None for built-in kinds.
        columns: additionalPrinterColumns of a custom resource.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    generation: bool = False
    custom: bool = False
    verbs: tuple[str, ...] = ALL_VERBS
    storage: str = ""
    schema: Json | None = None
    columns: tuple[Json, ...] = ()

    @property
    def api_version(self) -> str:
        """What stands in an object's apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name in messages: plural.group, or plural for the core."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def key(self) -> str:
        """The name of its objects in the store."""
        return self.storage or self.qualified

    @property
    def singular(self) -> str:
        """The name of one, in lower case."""
        return self.kind.lower()


def _core(kind: str, plural: str, *short: str, **more: object) -> Resource:
    return Resource(group="", version="v1", kind=kind, plural=plural, short=short, **more)  # type: ignore[arg-type]  # plain pass-through of Resource's own keywords


def _named(group: str, kind: str, plural: str, *short: str, version: str = "v1", **more: object) -> Resource:
    return Resource(group=group, version=version, kind=kind, plural=plural, short=short, **more)  # type: ignore[arg-type]  # plain pass-through of Resource's own keywords


_REVIEW = ("create",)
_STATUS = ("status",)
_SCALED = ("scale", "status")
_RBAC = "rbac.authorization.k8s.io"

BUILT_IN: tuple[Resource, ...] = (
    _core("Namespace", "namespaces", "ns", namespaced=False, subresources=_STATUS),
    _core("Service", "services", "svc", categories=("all",), subresources=_STATUS),
    _core("Secret", "secrets"),
    _core("ConfigMap", "configmaps", "cm"),
    _core("ServiceAccount", "serviceaccounts", "sa", subresources=("token",)),
    _core("Pod", "pods", "po", categories=("all",), subresources=("log", "status"), generation=True),
    _core("Event", "events", "ev"),
    _core("Node", "nodes", "no", namespaced=False, subresources=_STATUS),
    _core("ResourceQuota", "resourcequotas", "quota", subresources=_STATUS),
    _core("LimitRange", "limitranges", "limits"),
    _named(
        "apps",
        "Deployment",
        "deployments",
        "deploy",
        categories=("all",),
        subresources=_SCALED,
        generation=True,
    ),
    _named("apps", "ReplicaSet", "replicasets", "rs", categories=("all",), subresources=_SCALED, generation=True),
    _named("batch", "Job", "jobs", categories=("all",), subresources=_STATUS, generation=True),
    _named("coordination.k8s.io", "Lease", "leases"),
    _named("discovery.k8s.io", "EndpointSlice", "endpointslices", generation=True),
    _named(
        "autoscaling",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "hpa",
        version="v2",
        categories=("all",),
        subresources=_STATUS,
    ),
    _named("policy", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", subresources=_STATUS, generation=True),
    _named("networking.k8s.io", "NetworkPolicy", "networkpolicies", "netpol", generation=True),
    _named(_RBAC, "Role", "roles"),
    _named(_RBAC, "RoleBinding", "rolebindings"),
    _named(_RBAC, "ClusterRole", "clusterroles", namespaced=False),
    _named(_RBAC, "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    _named(
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "crd",
        "crds",
        namespaced=False,
        subresources=_STATUS,
        generation=True,
    ),
    _named(
        "authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False, verbs=_REVIEW
    ),
    _named(
        "authorization.k8s.io", "SelfSubjectRulesReview", "selfsubjectrulesreviews", namespaced=False, verbs=_REVIEW
    ),
    _named("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews", namespaced=False, verbs=_REVIEW),
)
"""The built-in resources, as https://kubernetes.io/docs/reference/kubernetes-api/ lists them."""


class Registry:
    """The resources that are served now: built in, and from definitions."""

    def __init__(self) -> None:
        self._served: dict[tuple[str, str, str], Resource] = {
            (each.group, each.version, each.plural): each for each in BUILT_IN
        }
        self._by_key: dict[str, Resource] = {}
        for each in BUILT_IN:
            self._by_key.setdefault(each.key, each)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._served.values())

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource served under this name, or None."""
        return self._served.get((group, version, plural))

    def stored(self, key: str) -> Resource | None:
        """The resource under whose version objects of this key are kept."""
        return self._by_key.get(key)

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource whose objects call themselves so, or None."""
        return next((each for each in self if each.kind == kind and each.api_version == api_version), None)

    def define(self, definition: Json) -> None:
        """Serve what a CustomResourceDefinition defines, in place of what it defined before."""
        self.withdraw(definition)
        spec = definition["spec"]
        for version in spec["versions"]:
            if not version.get("served"):
                continue
            resource = _custom(spec, version)
            self._served[(resource.group, resource.version, resource.plural)] = resource
            if version.get("storage"):
                self._by_key[resource.key] = resource
            else:
                self._by_key.setdefault(resource.key, resource)

    def withdraw(self, definition: Json) -> None:
        """Serve no longer what a CustomResourceDefinition defined."""
        spec = definition["spec"]
        group, plural = spec["group"], spec["names"]["plural"]
        for key in [key for key in self._served if key[0] == group and key[2] == plural]:
            del self._served[key]
        self._by_key.pop(f"{plural}.{group}", None)


def _custom(spec: Json, version: Json) -> Resource:
    names = spec["names"]
    return Resource(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        namespaced=spec.get("scope") == "Namespaced",
        short=tuple(names.get("shortNames", ())),
        categories=tuple(names.get("categories", ())),
        subresources=tuple(sorted(version.get("subresources") or ())),
        generation=True,
        custom=True,
        schema=(version.get("schema") or {}).get("openAPIV3Schema") or {},
        columns=tuple(version.get("additionalPrinterColumns", ())),
    )
