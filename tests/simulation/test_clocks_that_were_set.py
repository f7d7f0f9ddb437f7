"""The API server's clock is set between two lives of an engine, whose own clock runs fast or slow."""

from __future__ import annotations

import pytest
from simulated.oracles import play_scenario
from simulated.scenario import Happening

from analysis.sources.window import LOST_AFTER
from tests.simulation.test_bugs_found import calm

MOMENTS = range(8, 44, 12)


def ended(at: float, value: float, **changes: object) -> tuple[list[int], float]:
    """The codes of a release whose engine is killed after the clock was set, and the seconds that it took."""
    script = (Happening(at=at, kind="server-clock", value=value), Happening(at=at + 1, kind="kill"))
    played = play_scenario(calm(script=script, **changes))
    assert played.violations == []
    return [int(code) for code in played.codes], played.now - played.began


@pytest.mark.parametrize("scraped", [True, False])
@pytest.mark.parametrize("real_judge", [True, False])
@pytest.mark.parametrize("quality", ["good", "bad"])
def test_whoever_begins_after_it_was_set_needs_no_longer_and_ends_the_same(
    quality: str, real_judge: bool, scraped: bool
) -> None:
    for at in MOMENTS:
        plain = ended(at, 0.0, quality=quality, real_judge=real_judge, scraped=scraped)
        for value in (-600.0, -130.0, 600.0):
            codes, took = ended(at, value, quality=quality, real_judge=real_judge, scraped=scraped)
            assert codes == plain[0], (at, value)
            # Set back by less than that, a scraper's samples might as well be another replica's: they are waited for.
            blind = LOST_AFTER if scraped and value == -130.0 else 0.0
            assert took <= plain[1] + blind + 15.0, (at, value)


@pytest.mark.parametrize("drift", [-0.05, 0.05])
@pytest.mark.parametrize("quality", ["good", "bad"])
def test_a_clock_that_runs_fast_or_slow_changes_no_end(quality: str, drift: float) -> None:
    assert ended(12.0, 0.0, quality=quality, drift=drift)[0] == [0 if quality == "good" else 10]
