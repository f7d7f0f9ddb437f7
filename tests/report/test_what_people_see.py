"""The screen, the lines and the account: golden pictures, and what must never be in them."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from canary.core.outcome import ExitCode
from canary.ports import Progress
from canary.report import words
from canary.report.account import Reason, RouteCheck, Users, data, from_progress, read, text
from canary.report.lines import LineReporter, line
from canary.report.live import LiveReporter
from canary.report.screen import render
from canary.report.view import KEPT_EVENTS, View, advance

EMPTY = View(release="user-service", namespace="shop", route="user-service-route", plan=(Decimal(5), Decimal(20)))


def picture(view: View, at: float, *, width: int = 110, height: int = 30) -> str:
    console = Console(file=io.StringIO(), width=width, height=height, no_color=True, force_terminal=False)
    console.print(render(view, at=at))
    return console.file.getvalue()  # type: ignore[attr-defined] - it is the StringIO from above


def after(told: tuple[Progress, ...], count: int) -> View:
    view = EMPTY
    for progress in told[:count]:
        view = advance(view, progress)
    return view


def test_the_screen_at_the_start(golden: Callable[[str, str], None]) -> None:
    golden("start.txt", picture(EMPTY, 0))


def test_the_screen_while_judging(told: tuple[Progress, ...], golden: Callable[[str, str], None]) -> None:
    golden("judging.txt", picture(after(told, 4), told[3].at + 1))


def test_the_screen_on_a_narrow_terminal_keeps_to_its_width(told: tuple[Progress, ...]) -> None:
    narrow = picture(after(told, 5), told[4].at, width=60)
    assert max(len(row) for row in narrow.splitlines()) <= 60
    assert "UNDECIDED" in "".join(narrow.split())


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 24), (120, 30), (160, 50)])
def test_the_screen_fits_its_terminal_and_what_happened_last_is_on_it(
    told: tuple[Progress, ...], width: int, height: int
) -> None:
    """Rich cuts off what is too much from below, and that is where the newest event stands."""
    judged = told[3]
    assert judged.judgement is not None
    many = replace(judged.judgement, findings=judged.judgement.findings * 5)
    view = advance(EMPTY, replace(judged, judgement=many))
    for number in range(8):
        view = advance(view, replace(told[2], at=judged.at + number, message=f"event {number}: {'very ' * 30}long"))
    seen = picture(view, judged.at + 9, width=width, height=height).splitlines()
    assert len(seen) < height
    assert max(map(len, seen)) <= width
    assert [number for number in range(8) if any(f"event {number}" in row for row in seen)][-3:] == [5, 6, 7]
    assert "long" in seen[-2]
    assert sum("UNDECIDED" in row or "NO_DATA" in row for row in seen) >= 3


def test_an_old_judgement_leaves_the_screen_when_the_share_changes(told: tuple[Progress, ...]) -> None:
    judged = after(told, 4)
    assert judged.judgement is not None
    moved = advance(judged, replace(told[1], at=told[3].at))
    assert moved.judgement is None


def test_the_screen_keeps_the_last_happenings_only(told: tuple[Progress, ...]) -> None:
    view = EMPTY
    for number in range(30):
        view = advance(view, replace(told[2], message=f"event {number}"))
    assert [happening.message for happening in view.happenings] == [f"event {n}" for n in range(30 - KEPT_EVENTS, 30)]


def test_one_line_per_change_and_none_for_a_mere_look(
    told: tuple[Progress, ...], golden: Callable[[str, str], None]
) -> None:
    lines = [line(progress) for progress in told]
    assert lines[3] is None
    golden("lines.txt", "".join(f"{one}\n" for one in lines if one))


@given(st.text(max_size=50))
def test_no_text_from_outside_reaches_the_terminal_as_a_control(message: str) -> None:
    progress = Progress(
        at=0, phase="JUDGING", stage="none", step=0, steps=1, share_wanted=Decimal(1), share_seen=None, entered=0,
        message=message,
    )  # fmt: skip
    assert (line(progress) or "x").isprintable()
    view = advance(replace(EMPTY, release=message, route=message), progress)
    assert all(row.isprintable() for row in picture(view, 0).split("\n"))
    account = from_progress([progress], release=message, namespace="a", image=None, code=ExitCode.BUG)
    assert all(row.isprintable() for row in text(account).split("\n"))


def test_markup_in_text_from_outside_is_only_text(told: tuple[Progress, ...]) -> None:
    view = advance(EMPTY, replace(told[2], message="[red]x[/red] [link=http://a]", weights=("[bold]w",)))
    assert "[red]x[/red] [link=http://a]" in picture(view, 0)
    assert "[bold]w" in picture(view, 0)


def test_the_account_tells_the_end_first_and_then_how_it_came_to_it(
    told: tuple[Progress, ...], golden: Callable[[str, str], None]
) -> None:
    account = from_progress(told, release="user-service", namespace="shop", image="a/b:1", code=ExitCode.JUDGED_BAD)
    users = Users(sent=1966, failed=8, failed_on_canary=8, first_on_canary=12.4, last_on_canary=16.2)
    golden("account.txt", text(replace(account, users=users, route=RouteCheck(as_before=True))))
    assert "NOT what it was before. weight of a" in text(
        replace(account, route=RouteCheck(as_before=False, difference="weight of a"))
    )


def test_an_account_of_nothing_says_so() -> None:
    account = from_progress((), release="a", namespace="b", image=None, code=ExitCode.BUG)
    assert "the engine said nothing" in text(account)


def test_an_account_carries_the_judge_s_numbers_as_data(told: tuple[Progress, ...]) -> None:
    account = from_progress(told, release="a", namespace="b", image=None, code=ExitCode.JUDGED_BAD)
    assert account.reason == "errors: worse than tolerated"
    assert account.reasons[0].numbers["canary_bad"] == 84
    assert [moment.after for moment in account.moments] == pytest.approx([0, 12.3, 30, 80])


def test_an_account_is_json_whatever_its_numbers(told: tuple[Progress, ...]) -> None:
    account = from_progress(told, release="a", namespace="b", image=None, code=ExitCode.JUDGED_BAD)
    reason = replace(account.reasons[0], numbers={"evidence": float("-inf"), "canary_bad": 84.0})
    again = json.loads(json.dumps(data(replace(account, reasons=(reason,))), allow_nan=False))
    assert again["code"] == 10
    assert again["moments"][1]["share"] == 5.0
    assert again["reasons"][0]["numbers"] == {"evidence": None, "canary_bad": 84.0}
    assert data(read(json.dumps(again))) == again


def test_the_screen_names_the_most_telling_findings_and_counts_the_rest(told: tuple[Progress, ...]) -> None:
    view = after(told, 4)
    assert view.judgement is not None
    finding = view.judgement.findings[0]
    many = tuple(replace(finding, metric=f"metric-{number}") for number in range(12))
    shown = picture(replace(view, judgement=replace(view.judgement, findings=many)), told[3].at)
    assert "metric-0" in shown
    assert "metric-11" not in shown
    assert "and 6 more" in shown


def test_a_broken_pipe_silences_the_lines_and_not_the_engine(told: tuple[Progress, ...]) -> None:
    stream = io.StringIO()
    reporter = LineReporter(stream)
    reporter.tell(told[0])
    stream.close()
    reporter.tell(told[1])
    reporter.tell(told[2])


def test_the_live_view_shows_the_newest_and_stays_when_it_ends(told: tuple[Progress, ...]) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=110, no_color=True)
    with LiveReporter(console, EMPTY, now=lambda: told[3].at) as reporter:
        for progress in told[:4]:
            reporter.tell(progress)
    assert "19.7 %" in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (0.44, "0.4s"),
        (9.96, "10s"),
        (59.6, "1m"),
        (7200, "2h"),
        (185, "3m05s"),
        (3720, "1h02m"),
        (-1, "-1.0s"),
    ],
)
def test_spans_are_short(seconds: float, text: str) -> None:
    assert words.span(seconds) == text


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0, "0 %"), (0.0041, "0.41 %"), (0.021, "2.1 %"), (0.152, "15.2 %"), (1, "100.0 %"), (1e-6, "0.0001 %")],
)
def test_rates_keep_two_digits_that_matter(fraction: float, text: str) -> None:
    assert words.rate(fraction) == text


@pytest.mark.parametrize(
    ("evidence", "text"),
    [(-3, "none"), (0, "none"), (1, "1 in 2.7"), (9.4, "1 in 12,000"), (100, "1 in over a billion")],
)
def test_evidence_is_told_as_odds(evidence: float, text: str) -> None:
    assert words.chance(evidence) == text


def test_a_latency_of_many_bounds_is_one_line_of_the_account(told: tuple[Progress, ...]) -> None:
    account = from_progress(told, release="r", namespace="n", image=None, code=ExitCode.PROMOTED)
    bounds = [
        Reason(metric=f"latency over {bound} ms", verdict=verdict, sentence=f"sentence {bound}", code="", numbers={})
        for bound, verdict in ((50, "UNDECIDED"), (5, "HEALTHY"), (500, "HEALTHY"))
    ]
    errors = Reason(metric="errors", verdict="HEALTHY", sentence="few", code="", numbers={})
    shown = text(replace(account, reasons=(bounds[0], errors, *bounds[1:]))).splitlines()
    at = shown.index("What the judge saw last")
    assert shown[at + 1 : at + 3] == [
        "  latency over 50 ms: UNDECIDED: sentence 50; 2 more bounds: 2 HEALTHY",
        "  errors: HEALTHY: few",
    ]
