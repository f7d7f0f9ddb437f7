"""Which selectors take which pods, and the fewest labels to change so that stable's take none of the canary's. Pure.

A selector is a conjunction, so one label that differs is enough for it to pass a pod by. As few labels as possible are
changed, because NetworkPolicies, monitors and dashboards of the application select by the others.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from canary.adapters.kubernetes.paths import LABEL_LIMIT, named
from canary.ports import JsonObject

Labels = Mapping[str, str]
Selector = Mapping[str, Any]

PREFERRED = ("app.kubernetes.io/instance", "app", "app.kubernetes.io/name")
"""Which label is changed when several would do: the first is what tells two installations of one program apart."""

EXACT = 10
"""So many labels are searched through for the smallest set; with more, the one that most selectors name goes first."""


class Unescapable(Exception):
    """A selector takes the pods however their labels are changed; the message says what to do."""


def takes(selector: Selector, labels: Labels) -> bool:
    """Whether a LabelSelector (matchLabels, matchExpressions) takes an object with these labels."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for each in selector.get("matchExpressions") or ():
        key, values = each.get("key"), each.get("values") or ()
        holds = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not holds.get(each.get("operator"), True):
            return False
    return True


def selector_of(service: Mapping[str, Any]) -> JsonObject | None:
    """A Service's selector as a LabelSelector; None when it selects nothing by itself."""
    chosen = (service.get("spec") or {}).get("selector")
    return {"matchLabels": dict(chosen)} if chosen else None


def distinct_labels(
    labels: Labels,
    selectors: Iterable[Selector],
    *,
    keep: Iterable[Selector] = (),
    endings: Sequence[str] = ("canary",),
) -> dict[str, str]:
    """Stable's pod labels, changed where it takes the fewest changes for none of the selectors to take them.

    Args:
        labels: of stable's pods.
        selectors: LabelSelectors that must not take the result; those that do not take stable's pods do no harm.
        keep: LabelSelectors that had better go on taking it: of equally small changes, the one that leaves most of
            them is made.
        endings: what a changed value ends with; the next one is tried where a selector takes the first as well.

    Raises:
        Unescapable: a selector takes the pods however their labels are changed.
    """
    selectors = list(selectors)
    taking = [selector for selector in selectors if takes(selector, labels)]
    if not taking:
        return dict(labels)
    for selector in taking:
        if not escapable(selector, labels):
            raise _unescapable(selector)
    forced, free = _candidates(taking, labels)
    ways = [keys for selector in taking if not (keys := _keys(selector)) & forced]
    kept = [selector for selector in keep if takes(selector, labels)]
    for ending in endings:
        for size in range(len(free) + 1):
            found = [
                (sum(not takes(each, made) for each in kept), *_order(chosen), made)
                for chosen in combinations(free, size)
                if all(not keys.isdisjoint(chosen) for keys in ways)  # else that selector surely takes it
                for made in _changed(labels, {*forced, *chosen}, taking, ending)
                if not any(takes(selector, made) for selector in selectors)
            ]
            if found:
                return min(found, key=lambda each: each[:-1])[-1]
    changed = next(_changed(labels, {*forced, *free}, taking, endings[-1]))
    raise _unescapable(next(selector for selector in selectors if takes(selector, changed)))


def escapable(selector: Selector, labels: Labels) -> bool:
    """Whether a change of labels could make a selector pass a pod by: one for all pods of a namespace never does."""
    return bool(_keys(selector) & set(labels))


def apart_from_itself(spec: JsonObject, *, before: Labels, after: Labels, own: Labels) -> None:
    """Let the rules that place stable's pods by each other place the canary's by each other.

    Else they forbid the canary every node that stable is on, or spread it around stable's pods. Only selectors that
    take stable's own pods are changed, in place.

    Args:
        spec: of the pods.
        before, after: labels of stable's pods and of the canary's.
        own: labels that only the canary's pods have, for a selector that cannot be changed label by label.
    """
    for term in _terms(spec):
        selector = term.get("labelSelector")
        if not selector:
            continue
        if takes(selector, before):
            _follow(selector, before, after)
            if not takes(selector, {**after, **own}) or takes(selector, before):
                term["labelSelector"] = {"matchLabels": dict(own)}
        else:
            _except_itself(selector, before, after)


def _terms(spec: Mapping[str, Any]) -> Iterator[JsonObject]:
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        yield from rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        for each in rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            yield each["podAffinityTerm"]
    yield from spec.get("topologySpreadConstraints") or ()


def _follow(selector: JsonObject, before: Labels, after: Labels) -> None:
    wanted = selector.get("matchLabels") or {}
    for key in wanted:
        wanted[key] = after.get(key, wanted[key])
    for each in selector.get("matchExpressions") or ():
        if each.get("operator") == "In":
            each["values"] = [after.get(each["key"], before[each["key"]])]


def _except_itself(selector: JsonObject, before: Labels, after: Labels) -> None:
    """`not beside anything but our own`: our own is the canary, too."""
    for each in selector.get("matchExpressions") or ():
        key = each.get("key")
        mine = after.get(key)
        named_before = each.get("operator") == "NotIn" and before.get(key) in (each.get("values") or ())
        if named_before and mine is not None and mine not in each["values"]:
            each["values"] = [*each["values"], mine]


def _candidates(taking: Sequence[Selector], labels: Labels) -> tuple[set[str], list[str]]:
    """The labels that must change whatever else does, and those among which is chosen."""
    ways = [_keys(selector) & set(labels) for selector in taking]
    forced = {key for keys in ways if len(keys) == 1 for key in keys}
    left = [keys for keys in ways if not keys & forced]
    free = sorted({key for keys in ways for key in keys} - forced)
    while len(free) > EXACT and left:
        votes = Counter(key for keys in left for key in keys)
        first = min(votes, key=lambda key: (-votes[key], _rank(key), key))
        forced.add(first)
        left = [keys for keys in left if first not in keys]
        free.remove(first)
    return forced, free[:EXACT]


def _changed(labels: Labels, keys: set[str], taking: Sequence[Selector], ending: str) -> Iterator[dict[str, str]]:
    """The labels with these changed; where a selector asks only that one is there, it is taken away instead."""
    values = {key: named(labels[key], ending, limit=LABEL_LIMIT) if labels[key] else ending for key in keys}
    yield {**labels, **values}
    present = {key for key in keys if any(_asks_presence(selector, key) for selector in taking)}
    if present:
        yield {key: value for key, value in {**labels, **values}.items() if key not in present}


def _order(keys: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    return sum(_rank(key) for key in keys), tuple(keys)


def _unescapable(selector: Selector) -> Unescapable:
    text = json.dumps(selector, sort_keys=True)
    return Unescapable(
        f"the selector {text} would take the canary's pods as well, whichever of its labels is changed; "
        f"give stable's pods a label that only they have, and select by that"
    )


def _keys(selector: Selector) -> set[str]:
    """Labels whose change makes the selector pass the pod by."""
    expressions = selector.get("matchExpressions") or ()
    return {
        *(selector.get("matchLabels") or {}),
        *(each["key"] for each in expressions if each.get("operator") in {"In", "Exists"}),
    }


def _asks_presence(selector: Selector, key: str) -> bool:
    expressions = selector.get("matchExpressions") or ()
    return any(each.get("key") == key and each.get("operator") == "Exists" for each in expressions)


def _rank(key: str) -> int:
    return PREFERRED.index(key) if key in PREFERRED else len(PREFERRED)
