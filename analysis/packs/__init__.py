"""What each gateway calls its counters: metric packs, as data.

A pack says which families to read, how their labels tell the arms apart, the unit of latency, whether the gateway
splits exactly, and what it cannot see. What does not belong here: reading (`analysis.sources`), judging.
"""

from analysis.packs.base import Feed, Pack, PackError, Target, custom, escape_regex, quote, selector
from analysis.packs.envoy import CILIUM, CONTOUR, KGATEWAY
from analysis.packs.envoy_gateway import ENVOY_GATEWAY
from analysis.packs.istio import ISTIO
from analysis.packs.linkerd import LINKERD
from analysis.packs.nginx import NGINX_PLUS
from analysis.packs.own import GaugeFeed, gauge, histogram, tells_arms_apart
from analysis.packs.pods import HUBBLE, PODS
from analysis.packs.refused import REFUSED
from analysis.packs.traefik import TRAEFIK

_ALL = (CILIUM, CONTOUR, ENVOY_GATEWAY, HUBBLE, ISTIO, KGATEWAY, LINKERD, NGINX_PLUS, PODS, TRAEFIK)
PACKS = {one.name: one for one in _ALL}


def pack(name: str) -> Pack:
    """The pack of a gateway.

    Raises:
        PackError: there is none; the message says why, or names those there are.
    """
    if name in REFUSED:
        why, instead = REFUSED[name]
        raise PackError(f"{why}: {instead}")
    if name not in PACKS:
        raise PackError(f"there is no metric pack for {name!r}; known: {', '.join(sorted(PACKS))}, or none")
    return PACKS[name]


__all__ = [
    "PACKS",
    "REFUSED",
    "Feed",
    "GaugeFeed",
    "Pack",
    "PackError",
    "Target",
    "custom",
    "escape_regex",
    "gauge",
    "histogram",
    "pack",
    "quote",
    "selector",
    "tells_arms_apart",
]
