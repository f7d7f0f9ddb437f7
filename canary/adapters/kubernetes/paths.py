"""Where objects live on the API server, and what they are called. Names come from outside and are quoted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A kind of object.

    Attributes:
        group: API group, empty for the core.
        version: API version.
        plural: the resource's name in paths.
        kind: the kind's name.
    """

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """What stands in an object's apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str, name: str | None = None, *, subresource: str = "") -> str:
        """Path of the collection in a namespace, or of one object."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        path = f"{root}/namespaces/{_safe(namespace)}/{self.plural}"
        if name is not None:
            path += f"/{_safe(name)}"
        return f"{path}/{subresource}" if subresource else path

    def everywhere(self) -> str:
        """Path of the collection in all namespaces."""
        return self.path("x").replace("/namespaces/x", "", 1)


GATEWAY = "gateway.networking.k8s.io"

ROUTE_KINDS = {
    "HTTPRoute": Resource(group=GATEWAY, version="v1", plural="httproutes", kind="HTTPRoute"),
    "GRPCRoute": Resource(group=GATEWAY, version="v1", plural="grpcroutes", kind="GRPCRoute"),
}
"""The kinds of routes that are served as v1 by the standard channel."""

LEASE = Resource(group="coordination.k8s.io", version="v1", plural="leases", kind="Lease")
CONFIG_MAP = Resource(group="", version="v1", plural="configmaps", kind="ConfigMap")
SECRET = Resource(group="", version="v1", plural="secrets", kind="Secret")
SERVICE = Resource(group="", version="v1", plural="services", kind="Service")
POD = Resource(group="", version="v1", plural="pods", kind="Pod")
DEPLOYMENT = Resource(group="apps", version="v1", plural="deployments", kind="Deployment")
REPLICA_SET = Resource(group="apps", version="v1", plural="replicasets", kind="ReplicaSet")
ENDPOINT_SLICE = Resource(group="discovery.k8s.io", version="v1", plural="endpointslices", kind="EndpointSlice")
AUTOSCALER = Resource(
    group="autoscaling", version="v2", plural="horizontalpodautoscalers", kind="HorizontalPodAutoscaler"
)
SCALED_OBJECT = Resource(group="keda.sh", version="v1alpha1", plural="scaledobjects", kind="ScaledObject")
NETWORK_POLICY = Resource(group="networking.k8s.io", version="v1", plural="networkpolicies", kind="NetworkPolicy")
BUDGET = Resource(group="policy", version="v1", plural="poddisruptionbudgets", kind="PodDisruptionBudget")
SERVICE_MONITOR = Resource(group="monitoring.coreos.com", version="v1", plural="servicemonitors", kind="ServiceMonitor")
POD_MONITOR = Resource(group="monitoring.coreos.com", version="v1", plural="podmonitors", kind="PodMonitor")
AUTHORIZATION_POLICY = Resource(
    group="security.istio.io", version="v1", plural="authorizationpolicies", kind="AuthorizationPolicy"
)
JOB = Resource(group="batch", version="v1", plural="jobs", kind="Job")
EVENT = Resource(group="", version="v1", plural="events", kind="Event")

NAME_LIMIT = 253
LABEL_LIMIT = 63
COPY_NAME_LIMIT = 200
"""Characters of the name of what is copied for the canary: every kind takes as many."""

PREFIX = "canary-engine.io/"
RELEASE_LABEL = PREFIX + "release"
"""On everything that a release makes; its value is the release's uid."""
TOKEN_LABEL = PREFIX + "token"
"""On stable's Deployment while a release may write it: the fence's token."""
PART_LABEL = PREFIX + "part"
"""What it is: journal, record."""
NAME_LABEL = PREFIX + "name"
"""On the journal: the release's name in its file, so that people may name it."""
RELEASE_NOTE = PREFIX + "release"
"""Annotation of a route that a release is on."""
MANAGED = {"app.kubernetes.io/managed-by": "canary-engine"}


def named(*parts: str, limit: int = NAME_LIMIT) -> str:
    """Parts joined with dashes; when that is too long, cut and ended by a hash of the whole.

    Args:
        parts: non-empty texts that are valid in names.
        limit: most characters: 253 for most objects, 63 for Services and label values.
    """
    name = "-".join(parts)
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: limit - 9].rstrip('-.')}-{digest}"


def _safe(part: str) -> str:
    if part in {"", ".", ".."}:
        raise ValueError(f"{part!r} is not a name")
    return quote(part, safe="")
