"""A pod template from a file, on whatever API server is there: it is known again by what that server makes of it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from canary.adapters.kubernetes import KubernetesWorkloads
from tests.cluster.conftest import CANARY_IMAGE, deployment
from tests.cluster.place import Place

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

TOKEN = "f00d/i1"  # noqa: S105 - the fence's
FULL = Decimal(100)
TEMPLATE: dict[str, Any] = deployment()["spec"]["template"] | {
    "metadata": {"labels": {"app": "shop", "tier": "front"}, "annotations": {"about": "ümläuts & <signs>"}}
}
TEMPLATE["spec"]["containers"][0] |= {
    "env": [{"name": "PRICES", "valueFrom": {"configMapKeyRef": {"name": "prices", "key": "list"}}}],
    "resources": {"requests": {"cpu": "0.01", "memory": "16777216"}},
    "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
}


@pytest.fixture
def port(incarnation: Callable[..., KubernetesWorkloads]) -> Callable[..., KubernetesWorkloads]:
    """Each call is another incarnation of one release of a whole template."""
    return partial(incarnation, template=TEMPLATE, versioned=("ConfigMap",))


def test_it_is_given_once_and_taken_back_as_it_was(shop: Place, port: Callable[..., KubernetesWorkloads]) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prices"}, "data": {"list": "one"}}
    shop.make(shop.path("configmaps"), config)
    before = shop.get("deployments", "shop")["spec"]
    port().provision(share=FULL)
    port().put_mark(TOKEN, over=port().mark())
    port().update_stable(token=TOKEN)
    given = shop.get("deployments", "shop")
    container = given["spec"]["template"]["spec"]["containers"][0]
    copied = container["env"][0]["valueFrom"]["configMapKeyRef"]["name"]
    assert (container["image"], copied.rpartition("-")[0]) == (CANARY_IMAGE, "prices")
    port().update_stable(token=TOKEN)  # its answer was lost: the next incarnation knows it again, and writes nothing
    assert shop.get("deployments", "shop")["metadata"]["generation"] == given["metadata"]["generation"]
    port(template=None, versioned=()).revert_stable()
    assert shop.get("deployments", "shop")["spec"] == before
    port().remove()
    assert shop.get("configmaps", copied) is None
    assert shop.get("configmaps", "prices")["data"] == {"list": "one"}
