"""After an outage of the API server for everybody a gateway may know the weights before the endpoints."""

from __future__ import annotations

import pytest
from simulated.behind import Behind
from simulated.oracles import check_end
from simulated.scenario import Happening

from tests.simulation.test_bugs_found import calm


def outage(at: float, seconds: float, *, behind: float, patient: bool = True) -> Behind:
    script = (Happening(at=at, kind="outage-all", seconds=seconds),)
    found = Behind(calm(real_judge=True, script=script), behind=behind, patient=patient)
    found.run()
    check_end(found)
    assert found.violations == []
    return found


@pytest.mark.parametrize("seconds", [10.0, 60.0, 300.0])
@pytest.mark.parametrize("at", [0, 4, 8, 16, 28, 40, 52, 64])
def test_no_request_goes_to_pods_that_the_gateway_does_not_know_and_the_good_release_is_promoted(
    at: float, seconds: float
) -> None:
    found = outage(at, seconds, behind=55.0)
    assert [int(code) for code in found.codes] == [0]
    assert found.gateway.lost == 0


@pytest.mark.parametrize(("at", "code"), [(4, 10), (52, 0)])
def test_who_does_not_wait_loses_requests_and_in_the_beginning_the_release(at: float, code: int) -> None:
    found = outage(at, 60.0, behind=45.0, patient=False)
    assert [int(one) for one in found.codes] == [code]
    assert found.gateway.lost > 0
