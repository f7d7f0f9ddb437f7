"""Words fit one of a thing as they fit many."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from analysis.plural import counted

ONE_OF_MANY = re.compile(r"(?<![\d,.])1 (looks|requests|counters|proxies|pods|steps|values|samples)\b")


@given(number=st.integers(0, 10**9))
def test_only_one_of_a_thing_is_one(number: int) -> None:
    assert counted(number, "look") == (f"{number:,} looks" if number != 1 else "1 look")
    assert counted(number, "series", "series") == f"{number:,} series"


def test_no_sentence_of_a_releases_first_looks_has_one_of_many(sim: Any) -> None:
    release = sim.Release().learns(20).begins()
    for canary in [(0, 0), (1, 1), (0, 0), (0, 1)]:
        release.at += 5
        release.given(sim.look_of(release.at, stable=(2, 935), canary=canary))
    said = [one.sentence for judgement in release.judgements for one in (judgement, *judgement.findings)]
    assert not [sentence for sentence in said if ONE_OF_MANY.search(sentence)]
    assert any("for 1 look" in sentence for sentence in said)
