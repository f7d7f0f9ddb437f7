"""The record's chunks and what waits for them have their bounds, whatever is put in, however long it is not stored."""

from __future__ import annotations

from random import Random

from canary.engine.record import CHUNK_LIMIT, ENTRIES_LIMIT, Recorder, entries, pieces


def noise(size: int, seed: int = 1) -> str:
    """Text that does not compress."""
    return Random(seed).randbytes(size).hex()


def stored(recorder: Recorder) -> list[bytes]:
    chunks = []
    while (chunk := recorder.cut()) is not None:
        assert recorder.cut() == chunk, "the same bytes until they are stored"
        chunks.append(chunk)
        recorder.stored()
    return chunks


def test_no_chunk_is_larger_than_may_be_and_every_entry_is_there_in_order() -> None:
    recorder = Recorder()
    for number in range(40):
        recorder.add("look", number=number, text=noise(20_000, number))
    chunks = stored(recorder)
    assert len(chunks) > 1
    assert max(map(len, chunks)) <= CHUNK_LIMIT
    assert [row["number"] for row in entries(chunks)] == list(range(40))


def test_an_entry_that_no_chunk_can_hold_is_named_and_holds_nothing_up() -> None:
    recorder = Recorder()
    recorder.add("look", number=0)
    recorder.add("look", number=1, text=noise(2 * CHUNK_LIMIT))
    recorder.add("look", number=2)
    chunks = stored(recorder)
    assert max(map(len, chunks)) <= CHUNK_LIMIT
    assert [row["kind"] for row in entries(chunks)] == ["look", "lost", "look"]


def test_what_waits_is_bounded_also_behind_a_chunk_that_cannot_be_stored() -> None:
    recorder = Recorder()
    for number in range(10):
        recorder.add("look", number=number)
    first = recorder.cut()
    for number in range(10, 3 * ENTRIES_LIMIT):
        recorder.add("look", number=number)
    assert len(recorder) == 10 + ENTRIES_LIMIT
    assert recorder.cut() == first
    found = list(pieces(stored(recorder)))
    assert [piece.dropped for piece in found] == [0, 2 * ENTRIES_LIMIT - 10, *(0 for _ in found[2:])]
    numbers = [row["number"] for piece in found for row in piece.rows]
    assert numbers == [*range(10), *range(2 * ENTRIES_LIMIT, 3 * ENTRIES_LIMIT)]
