"""A gateway that lost the API server as well, and knows the endpoints of today only a while after the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.model import Arm
from canary.adapters.kubernetes.waiting import Pace
from canary.adapters.memory import Fault
from canary.core import events as on
from simulated.simulation import Simulation
from simulated.world import AuditedRoutes, Gateway

if TYPE_CHECKING:
    from canary.adapters.memory import World
    from simulated.process import Process
    from simulated.scenario import Scenario

ENDPOINTS_NEEDED = (on.WorkloadReady, on.StableUpdated, on.StableReverted)
"""Answers after which somebody is sent to the endpoints that they are about."""


class LateGateway(Gateway):
    """Routes are read again as soon as the server is back, endpoints `behind` seconds later.

    Attributes:
        known: what runs behind each arm, as the gateway knows it; None for nobody.
        lost: requests that went to nobody, or to pods that are gone.
    """

    sim: Behind

    def __init__(self, world: World, routes: AuditedRoutes, scenario: Scenario) -> None:
        super().__init__(world, routes, scenario)
        self.known: dict[Arm, str | None] = {Arm.STABLE: "v1", Arm.CANARY: None}
        self.lost = 0
        self._usual = dict(self.errors)

    def serve(self) -> None:
        """See Gateway."""
        there = self.sim.running()
        if self.sim.now >= self.sim.back + self.sim.behind:
            self.known = there
        before = sum(self.totals[arm][1] for arm in Arm if self.known[arm] != there[arm])
        self.errors = {arm: self._usual[arm] if self.known[arm] == there[arm] else 1.0 for arm in Arm}
        super().serve()
        self.lost += sum(self.totals[arm][1] for arm in Arm if self.known[arm] != there[arm]) - before


class Behind(Simulation):
    """One history with such a gateway.

    Args:
        scenario: see Simulation.
        behind: seconds after an outage until the gateway has read all endpoints again.
        patient: the adapters wait for that, as `Waiting.until_caught_up` does.

    Attributes:
        back: when the API server was last away for everybody.
    """

    gateway: LateGateway

    def __init__(self, scenario: Scenario, *, behind: float, patient: bool = True) -> None:
        self.behind, self.patient, self.back = behind, patient, float("-inf")
        self._missed: dict[Process, float] = {}
        super().__init__(scenario)

    def a_gateway(self) -> LateGateway:
        """See Simulation."""
        gateway = LateGateway(self.world, self.routes, self.scenario)
        gateway.sim = self
        return gateway

    def running(self) -> dict[Arm, str | None]:
        """What runs behind each arm."""
        canary = "v2" if self.workloads.endpoints.canary else None
        return {Arm.STABLE: "v2" if self.workloads.promoted else "v1", Arm.CANARY: canary}

    def second(self) -> None:
        """See Simulation."""
        if any(self.now < until and who is None for until, who in self.outages):
            self.back = self.now + 1.0
        super().second()

    def answered_at(self, process: Process, event: on.Event) -> float:
        """See Simulation; as the Kubernetes adapter does it."""
        missed = self._missed.get(process)
        if not self.patient or missed is None or not isinstance(event, ENDPOINTS_NEEDED):
            return self.now
        return max(self.now, missed + Pace().behind)

    def _fault(self, call: str, number: int) -> Fault | None:
        fault = super()._fault(call, number)
        if self.current is not None and self.cut_off(self.current):
            self._missed[self.current] = self.now
        return fault
