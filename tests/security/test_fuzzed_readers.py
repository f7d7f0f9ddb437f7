"""Every reader of what comes from outside: a value or its own clear error, whatever stands there.

Readers that are fuzzed beside what they read: text as a release file and junk in each of its places in tests/spec,
queries in tests/packs, Prometheus' JSON and expositions in tests/sources, routes in tests/strategies, the emulator's
requests in tests/apiserver. Here: the same with the odd texts, and the readers that had none.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import tempfile
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.judge import JudgeConfig, MetricConfig, start
from analysis.judge import decode as decode_judge
from analysis.judge import encode as encode_judge
from analysis.model import Arm
from analysis.offline.runs import BadTable
from analysis.offline.table import read as read_table
from analysis.packs import PackError, Target, custom
from analysis.sources.state import decode as decode_window
from canary.adapters.kubernetes.derive import with_image
from canary.adapters.kubernetes.errors import Answer, failure
from canary.adapters.kubernetes.references import references
from canary.cli.boundary import Failure
from canary.cli.credentials import VARIABLE, bound
from canary.cli.main import main
from canary.core.outcome import ExitCode
from canary.core.release import Phase, Policy, Release, StepPolicy
from canary.engine.journal import Journal, JournalError, decode, encode
from canary.engine.record import FORM, RecordError, pieces
from canary.engine.recordfile import KIND
from canary.engine.recordfile import parse as parse_record
from canary.ports import PortError
from canary.report.changed import changes
from canary.spec import ReleaseFileError, parse
from canary.spec.template import About, Source
from canary.spec.template import read as read_template
from canary.submitting.reading import attempt_of, verdict
from strategies import Malformed, Original
from tests.security.fuzzing import FUZZ, JSON, MIB, ODD, calls_of, memory_of, places, replaced

POLICY = Policy(
    steps=(StepPolicy(share=Decimal(10), hold_min=1.0, hold_max=2.0),),
    bake_min=1.0, bake_max=2.0, settle_window=1.0, settle_least=1.0, drain=1.0, deadline=60.0, last_call=10.0,
)  # fmt: skip
JOURNAL = json.loads(
    encode(Journal(release=Release(uid="r", incarnation="i", policy=POLICY, phase=Phase.JUDGING), judge={"a": 1}))
)
JUDGE = encode_judge(
    start(JudgeConfig(metrics=(MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.0),)))
)
TEMPLATE = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop", "labels": {"a": "b"}},
    "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
        "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
        "spec": {"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}}], "containers": [
            {"name": "app", "env": [{"name": "E", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]}]}}},
}  # fmt: skip
RULE = {
    "rules": [{"key": "name:x", "factor": 2, "weights": [["Service", "", "shop", "a", 1, 9]]}],
    "pool": [["Service", "", "shop", "a", 1], ["Service", "", "shop", "b", 1]],
}
HEAD = {"form": FORM, "chunk": 0, "after": "", "life": "i", "dropped": 0}


def told(error: Exception) -> None:
    """A clear error: one that a terminal shows as it is, and not a page."""
    text = str(error)
    assert text.replace("\n", "").isprintable(), ascii(text)
    assert 0 < len(text) < 20_000


def junked(document: Any) -> st.SearchStrategy[Any]:
    """The document with something else in one or two places."""
    found = st.sampled_from(places(document))
    once = st.builds(replaced, st.just(document), found, JSON)
    return once | once.flatmap(lambda value: st.builds(replaced, st.just(value), st.sampled_from(places(value)), JSON))


@FUZZ
@given(junked(JOURNAL).map(json.dumps) | JSON.map(json.dumps) | ODD | st.text(max_size=40))
def test_a_journal_is_read_or_refused(text: str) -> None:
    try:
        assert isinstance(decode(text), Journal)
    except JournalError as error:
        told(error)


@FUZZ
@given(st.integers(0, len(json.dumps(JOURNAL))), st.binary(max_size=3))
def test_a_torn_journal_is_refused(at: int, junk: bytes) -> None:
    whole = json.dumps(JOURNAL)
    torn = whole[:at] + junk.decode("latin-1")
    try:
        decode(torn)
    except JournalError as error:
        told(error)
    else:
        assert json.loads(torn) == json.loads(whole)


@FUZZ
@given(junked(HEAD), st.lists(JSON, max_size=3))
def test_a_chunk_of_a_record_is_read_or_refused(head: Any, rows: list[Any]) -> None:
    chunk = zlib.compress("\n".join(map(json.dumps, [head, *rows])).encode())
    try:
        assert all(isinstance(row, dict) for piece in pieces([chunk]) for row in piece.rows)
    except RecordError as error:
        told(error)


@FUZZ
@given(st.binary(max_size=60) | st.binary(max_size=60).map(zlib.compress))
def test_bytes_that_are_no_chunk_are_refused(chunk: bytes) -> None:
    with pytest.raises(RecordError) as refused:
        list(pieces([chunk]))
    told(refused.value)


FILE = {"kind": KIND, "form": 1, "release": "r", "mark": [1, "x"], "chunks": [base64.b64encode(b"x").decode()]}


@FUZZ
@given(junked(FILE).map(json.dumps) | ODD)
def test_a_record_s_file_is_read_or_refused(text: str) -> None:
    try:
        stored = parse_record(text)
        if stored is not None:
            stored.read()
    except RecordError as error:
        told(error)


@FUZZ
@given(junked(json.loads(json.dumps(JUDGE))))
def test_the_judges_state_is_read_or_refused(state: Any) -> None:
    if isinstance(state, dict):
        with contextlib.suppress(ValueError):
            decode_judge(state)


WINDOW = {"keys": [["errors", "stable", "total", 0]], "shapes": [[0]], "rows": [["s", 1, 0, 5]], "pending": [[0, 1]]}
WINDOW |= {"gone": [], "end": 1, "changes": [], "origins": {}}


@FUZZ
@given(junked(WINDOW))
def test_the_windows_state_is_read_or_refused(document: Any) -> None:
    packed = base64.b64encode(zlib.compress(json.dumps(document).encode())).decode()
    with contextlib.suppress(ValueError):
        decode_window({"packed": packed})


@FUZZ
@given(junked(RULE))
def test_the_note_about_the_weights_is_read_or_refused(note: Any) -> None:
    if isinstance(note, dict):
        try:
            Original.decode(note)
        except Malformed as error:
            told(error)


CELLS = ODD | st.sampled_from(["r", "1", "2.5", "errors", "stable", "canary", "1e15", "1e16", "inf"])


@FUZZ
@given(
    st.sampled_from(["run,t,metric,arm,total,bad", "run,t,metric,arm,le,count", "run,t,metric,arm,total,bad,step", ""]),
    st.lists(st.lists(CELLS, min_size=5, max_size=8), max_size=6),
)
def test_a_table_of_counts_is_read_or_refused(header: str, rows: list[list[str]]) -> None:
    lines = [header, *(",".join(row) for row in rows)]
    try:
        list(read_table("\n".join(lines).splitlines(keepends=True)))
    except BadTable as error:
        told(error)


@FUZZ
@given(st.sampled_from([200, 302, 401, 403, 404, 409, 422, 429, 500]), JSON, ODD, ODD)
def test_any_answer_of_the_api_server_is_an_error_of_ours(status: int, body: Any, message: str, kind: str) -> None:
    document = body if not isinstance(body, dict) else {"kind": "Status", "message": message, "details": body, **body}
    answer = Answer(
        status=max(status, 300),
        headers={"content-type": kind, "retry-after": message},
        body=json.dumps(document).encode(errors="replace"),
    )
    error = failure(answer, doing="patching", json_patch=True)
    assert isinstance(error, PortError)
    told(error)


JOB = {
    "metadata": {"name": "x", "annotations": {}, "creationTimestamp": "2026-01-01T00:00:00Z"},
    "status": {"conditions": [{"type": "Complete", "status": "True", "reason": "", "message": ""}]},
}


@FUZZ
@given(junked(JOB))
def test_any_job_is_read(job: Any) -> None:
    if isinstance(job, dict):
        attempt_of(job)
        verdict(job, journal=None, begun=False, pods=[job])


@FUZZ
@given(JSON.map(json.dumps) | ODD)
def test_any_file_of_the_operators_is_refused(text: str) -> None:
    with tempfile.NamedTemporaryFile() as file, mock.patch.dict(os.environ, {VARIABLE: file.name}):
        Path(file.name).write_bytes(text.encode(errors="surrogatepass"))
        with pytest.raises(Failure) as refused:
            bound()
    told(refused.value)


# Bounded time and memory, measured in calls and bytes so that a slow machine is no failure --------------------


def _refused_release(text: str) -> None:
    with pytest.raises(ReleaseFileError) as refused:
        parse(text)
    told(refused.value)


BOMBS = {
    "billion laughs": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "merge keys": "a: &a {x: 1}\n" + "b: {<<: [" + ",".join(["*a"] * 2_000) + "]}\n",
    "deep list": "a: " + "[" * 600,
    "deep map": "".join(" " * depth + "a:\n" for depth in range(200)),
    "itself": "a: &a [*a]\n",
    "long number": "a: " + "9" * 20_000,
    "long key": "x" * 50_000 + ": 1\n",
    "many keys": "".join(f"k{index}: 1\n" for index in range(300)),
    "many tags": "a: [" + "!x 1," * 11_000 + "]",
    "python": "!!python/object/apply:os.system ['true']",
    "long anchor": "&" + "a" * 50_000 + " 1",
    "many documents": "---\n" * 50_000,
    "large": "#" * (MIB),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_in_a_release_file_is_refused_cheaply(name: str) -> None:
    text = BOMBS[name]
    assert calls_of(lambda: _refused_release(text)) < 2_000_000


def test_a_bomb_in_a_release_file_takes_little_memory() -> None:
    text = BOMBS["billion laughs"]
    assert memory_of(lambda: _refused_release(text)) < 16 * MIB


def test_a_bomb_in_a_record_is_not_unpacked() -> None:
    chunk = zlib.compress(b"0" * (100 * MIB), 1)

    def read() -> None:
        with pytest.raises(RecordError):
            list(pieces([chunk]))

    assert memory_of(read) < 160 * MIB


def test_a_table_that_is_one_endless_line_is_refused_and_not_read_to_its_end(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "sparse.csv"
    with path.open("wb") as made:
        made.truncate(1 << 30)

    def judge() -> None:
        assert main(["judge", str(path)]) == ExitCode.USAGE

    assert memory_of(judge) < 16 * MIB
    assert "this line is longer than" in capsys.readouterr().err


SLOW = ["(a+)+", "(a|a)*", "(a*)*b", "(a|aa)+", "(.*)*x", "a*a*a*a*a*a*a*b", "(a?){40}a{40}", "((a{1,20}){1,20}){1,20}"]


@pytest.mark.parametrize("pattern", SLOW)
def test_an_expression_that_could_hang_the_engine_is_refused(pattern: str) -> None:
    # Prometheus' RE2 is linear; Python's matcher is not, and one that hangs holds up every thread, the lease's too.
    target = Target(namespace="n", route="r", services={Arm.STABLE: "a" * 40, Arm.CANARY: "b" * 40}, port=1)
    with pytest.raises(PackError, match="plainer"):
        custom("m", bad=f't{{s=~"{pattern}",t="$arm"}}', total='t{s="$arm"}', target=target)


@pytest.mark.parametrize(
    "pattern", [".*", "5..", "[45][0-9]{2}", "$arm-[0-9a-f]+-[a-z0-9]{5}", "a|b|c", "(get|put)?", ".+-$arm-.+"]
)
def test_an_expression_as_people_write_them_is_taken(pattern: str) -> None:
    target = Target(namespace="n", route="r", services={Arm.STABLE: "a", Arm.CANARY: "b"}, port=1)
    assert custom("m", bad=f't{{s=~"{pattern}",t="$arm"}}', total='t{s="$arm"}', target=target)


@given(junked(TEMPLATE))
@settings(FUZZ, max_examples=150)
def test_a_pod_template_is_read_or_refused(value: object) -> None:
    about = About(namespace="shop", deployment="shop", container="")
    try:
        found = read_template(Source(name="x.yaml", raw=json.dumps(value).encode()), about)
    except ReleaseFileError as error:
        told(error)
        return
    references(found.template)
    assert changes(found.template, found.template, container=None) == []
    assert with_image(found.template, None, "x", name="shop")["metadata"]["labels"]
