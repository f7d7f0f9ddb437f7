"""The oracles that hold at every moment: what was said, what was written, and whether the one allowed the other."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.model import Judgement, Verdict
from canary.core.release import FULL, Policy
from simulated.world import BASELINE, MADE, OURS, Object, shares, weights

if TYPE_CHECKING:
    from simulated.process import Process

OUTCOME = re.compile(r'"outcome":(null|\{"code":(\d+))')


@dataclass(frozen=True, slots=True)
class Heard:
    """A judgement, as the engine got it: when, at which share, and whether it lets the step pass."""

    at: float
    share: float
    passes: bool


class Ledger:
    """Notes and checks.

    Args:
        policy: the release's.
        now: the time.
        complain: gets a sentence for every violation.
    """

    def __init__(self, policy: Policy, now: Callable[[], float], complain: Callable[[str], None]) -> None:
        self.decided: int | None = None
        self.lowered_by_hand = False
        self.approved: set[int] = set()
        self.raised: dict[int, float] = {}
        self._policy, self._now, self._complain = policy, now, complain
        self._heard: list[Heard] = []
        self._written = 0.0
        self._shares = [float(step.share) for step in policy.steps] + [float(FULL)]

    def judged(self, process: Process, judgement: Judgement) -> None:
        """The engine hears the judge."""
        release = process.release
        assert release is not None
        permitted = judgement.may_proceed and self._policy.undecided == "proceed"
        passes = judgement.verdict is Verdict.HEALTHY or (judgement.verdict is Verdict.UNDECIDED and permitted)
        self._heard.append(Heard(at=self._now(), share=float(release.share), passes=passes))

    def journalled(self, text: str) -> None:
        """A journal stands; a decision in it stands for ever."""
        found = OUTCOME.search(text)
        code = int(found.group(2)) if found and found.group(2) else None
        if self.decided is not None and code != self.decided:
            self._complain(f"the decision {self.decided} was lost: the journal says {code}")
        if code is not None and code != 0:
            self.decided = code

    # Writes to the route -------------------------------------------------------------------------------------

    def by_others(self, before: Object | None, after: Object) -> None:
        """Somebody else wrote the route."""
        now = max(shares(after), default=0.0)
        if now < min(self._written, max(shares(before), default=0.0)):
            self.lowered_by_hand = True
        if before is not None and now > max(shares(before), default=0.0):
            # Somebody may write just what the engine is about to write: it takes it for its own.
            step = self._step(100 * now)
            if step is not None:
                self.raised.setdefault(step, self._now())

    def by_engine(self, writer: Process, before: Object, after: Object) -> None:
        """An engine wrote the route."""
        if foreign(before) != foreign(after):
            self._complain(f"{writer.name} changed what is not ours")
        for was, now in zip(before["spec"]["rules"], after["spec"]["rules"], strict=False):
            total, known = sum(weights(now).values()), sum(weights(was).values())
            if total == 0 and known > 0:
                self._complain(f"{writer.name} left a rule without any weight")
            self._baseline(writer, weights(was), weights(now))
        self._written = max(shares(after), default=0.0)
        risen = [now for was, now in zip(shares(before), shares(after), strict=False) if now > was + 1e-9]
        if risen:
            self._raise(writer, before, 100 * max(risen))

    def _baseline(self, writer: Process, was: dict[str, int], now: dict[str, int]) -> None:
        """A fresh baseline has what the canary has, or what is left, after every write of an engine's weights."""
        if (
            "shop" not in now
            or BASELINE not in now
            or any(was.get(name) != now[name] for name in set(now) - MADE - {"shop"})
        ):
            return
        canary, pool = now.get("shop-canary", 0), now["shop"] + now.get("shop-canary", 0) + now[BASELINE]
        if was != now and now[BASELINE] != min(canary, pool - canary):
            self._complain(
                f"{writer.name} left the baseline with {now[BASELINE]} beside the canary's {canary} of {pool}"
            )

    def _raise(self, writer: Process, before: Object, share: float) -> None:
        release, say = writer.release, lambda what: self._complain(f"{writer.name} raised to {share:g} %: {what}")
        assert release is not None
        token = before["metadata"].get("annotations", {}).get(OURS + "token")
        if token != f"{release.uid}/{writer.name}":
            say(f"its token does not stand there, but {token}")
        if self.decided is not None or release.outcome is not None:
            say("after a decision to roll back")
        if writer.hopeless:
            say("in a life that may only roll back")
        if self.lowered_by_hand:
            say("after somebody had lowered it")
        step = self._step(share)
        if step is None:
            say("no step has this share")
            return
        self._evidence(step, say)
        self.raised.setdefault(step, self._now())

    def _step(self, share: float) -> int | None:
        return next((i for i, known in enumerate(self._shares) if abs(known - share) <= 0.011 * known + 0.02), None)

    def _evidence(self, step: int, say: Callable[[str], None]) -> None:
        gate = self._policy.bake_gate if step == len(self._policy.steps) else self._policy.steps[step].gate
        if gate is not None and step not in self.approved and self._policy.on_gate_expiry != "proceed":
            say("its gate was not opened")
        if step > 0 and not self.passed(step - 1):
            say(f"no judgement let step {step - 1} pass")

    def passed(self, step: int) -> bool:
        """Whether a judgement since the step's raise lets it pass."""
        since = self.raised.get(step)
        return since is not None and any(
            one.passes and one.at >= since and abs(one.share - self._shares[step]) < 1e-6 for one in self._heard
        )

    # Stable --------------------------------------------------------------------------------------------------

    def promoting(self, writer: Process, token: str) -> None:
        """Stable is given the new version while this token stands on it."""
        release = writer.release
        assert release is not None
        if token != release.token:
            self._complain(f"{writer.name} updated stable under the token {token}")
        if self.decided is not None:
            self._complain(f"{writer.name} updated stable after the decision {self.decided}")
        if not self.passed(len(self._policy.steps)):
            self._complain(f"{writer.name} updated stable although no judgement let the bake pass")


def foreign(route: Object) -> Object:
    """Everything in a route that an engine may never change."""
    metadata, spec = route["metadata"], route["spec"]
    notes = {key: text for key, text in metadata.get("annotations", {}).items() if not key.startswith(OURS)}
    rules = []
    for rule in spec["rules"]:
        refs = [one for one in rule.get("backendRefs", ()) if one["name"] not in MADE]
        pool = any(one["name"] == "shop" for one in refs) or len(refs) < len(rule.get("backendRefs", ()))
        bare = [{key: value for key, value in one.items() if key != "weight" or not pool} for one in refs]
        rules.append({**rule, "backendRefs": bare})
    return {"labels": metadata.get("labels"), "notes": notes, "spec": {**spec, "rules": rules}}
