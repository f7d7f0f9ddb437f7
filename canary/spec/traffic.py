"""Whose traffic: the route, the two arms, and the workload that runs the new version."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from canary.spec.base import Part
from canary.spec.names import LabelName, ObjectName, Port, RuleRef, ServiceName
from canary.spec.template import Template


class Route(Part):
    """The route whose weights are moved."""

    kind: Literal["HTTPRoute"] = Field(default="HTTPRoute", description="Kind of the route.")
    name: ObjectName = Field(description="Name of the route, in the release's namespace.")
    rules: tuple[RuleRef, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=16,
        description="The rules to shift, by name or by index from 0. Default: every rule that sends to stable.",
    )


class Stable(Part):
    """The Service that gets all the traffic before the release."""

    service: ServiceName = Field(description="Name of stable's Service.")
    port: Port = Field(description="The Service's port that the route names.")


class Canary(Part):
    """The Service that the new version is reached by."""

    service: ServiceName | None = Field(
        default=None,
        description="Name of the canary's Service; made by the engine when a workload is named. "
        "Default: stable's name with -canary appended.",
    )
    port: Port | None = Field(default=None, description="The Service's port. Default: stable's.")


class Workload(Part):
    """Stable's workload, from which the canary's is made."""

    kind: Literal["Deployment"] = Field(default="Deployment", description="Kind of the workload.")
    name: ObjectName = Field(description="Name of stable's Deployment.")
    container: LabelName | None = Field(
        default=None, description="The container that gets the image. Default: the only one."
    )
    # What runs is what is known to run; whoever writes a file decides about env, config and probes as well.
    template: Template = Field(
        default="live",
        description="Where the canary's pod template comes from: live is the running Deployment's; or a file below "
        "this one's folder with a pod template or a whole Deployment, so that env, config and probes are released "
        "with the image. Default: live.",
    )
    versioned: Annotated[tuple[Literal["ConfigMap", "Secret"], ...], Field(max_length=2)] = Field(
        default=(),
        description="Kinds of what the template's file names and of which the canary, and at promotion stable, gets "
        "copies under names with their content's hash, so that a change of config is released like one of the image. "
        "Default: none.",
    )
    copies: Annotated[
        tuple[
            Literal[
                "NetworkPolicy",
                "PodDisruptionBudget",
                "ServiceMonitor",
                "PodMonitor",
                "AuthorizationPolicy",
                "HorizontalPodAutoscaler",
                "ScaledObject",
            ],
            ...,
        ],
        Field(max_length=7),
    ] = Field(
        default=(),
        alias="copy",
        description="Kinds of objects that cover stable's pods and of which the canary gets a copy for the release. "
        "Default: none; a NetworkPolicy that would not cover the canary is refused, the others are told.",
    )
    # It costs as many pods as the canary and another arm on the route: whoever wants the fairer comparison says so.
    baseline: bool = Field(
        default=False,
        description="Whether the canary is compared with a fresh baseline, stable's version in pods of the canary's "
        "age and size behind a Service of their own, instead of with stable itself: a process that has run for weeks "
        "is warm, or leaks. It gets as much traffic as the canary, as far as there is as much, and costs as many pods. "
        "Default: false.",
    )
    floor: Literal["hold", "leave"] = Field(
        default="hold",
        description="Whether the minimum of stable's autoscaler is held at the pods that stable has while the release "
        "lasts, so that all traffic can come back at once. Default: hold.",
    )
