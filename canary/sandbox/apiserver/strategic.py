"""Strategic merge patch: a merge patch that knows which lists are merged by key. Built-in kinds only.

Source: https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
"""

from __future__ import annotations

from typing import Any

from canary.sandbox.apiserver.errors import Json, bad_request
from canary.sandbox.apiserver.fields import member
from canary.sandbox.apiserver.store import clone

_DELETE, _ORDER = "$deleteFromPrimitiveList/", "$setElementOrder/"


def strategic_merge(target: Any, patch: Any, schema: Json) -> Any:
    """The value after the patch; the one given is left alone.

    Raises:
        ApiError: 400 for a directive that is none.
    """
    if not isinstance(patch, dict):
        return clone(patch)
    how = patch.get("$patch")
    if how == "replace":
        return {key: clone(value) for key, value in patch.items() if key != "$patch"}
    if how == "delete":
        return {}
    if how is not None and how != "merge":
        raise bad_request(f"Unknown patch type: {how}")
    result: Json = dict(target) if isinstance(target, dict) else {}
    keep = patch.get("$retainKeys")
    if isinstance(keep, list):
        result = {key: value for key, value in result.items() if key in keep}
    for key, value in patch.items():
        if key.startswith(_DELETE):
            _delete_values(result, key.removeprefix(_DELETE), value)
        elif not key.startswith("$"):
            _merge_member(result, key, value, member(schema, key))
    for key, order in patch.items():  # when everything else is in place
        if key.startswith(_ORDER):
            _put_in_order(result, key.removeprefix(_ORDER), order, schema)
    return result


def _merge_member(result: Json, key: str, value: Any, schema: Json) -> None:
    if value is None:
        result.pop(key, None)
    elif isinstance(value, list):
        result[key] = _merge_list(result.get(key), value, schema)
    else:
        result[key] = strategic_merge(result.get(key), value, schema)


def _delete_values(result: Json, name: str, values: Any) -> None:
    if not isinstance(values, list):
        raise bad_request(f"{_DELETE}{name} must be a list")
    result[name] = [each for each in result.get(name) or [] if each not in values]


def _put_in_order(result: Json, name: str, order: Any, schema: Json) -> None:
    if not isinstance(order, list):
        raise bad_request(f"{_ORDER}{name} must be a list")
    if isinstance(result.get(name), list):
        result[name] = _ordered(result[name], order, _merge_key(member(schema, name)))


def _merge_key(schema: Json) -> str:
    keys: list[str] = schema.get("x-kubernetes-list-map-keys") or []
    return keys[0] if keys else ""


def _merge_list(target: Any, patch: list[Any], schema: Json) -> list[Any]:
    kind, items = schema.get("x-kubernetes-list-type"), schema.get("items") or {}
    old: list[Any] = list(target) if isinstance(target, list) else []
    if kind == "set":
        return old + [clone(each) for each in patch if each not in old]
    key = _merge_key(schema)
    if kind != "map" or not key:
        return [clone(each) for each in patch]
    if any(isinstance(each, dict) and each.get("$patch") == "replace" for each in patch):
        return [clone(each) for each in patch if not (isinstance(each, dict) and each.get("$patch") == "replace")]
    for each in patch:
        if not isinstance(each, dict) or key not in each:
            raise bad_request(f"map: {each} does not contain declared merge key: {key}")
        place = next((index for index, item in enumerate(old) if item.get(key) == each[key]), None)
        if each.get("$patch") == "delete":
            old = [item for item in old if item.get(key) != each[key]]
        elif place is None:
            old.append(strategic_merge({}, each, items))
        else:
            old[place] = strategic_merge(old[place], each, items)
    return old


def _ordered(items: list[Any], order: list[Any], key: str) -> list[Any]:
    """The items with those that the order names in that order; others stay behind the one they followed."""

    def name(each: Any) -> Any:
        return each.get(key) if isinstance(each, dict) else each

    wanted = [name(each) for each in order]
    ranks: dict[int, float] = {}
    last = -1.0
    for index, each in enumerate(items):
        last = float(wanted.index(name(each))) if name(each) in wanted else last
        ranks[index] = last
    return [items[index] for index in sorted(ranks, key=lambda index: (ranks[index], index))]
