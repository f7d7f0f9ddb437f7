"""`canary replay` on files."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.judge import VERSION
from analysis.model import Arm
from canary.engine.record import Recorder, lives, pieces
from canary.engine.recordfile import Stored
from tests.engine.conftest import Play


@pytest.fixture(scope="module")
def stored() -> Stored:
    """The record of a release that was condemned, by an engine that died once."""
    play = Play()
    for second in range(400):
        if second == 22:
            play.start()
        if second == 30:
            play.gateway.errors[Arm.CANARY] = 0.2
        if not play.decider.over:
            play.second()
        if second % 8 == 0:
            play.decider.flush()
    return Stored(release="r1", chunks=tuple(play.records.read()), mark=play.decider._recording.mark)


@pytest.fixture
def written(stored: Stored, tmp_path: Path) -> Callable[..., str]:
    """A file of the record, changed."""

    def write(change: Callable[[dict[str, Any]], object] = lambda _: None) -> str:
        document = json.loads(stored.text())
        change(document)
        path = tmp_path / "release.record.json"
        path.write_text(json.dumps(document))
        return str(path)

    return write


def rewritten(stored: Stored, change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], None]:
    """The same with every entry changed, and the chain of hashes made anew, as a forger would."""

    def act(document: dict[str, Any]) -> None:
        recorder, chunks = Recorder(), []
        for name, rows in lives(pieces(stored.chunks)):
            recorder.life = name
            for row in rows:
                change(row)
                recorder.add(row.pop("kind"), **row)
            while (chunk := recorder.cut()) is not None:
                chunks.append(base64.b64encode(chunk).decode())
                recorder.stored()
        document.update(chunks=chunks, mark=None)

    return act


def test_a_saved_record_is_judged_again_to_the_same(canary: Callable[..., Any], written: Callable[..., str]) -> None:
    ran = canary("replay", written())
    assert (ran.code, ran.err) == (0, "")
    assert "The same verdict at every look, and every number to 1e-9." in ran.out
    assert "Life 2 (i2) went on after the look of" in ran.out
    assert "UNHEALTHY  same" in ran.out
    assert "The release ended with exit 10" in ran.out


def test_every_look_is_data(canary: Callable[..., Any], written: Callable[..., str]) -> None:
    told = json.loads(canary("replay", written(), "-o", "json").out, parse_constant=pytest.fail)
    assert (told["same"], told["whole"], told["damage"], told["judge"]) == (True, True, None, VERSION)
    assert told["looks"][-1]["again"] == told["looks"][-1]["recorded"] == "UNHEALTHY"
    assert all(look["same"] for look in told["looks"])
    assert [life["name"] for life in told["lives"]] == ["i1", "i2"]
    lines = canary("replay", written(), "--looks").out.splitlines()
    assert sum(line.startswith("  ") and " same " in line for line in lines) == len(told["looks"])


def test_a_copy_is_saved(canary: Callable[..., Any], written: Callable[..., str], tmp_path: Path) -> None:
    copy = str(tmp_path / "copy.json")
    first = canary("replay", written(), "--save", copy)
    assert canary("replay", copy).out == first.out
    assert canary("replay", copy, "--save", "/nowhere/copy.json").code == 2


def test_a_forged_count_is_found_at_its_look(
    canary: Callable[..., Any], stored: Stored, written: Callable[..., str]
) -> None:
    def forge(row: dict[str, Any]) -> None:
        if row["kind"] == "look" and row["as"] == "judged" and row["said"]["verdict"] == "UNHEALTHY":
            row["counts"]["errors"]["canary"][1] = 0

    ran = canary("replay", written(rewritten(stored, forge)))
    assert ran.code == 1
    assert "looks DIFFER" in ran.out
    assert "evidence: " in ran.out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one["chunks"].pop(1), "chunk 1 is missing from the record: chunk 2 comes in place of it"),
        (lambda one: one["chunks"].pop(0), "chunk 0 is missing"),
        (lambda one: one["chunks"].__delitem__(slice(1, 3)), "chunks 1 to 2 are missing"),
        (lambda one: one["chunks"].pop(), "the last ones are gone"),
        (lambda one: one["chunks"].insert(1, one["chunks"][0]), "chunk 1 of the record is damaged: it calls itself 0"),
        (lambda one: one["chunks"].__setitem__(1, base64.b64encode(b"torn").decode()), "chunk 1 of the record is dam"),
        (lambda one: one["chunks"].__setitem__(1, base64.b64encode(zlib.compress(b"[]")).decode()), "not made of entr"),
        (lambda one: one["mark"].__setitem__(1, "0" * 64), "it was replaced"),
    ],
)
def test_what_is_missing_or_torn_is_named_and_the_rest_is_judged(
    canary: Callable[..., Any], written: Callable[..., str], change: Callable[[Any], object], said: str
) -> None:
    ran = canary("replay", written(change))
    assert ran.code == 20
    assert said in ran.err
    assert "DAMAGED: " in ran.out
    assert "DIFFER" not in ran.out


def test_a_replaced_chunk_breaks_the_chain(
    canary: Callable[..., Any], stored: Stored, written: Callable[..., str]
) -> None:
    def replace(document: dict[str, Any]) -> None:
        chunk = zlib.decompress(stored.chunks[1]).replace(b'"judged"', b'"judged" ')
        document["chunks"][1] = base64.b64encode(zlib.compress(chunk)).decode()

    assert "chunk 2 of the record does not follow" in canary("replay", written(replace)).err


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("judge", {"version": VERSION + 1}, f"version {VERSION + 1} of the judge"),
        ("judge", {"version": 1}, "replay it with that canary"),
        ("judge", {"config": {}}, "what the judge was asked is damaged"),
        ("look", {"counts": 5}, "an entry of the record is damaged: look"),
    ],
)
def test_a_record_of_another_judge_or_a_damaged_one_is_refused(
    canary: Callable[..., Any], stored: Stored, written: Callable[..., str], *, kind: str, change: Any, said: str
) -> None:
    ran = canary("replay", written(rewritten(stored, lambda row: row.update(change if row["kind"] == kind else {}))))
    assert (ran.code, ran.out) == (20, "")
    assert said in ran.err


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("", 2, "does not hold a record"),
        ("[]", 2, "does not hold a record"),
        ("[" * 100_000, 2, "does not hold a record"),
        ('{"kind": "canary-record", "form": 2}', 20, "use the newer one"),
        ('{"kind": "canary-record", "form": 1}', 20, "is a record, and damaged"),
        ('{"kind": "canary-record", "release": "r", "chunks": ["?"]}', 20, "is a record, and damaged"),
        ('{"kind": "canary-record", "release": "r", "chunks": [], "mark": 5}', 20, "is a record, and damaged"),
    ],
)
def test_a_file_that_is_no_record_says_so(
    canary: Callable[..., Any], tmp_path: Path, text: str, code: int, said: str
) -> None:
    (tmp_path / "file.json").write_text(text)
    ran = canary("replay", str(tmp_path / "file.json"))
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err


def test_a_missing_file_says_so(canary: Callable[..., Any]) -> None:
    ran = canary("replay", "nowhere.record.json")
    assert ran.code == 2
    assert "there is no file" in ran.err
