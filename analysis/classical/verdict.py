"""What the classical metrics mean for the whole: one word beside the sequential judge's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.classical.config import ClassicalConfig, FixedTest, Grouped, ScoreConfig
from analysis.classical.findings import LATER, Stakes, evidence, finding_of, score_finding
from analysis.classical.seen import Beside
from analysis.model import Finding, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What the classical metrics say together.

    Attributes:
        findings: one per metric, and one for the score.
        pairs: (part of alpha, log evidence) of the fixed tests, dry ones left out.
        condemned: a rule or the score condemns by itself.
        waits: a step neither passes nor proceeds undecided: something that decides has not passed.
        any: something that decides has passed, so that a step need not rest on counts.
        absent: (policy, sentence) of the metrics that lack data at this moment.
    """

    findings: tuple[Finding, ...] = ()
    pairs: tuple[tuple[float, float], ...] = ()
    condemned: bool = False
    waits: bool = False
    any: bool = False
    absent: tuple[tuple[str, str], ...] = ()


def word_of(
    configs: Sequence[ClassicalConfig],
    scoring: ScoreConfig | None,
    beside: Beside,
    *,
    levels: Mapping[str, float],
    whole: float,
    threshold: float,
    baking: bool,
) -> Word:
    """What is said after a look.

    Args:
        configs: the metrics.
        scoring: the score; None without.
        beside: after the look.
        levels: per fixed test, the share of alpha that one look may spend.
        whole: what parts of alpha are divided by.
        threshold: evidence that condemns.
        baking: no second arm is left, so that only rules decide.
    """
    if not configs and scoring is None:
        return Word(condemned=bool(beside.condemned))
    seen = beside.seen
    findings = [
        finding_of(
            one,
            beside,
            Stakes(level=levels.get(one.name, 0.0), weight=one.part / whole, threshold=threshold),
            baking=baking,
        )
        for one in configs
    ]
    told = list(zip(configs, findings, strict=True))
    decides = [
        (one, finding)
        for one, finding in told
        if not one.dry_run and not isinstance(one.how, Grouped) and not (baking and one.compares)
    ]
    words = [finding.verdict for _, finding in decides]
    waiting = [one.name for one, finding in decides if not _passes(one, finding)]
    condemned = bool(beside.condemned)
    if scoring is not None:
        findings.append(score_finding(scoring, beside, baking=baking))
        if not baking:
            words.append(findings[-1].verdict)
            waiting += [] if words[-1] is Verdict.HEALTHY else ["score"]
            condemned |= words[-1] is Verdict.UNHEALTHY
    return Word(
        findings=tuple(findings),
        pairs=tuple(
            (one.part / whole, evidence(one.how, seen[one.name]))
            for one in configs
            if isinstance(one.how, FixedTest) and not one.dry_run
        ),
        condemned=condemned,
        waits=bool(waiting),
        any=Verdict.HEALTHY in words,
        absent=tuple(
            (one.no_data, finding.sentence)
            for one, finding in told
            if finding.verdict is Verdict.NO_DATA and not one.dry_run
        ),
    )


def _passes(config: ClassicalConfig, finding: Finding) -> bool:
    optional = finding.verdict is Verdict.NO_DATA and config.no_data == "pass"
    return finding.verdict is Verdict.HEALTHY or finding.code == LATER or optional
