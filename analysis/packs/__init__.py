"""What each gateway calls its counters: metric packs, as data.

A pack says which families to read, how their labels tell the arms apart, the unit of latency, whether the gateway
splits exactly, and what it cannot see. What does not belong here: reading (`analysis.sources`), judging.
"""

from analysis.packs.base import Feed, Pack, PackError, Target, custom, escape_regex, quote, selector
from analysis.packs.envoy import CILIUM, CONTOUR, ENVOY_GATEWAY, KGATEWAY
from analysis.packs.traefik import TRAEFIK

PACKS = {one.name: one for one in (CILIUM, CONTOUR, ENVOY_GATEWAY, KGATEWAY, TRAEFIK)}


def pack(name: str) -> Pack:
    """The pack of a gateway.

    Raises:
        PackError: there is none; the message names those there are.
    """
    if name not in PACKS:
        raise PackError(f"there is no metric pack for {name!r}; known: {', '.join(sorted(PACKS))}, or none")
    return PACKS[name]


__all__ = ["PACKS", "Feed", "Pack", "PackError", "Target", "custom", "escape_regex", "pack", "quote", "selector"]
