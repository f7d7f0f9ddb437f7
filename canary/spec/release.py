"""The release file as a whole."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from canary.spec.analysis import Analysis
from canary.spec.base import Part
from canary.spec.names import Image, LabelName, ReleaseName, Text
from canary.spec.quantities import Duration, Place, format_duration
from canary.spec.strategy import Linear, Strategy
from canary.spec.traffic import Canary, Route, Stable, Workload


class Metadata(Part):
    """Which release this is."""

    name: ReleaseName = Field(description="Name of the release; what it makes is named after it.")
    namespace: LabelName = Field(description="Namespace of the route, the Services and the workload.")


class Settle(Part):
    """When a change of weights counts as taken."""

    # A minute is the least: gateways take seconds, and a lone request can take a while to come by.
    timeout: Duration = Field(
        default=60.0,
        description="The least wait for traffic to follow a raise; longer when traffic is thin. Default: 1m.",
    )
    # Longer than one look from Prometheus, so that at least one whole look shows no new canary request.
    window: Duration = Field(
        default=15.0,
        description="A rollback is done when no new canary request was seen for this long. Default: 15s.",
    )
    # Not moving is the one answer that needs no guess about why traffic did not follow.
    no_traffic: Literal["hold", "rollback", "proceed"] = Field(
        default="hold",
        description="What happens when traffic does not follow a raise in time, before the step is judged; what a "
        "judged step does without data is analysis.noData. Default: hold.",
    )


class Bake(Part):
    """The new version at full size with all the traffic, stable still warm, before it is promoted."""

    # What only shows under full load (pools, quotas, caches) shows within minutes; going back is one write meanwhile.
    min: Duration = Field(default=120.0, description="The shortest bake. Default: 2m.")
    max: Duration = Field(default=900.0, description="The longest bake while UNDECIDED. Default: 15m.")


class Promote(Part):
    """How stable gets the new version."""

    by: Literal["engine", "hook"] = Field(
        default="engine",
        description="Who gives stable the new version: the engine, or a tool of yours (Argo CD, Flux, Helm) while the "
        "canary has all the traffic. Default: engine.",
    )
    # As a gate: long enough for a pipeline and somebody's approval of it.
    expires: Duration = Field(
        default=3600.0, description="How long a hook may take; then the release is rolled back. Default: 1h."
    )


class Approvers(Part):
    """Who may decide, beside what RBAC lets them write: names as the API server knows them."""

    users: Annotated[tuple[Text, ...], Field(max_length=20)] = Field(
        default=(), description="User names, as kubectl auth whoami prints them."
    )
    groups: Annotated[tuple[Text, ...], Field(max_length=20)] = Field(default=(), description="Groups of users.")


class Gate(Part):
    """A person's yes before a step, the bake or the promotion."""

    before: Place = Field(
        description="The gate stands before the step with this share; 100 is the bake; or promotion, after the bake."
    )
    # Whoever may write the gate object (RBAC) may decide; a list narrows that for this release.
    approvers: Approvers = Field(
        default_factory=Approvers, description="Who may decide. Default: whoever RBAC lets write the gate object."
    )
    separation_of_duties: bool = Field(
        default=False, description="Whoever asked for the release does not decide. Default: false."
    )
    # An hour: long enough for lunch, short enough that half a release does not stand overnight.
    expires: Duration = Field(default=3600.0, description="How long it waits for an answer. Default: 1h.")
    on_expiry: Literal["rollback", "hold", "proceed"] = Field(
        default="rollback", description="What an unanswered gate does. Default: rollback."
    )


class Spec(Part):
    """What is released, how, and how it is judged."""

    route: Route = Field(description="The route whose weights are moved.")
    stable: Stable = Field(description="The Service that gets the traffic now.")
    canary: Canary = Field(default_factory=Canary, description="The Service of the new version.")
    workload: Workload | None = Field(
        default=None, description="Stable's Deployment. Without it the canary's Service must be there already."
    )
    image: Image | None = Field(default=None, description="The new version; usually given by CI with --image.")
    strategy: Strategy = Field(
        default_factory=lambda: Strategy(linear=Linear()), description="How the share grows. Default: linear."
    )
    analysis: Analysis = Field(description="How the new version is judged.")
    settle: Settle = Field(default_factory=Settle, description="When a change of weights counts as taken.")
    # Kubernetes gives a pod 30 s to end by default; a request that needs longer would not survive a deploy either.
    drain: Duration = Field(
        default=30.0, description="How long a lowering waits for open requests before it goes on. Default: 30s."
    )
    bake: Bake = Field(default_factory=Bake, description="The last step, with all the traffic.")
    promote: Promote = Field(default_factory=Promote, description="How stable gets the new version.")
    gates: Annotated[tuple[Gate, ...], Field(max_length=50)] = Field(default=(), description="Where a person decides.")
    # Two hours hold four steps of ten minutes, a bake and a gate of an hour.
    deadline: Duration = Field(
        default=7200.0, description="The release is rolled back when it takes longer. Default: 2h."
    )
    # Refusing needs no guess about which of two releases somebody wants.
    on_concurrent: Literal["wait", "refuse", "supersede"] = Field(
        default="refuse",
        description="While another release holds the route: wait for it, refuse, or roll it back. Default: refuse.",
    )
    # Without a stable there is nothing to compare with: nobody gets that by a typing error.
    first_release: Literal["direct", "refuse"] = Field(
        default="refuse",
        description="What happens when there is no stable version yet, that is neither the Deployment nor a ready "
        "endpoint of stable's Service: the Deployment in workload.template is made, without a canary, or the release "
        "is refused. Default: refuse.",
    )


class Release(Part):
    """A release file. Valid when it exists: every combination that cannot work was refused."""

    api_version: Literal["canary/v1"] = Field(description="Version of this format.")
    kind: Literal["Release"] = Field(description="Always Release.")
    metadata: Metadata = Field(description="Which release this is.")
    spec: Spec = Field(description="What is released and how.")

    @model_validator(mode="after")
    def _refuse_impossible_combinations(self) -> Release:
        from canary.spec.rules import objections  # it needs this module's classes

        found = tuple(objections(self.spec))
        if found:
            raise PydanticCustomError("impossible", "impossible combinations", {"objections": found})
        return self

    @property
    def canary_service(self) -> str:
        """Name of the canary's Service, given or derived."""
        return self.spec.canary.service or f"{self.spec.stable.service}-canary"

    @property
    def baseline_service(self) -> str:
        """Name of the fresh baseline's Service; empty where there is none."""
        fresh = self.spec.workload is not None and self.spec.workload.baseline
        return f"{self.spec.stable.service}-baseline" if fresh else ""

    @property
    def canary_port(self) -> int:
        """Port of the canary's Service, given or stable's."""
        return self.spec.canary.port or self.spec.stable.port


def normalised(release: Release) -> dict[str, Any]:
    """The release as plain data in one form: every default written out, every quantity spelled one way.

    Two files that mean the same release give equal results; meant for hashing (as canonical JSON) and for
    telling whether a release is still the same one.
    """
    data = release.model_dump(mode="json", by_alias=True, exclude_none=True)
    data["spec"]["canary"] = {"service": release.canary_service, "port": release.canary_port}
    if "workload" in data["spec"] and not release.baseline_service:
        del data["spec"]["workload"]["baseline"]  # a file from before there was one is the same release as ever
    data["spec"]["analysis"]["every"] = format_duration(release.spec.analysis.interval)
    return data
