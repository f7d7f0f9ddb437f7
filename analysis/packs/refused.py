"""Gateways whose counters do not tell the arms apart: refused, each with the reason and the way out."""

from __future__ import annotations

_OUT = (
    "judge by what the pods count: gateway: pods, or gateway: none with query metrics that tell the pods apart "
    '(pod=~"$arm-[0-9a-z]+-[0-9a-z]+")'
)

REFUSED: dict[str, tuple[str, str]] = {
    "kong": (
        "Kong makes one service of each rule: its counters do not tell stable from canary",
        _OUT,
    ),
    "nginx-gateway-fabric": (
        "the open-source NGINX counts nothing per upstream, not even status codes",
        f"with NGINX Plus write nginx-gateway-fabric-plus; else {_OUT}",
    ),
}
"""Name in the release file: why it is refused, and what to do instead."""
