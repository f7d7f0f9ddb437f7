"""What a release is about, in names: what the journal says to whoever has to finish it without its release file."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from canary.core.outcome import ExitCode


class Workload(BaseModel):
    """The workload that is released.

    Attributes:
        name: of stable's Deployment.
        container: which container gets the image; None for the only one.
        image: the new version.
        hook: somebody else gives stable the new version; its Deployment is not written.
        before: the image that stable had when the release began, for whoever wants it back; empty where nobody read it.
        template_before: the fingerprint of stable's pod template then, where a whole template is released; else empty.
        baseline: name of the fresh baseline's Service; empty where there is none, and then it is not written either.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    container: str | None = None
    image: str
    hook: bool = False
    before: str = ""
    template_before: str = ""
    baseline: str = ""

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = whole(self)
        return {key: value for key, value in data.items() if key != "baseline" or value}


class Ended(BaseModel):
    """A release that ended on this route: its Job may not know it, if its engine died before it could say so there.

    Attributes:
        job: name of the Job that ran it.
        asked: when it was asked for, seconds since the epoch: a Job of the same name may be made again.
        code: the exit code that it ended with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: str
    asked: float
    code: ExitCode


class Subject(BaseModel):
    """What a release is about.

    Attributes:
        name: the release's, as its file says.
        kind, route: of the route.
        namespace: where all of it is.
        stable, canary: names of the two Services.
        stable_port, canary_port: as the route names them.
        workload: None when the engine makes none.
        job: name of the Job that runs it; empty outside of one.
        asked: when the release was asked for, seconds since the epoch: the later one may supersede; 0 where unknown.
        requester: who asked for the release; empty where nobody can tell, or nobody needs to.
        before: the releases of Jobs that ended on this route before this one began, newest last.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    namespace: str
    kind: str = "HTTPRoute"
    route: str
    stable: str
    canary: str
    stable_port: int
    canary_port: int
    workload: Workload | None = None
    job: str = ""
    asked: float = 0.0
    requester: str = ""
    before: tuple[Ended, ...] = ()
