"""The last ten releases of a route are kept: what is pruned, and above all what is not."""

from __future__ import annotations

from typing import Any

import pytest

from canary.adapters.kubernetes import KubernetesRecords
from canary.adapters.kubernetes.histories import KEPT, prune, records_of
from canary.adapters.kubernetes.paths import CONFIG_MAP, RELEASE_LABEL, named
from canary.ports import PortError, Refused
from tests.cluster.place import Place

pytestmark = pytest.mark.real


def made(place: Place, uid: str, *, route: str = "shop", chunks: int = 2) -> None:
    """A release's record."""
    records = KubernetesRecords(
        place.api(), namespace=place.namespace, name=named("canary", route, uid), labels={RELEASE_LABEL: uid}
    )
    for index in range(chunks):
        records.append(index, f"{uid} {index}".encode())


def kept(place: Place, route: str = "shop") -> dict[str, tuple[bytes, ...]]:
    return records_of(place.api(), namespace=place.namespace, route=route)


def pruned(place: Place, living: str, route: str = "shop") -> None:
    prune(place.api(), namespace=place.namespace, route=route, living=living)


def in_turn(place: Place, uids: list[str], **more: Any) -> None:
    """Records, the oldest first. Ages are whole seconds: who is made within one is told apart by its uid."""
    for uid in uids:
        made(place, uid, **more)


UIDS = [f"{number:04d}" for number in range(KEPT + 3)]


def test_the_newest_ten_are_kept_and_everything_that_is_not_a_record_of_the_route(place: Place) -> None:
    in_turn(place, UIDS)
    in_turn(place, UIDS, route="shop-eu")  # begins like ours
    in_turn(place, UIDS, route="s")
    note = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"canary-shop-{UIDS[0]}-notes"}}
    place.make(CONFIG_MAP.path(place.namespace), note)
    pruned(place, UIDS[-1])
    assert list(kept(place)) == UIDS[-KEPT:]
    assert kept(place)[UIDS[-1]] == (f"{UIDS[-1]} 0".encode(), f"{UIDS[-1]} 1".encode())
    assert list(kept(place, "shop-eu")) == list(kept(place, "s")) == UIDS
    assert place.api().get(CONFIG_MAP.path(place.namespace, f"canary-shop-{UIDS[0]}-notes"), doing="reading")


def test_the_living_one_stays_however_old_it_is_and_pruning_again_changes_nothing(place: Place) -> None:
    in_turn(place, UIDS)
    for _ in range(2):
        pruned(place, UIDS[0])
        assert list(kept(place)) == [UIDS[0], *UIDS[-KEPT:]]


def test_a_long_routes_records_are_found_and_pruned_too(place: Place) -> None:
    """Their names are cut and end with a hash."""
    route = "r" * 235
    in_turn(place, UIDS, route=route, chunks=1)
    pruned(place, UIDS[-1], route)
    assert list(kept(place, route)) == UIDS[-KEPT:]


def test_a_failure_half_way_leaves_the_beginning_of_a_record_and_the_next_release_goes_on(place: Place) -> None:
    in_turn(place, UIDS, chunks=3)
    api, deletes = place.api(), [0]
    real = api.delete

    def some(*words: Any, **values: Any) -> Any:
        deletes[0] += 1
        if deletes[0] > 2:
            raise Refused("no")
        return real(*words, **values)

    api.delete = some  # type: ignore[method-assign]
    with pytest.raises(PortError):
        prune(api, namespace=place.namespace, route="shop", living=UIDS[-1])
    assert kept(place)[UIDS[0]] == (f"{UIDS[0]} 0".encode(),)
    assert [len(chunks) for chunks in kept(place).values()] == [1, *(3 for _ in UIDS[1:])]
    pruned(place, UIDS[-1])
    assert list(kept(place)) == UIDS[-KEPT:]
