"""`canary judge`."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HEADER = "run,t,metric,arm,total,bad"
LATENCY = "run,t,metric,arm,le,count"


def rows(run: str, canary: int, *, looks: int = 60, metric: str = "errors") -> list[str]:
    """A run whose canary fails so many of 500 requests in each look; stable fails 5 of 1,000."""
    return [
        row
        for look in range(1, looks + 1)
        for row in (f"{run},{look * 10},{metric},stable,1000,5", f"{run},{look * 10},{metric},canary,500,{canary}")
    ]


@pytest.fixture
def judged(canary: Callable[..., Any], tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """The lines that are printed for some rows."""

    def judge(lines: list[str], *flags: str, header: str = HEADER) -> list[dict[str, Any]]:
        path = tmp_path / "counts.csv"
        path.write_text("\n".join([header, *lines]) + "\n")
        ran = canary("judge", str(path), *flags)
        assert (ran.code, ran.err) == (0, "")
        return [json.loads(line) for line in ran.out.splitlines()]

    return judge


def test_each_run_gets_a_line_in_the_order_of_the_file(judged: Callable[..., Any]) -> None:
    bad, good = judged([*rows("z bad", 25), *rows("a good", 2)])
    assert (bad["run"], bad["verdict"], bad["metric"]) == ("z bad", "UNHEALTHY", "errors")
    assert bad["t"] == bad["unhealthy_t"] == 10 * bad["looks"]
    assert bad["evidence"] >= bad["threshold"]
    assert bad["healthy_t"] is None
    assert bad["reason"].startswith("canary 5.0 % errors (")
    assert (good["run"], good["verdict"], good["unhealthy_t"]) == ("a good", "HEALTHY", None)
    assert good["t"] == good["healthy_t"] >= 200, "HEALTHY takes twenty looks"
    assert good["looks"] == 60


def test_it_is_what_the_live_judge_says(judged: Callable[..., Any]) -> None:
    from analysis.judge import JudgeConfig, MetricConfig, observe, start
    from analysis.model import Arm, Counts, Look, Verdict

    found = judged(rows("r", 20), "--relative", "0.2", "--absolute", "0.01", "--false-rollback", "0.001")[0]
    errors = MetricConfig(name="errors", kind="errors", relative=0.2, absolute=0.01)
    config = JudgeConfig(metrics=(errors,), false_rollback=0.001, planned_looks=60, check_share=False)
    state = start(config)
    for look in range(1, found["looks"] + 1):
        counts = {Arm.STABLE: Counts(total=1000, bad=5), Arm.CANARY: Counts(total=500, bad=20)}
        state, said = observe(config, state, Look(start=0.0, end=look * 10.0, counts={"errors": counts}))
        assert (said.verdict is Verdict.UNHEALTHY) == (look == found["looks"])
    assert found["reason"] == said.sentence
    assert found["evidence"] == pytest.approx(said.evidence, rel=1e-9)


def test_the_order_of_rows_and_columns_and_runs_in_between_change_nothing(judged: Callable[..., Any]) -> None:
    lines = [*rows("a", 25), *rows("b", 2)]
    straight = judged(lines)
    mixed = lines[1:]
    random.Random(4).shuffle(mixed)
    assert judged([lines[0], *mixed]) == straight
    turned = [",".join(reversed(line.split(","))) for line in lines]
    assert judged(turned, header=",".join(reversed(HEADER.split(",")))) == straight
    assert judged([", ".join(line.split(",")) + "\r" for line in lines], header=f"\ufeff{HEADER}\r") == straight


def test_a_step_begins_healthy_anew(judged: Callable[..., Any]) -> None:
    lines = [f"{line},{1 + (i >= 60)}" for i, line in enumerate(rows("r", 2))]
    (found,) = judged(lines, header=f"{HEADER},step")
    first, second = found["steps"]
    assert (first["step"], second["step"]) == ("1", "2")
    assert first["healthy_t"] == found["healthy_t"] <= 300
    assert second["healthy_t"] == found["t"] >= 500


def test_a_canary_without_requests_is_no_data_and_never_healthy(judged: Callable[..., Any]) -> None:
    (found,) = judged([line for line in rows("r", 0) if "stable" in line])
    assert (found["verdict"], found["t"], found["healthy_t"]) == ("NO_DATA", None, None)
    assert "no request on the canary" in found["reason"]


def test_too_few_requests_are_undecided(judged: Callable[..., Any]) -> None:
    (found,) = judged(rows("r", 3, looks=5))
    assert (found["verdict"], found["t"]) == ("UNDECIDED", None)


def test_latency_is_judged_from_buckets(judged: Callable[..., Any]) -> None:
    def look(run: str, t: int, slow: int) -> list[str]:
        stable = [f"{run},{t},latency,stable,{le},{n}" for le, n in ((0.1, 600), (0.5, 980), ("+Inf", 1000))]
        return stable + [
            f"{run},{t},latency,canary,{le},{n}" for le, n in ((0.1, 300), (0.5, 490 - slow), ("+Inf", 500))
        ]

    lines = [row for run, slow in (("slow", 60), ("same", 0)) for t in range(100) for row in look(run, t, slow)]
    slow, same = judged(lines, header=LATENCY)
    assert (slow["verdict"], slow["metric"]) == ("UNHEALTHY", "latency over 500 ms")
    assert slow["unhealthy_t"] < 15
    assert same["verdict"] == "HEALTHY"


def test_whoever_knows_the_truth_finds_the_promises_kept(judged: Callable[..., Any]) -> None:
    """Releases drawn by their truth, as an examiner would: stable fails 1 %, and 1.7 % are tolerated by default."""
    chance = np.random.default_rng(20)
    truths = {"equal": 0.01, "at the bound": 0.017, "three times": 0.03, "broken": 0.5}
    lines = []
    for truth, rate in truths.items():
        for run in range(60):
            bad = zip(chance.binomial(1800, 0.01, 60).tolist(), chance.binomial(200, rate, 60).tolist(), strict=True)
            for look, (stable, canary) in enumerate(bad):
                lines.append(f"{truth} {run},{look * 5},errors,stable,1800,{stable}")
                lines.append(f"{truth} {run},{look * 5},errors,canary,200,{canary}")
    said = {truth: [one for one in judged(lines) if one["run"].startswith(truth)] for truth in truths}
    verdicts = {truth: [one["verdict"] for one in found] for truth, found in said.items()}
    assert {truth: len(found) for truth, found in verdicts.items()} == dict.fromkeys(truths, 60)
    assert verdicts["equal"].count("UNHEALTHY") == 0
    assert verdicts["equal"].count("HEALTHY") >= 50
    assert verdicts["at the bound"].count("UNHEALTHY") <= 3, "one in a hundred, with room for 60 draws"
    assert verdicts["at the bound"].count("HEALTHY") <= 8, "five in a hundred, with the same room"
    assert set(verdicts["three times"]) == set(verdicts["broken"]) == {"UNHEALTHY"}
    assert max(one["t"] for one in said["broken"]) <= 10, "two or three looks"


def test_standard_input_is_read(canary: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join([HEADER, *rows("r", 25)])
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(text.encode())))
    assert json.loads(canary("judge", "-").out)["verdict"] == "UNHEALTHY"
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(f"{HEADER}\nr,x,e,stable,1,0".encode())))
    assert canary("judge", "-").err.startswith("canary: <stdin>:2: t is 'x'")


@pytest.mark.parametrize(
    ("text", "said", "right"),
    [
        ("", ":1: the table is empty", HEADER),
        ("run,t,arm,total,bad\n", ":1: the header is 'run,t,arm,total,bad'", LATENCY),
        (f"{HEADER},bad\n", ":1: the header is", HEADER),
        (f"{HEADER},pod\n", ":1: the header is", HEADER),
        (f"{HEADER}\n", ":2: there are no counts", "one row per look"),
        (f"{HEADER}\n\n\n", ":2: there are no counts", "one row per look"),
        (f"{HEADER}\nr,1,e,stable,5,1\nr,1,e,canary,5", ":3: there are 5 values", f"write 6: {HEADER}"),
        (f"{HEADER}\n\nr,1,e,stable,5,1,9", ":3: there are 7 values", "write 6"),
        (f"{HEADER}\nr,1,e,blue,5,1", ":2: arm is 'blue'", "stable or canary"),
        (f"{HEADER}\nr,1,e,stable,5,6", ":2: bad is '6'", "how many of the 5"),
        (f"{HEADER}\nr,1,e,stable,-5,0", ":2: total is '-5'", "a whole number"),
        (f"{HEADER}\nr,1,e,stable,5.5,0", ":2: total is '5.5'", "a whole number"),
        (f"{HEADER}\nr,1,e,stable,1e300,0", ":2: total is '1e300'", "a whole number"),
        (f"{HEADER}\nr,1,e,stable,nan,0", ":2: total is 'nan'", "a whole number"),
        (f"{HEADER}\nr,inf,e,stable,5,0", ":2: t is 'inf'", "write seconds"),
        (f"{HEADER}\nr,12:30,e,stable,5,0", ":2: t is '12:30'", "write seconds"),
        (f"{HEADER}\n,1,e,stable,5,0", ":2: run is empty", "give the run a name"),
        (f"{HEADER}\nr,1,,stable,5,0", ":2: metric is empty", "give the metric a name"),
        (f"{HEADER}\nr,1,e,stable,5,0\nr,1.0,e,stable,6,0", ":3: this was counted before (run 'r', t 1", "one row"),
        (f"{HEADER},step\nr,1,e,stable,5,0,1\nr,1,e,canary,6,0,2", ":3: this look is in two steps", "the same step"),
        (f"{LATENCY}\nr,1,l,stable,0.1,5", ":2: the largest le is not +Inf", "le +Inf"),
        (f"{LATENCY}\nr,1,l,stable,0,5", ":2: le is '0'", "such as 0.25"),
        (f"{LATENCY}\nr,1,l,stable,0.1,5\nr,1,l,stable,+Inf,4", ":2: the counts of this look fall", "never falls"),
        (
            f"{LATENCY}\nr,1,l,stable,0.1,5\nr,1,l,stable,+Inf,5\nr,2,l,stable,+Inf,5",
            ":4: this look lacks some of the run's bounds",
            "the same 2 bounds: 0.1, inf",
        ),
    ],
)
def test_what_cannot_be_judged_is_refused_with_its_place_and_what_would_be_right(
    canary: Callable[..., Any], tmp_path: Path, text: str, said: str, right: str
) -> None:
    path = tmp_path / "counts.csv"
    path.write_text(text)
    ran = canary("judge", str(path))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"canary: {path}{said}")
    assert right in ran.err


def test_a_mistake_far_down_is_found_at_its_line(canary: Callable[..., Any], tmp_path: Path) -> None:
    lines = rows("r", 2, looks=30_000)
    lines[55_000] = lines[55_000].replace("stable", "stabel")
    (tmp_path / "counts.csv").write_text("\n".join([HEADER, *lines]))
    assert ":55002: arm is 'stabel'" in canary("judge", str(tmp_path / "counts.csv")).err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--false-rollback", "0"), "false rollback is a chance, more than 0"),
        (("--false-healthy", "1"), "false healthy is a chance, more than 0"),
        (("--relative", "-1"), "the relative tolerance is between 0 and 100"),
        (("--absolute", "1"), "the absolute tolerance is a share"),
        (("--absolute", "nan"), "the absolute tolerance is a share"),
        (("--looks", "0"), "at least one look"),
        (("--absolute", "much"), "Invalid value for '--absolute'"),
    ],
)
def test_a_flag_out_of_range_is_wrong_usage(
    canary: Callable[..., Any], tmp_path: Path, flags: tuple[str, ...], said: str
) -> None:
    ran = canary("judge", str(tmp_path / "none.csv"), *flags)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_a_file_that_cannot_be_read_is_wrong_usage(canary: Callable[..., Any], tmp_path: Path) -> None:
    assert "cannot be read: No such file" in canary("judge", str(tmp_path / "none.csv")).err
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    ran = canary("judge", str(tmp_path / "binary.csv"))
    assert ran.code == 2
    assert "it is not UTF-8 text" in ran.err


def test_names_from_outside_stay_inside_of_their_line(judged: Callable[..., Any]) -> None:
    (found,) = judged([line.replace("r,", '"a\x1b[31m,""b""",', 1) for line in rows("r", 2, looks=2)])
    assert found["run"] == 'a\x1b[31m,"b"'
