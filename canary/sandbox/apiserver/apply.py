"""Who owns which field, and server-side apply.

Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from canary.sandbox.apiserver.errors import Cause, Json, apply_conflict
from canary.sandbox.apiserver.fields import (
    bare,
    changed,
    common,
    is_atomic,
    item_key,
    member,
    minus,
    named,
    owned,
    paths,
    union,
)
from canary.sandbox.apiserver.store import clone


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who writes.

    Attributes:
        manager: the field manager's name.
        operation: Apply or Update.
        api_version: the version under which the fields were written.
        subresource: `status`, `scale` or empty.
        time: when, as objects have it.
    """

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str

    def wrote(self, entry: Json) -> bool:
        """Whether an entry of managedFields is this author's."""
        return bool(
            entry["manager"] == self.manager
            and entry["operation"] == self.operation
            # Whoever applies stays the same under every version; updates are told apart by it.
            and (self.operation == "Apply" or entry["apiVersion"] == self.api_version)
            and entry.get("subresource", "") == self.subresource
        )

    def entry(self, fields: Json) -> Json:
        """An entry of managedFields."""
        made = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
        return {**made, "subresource": self.subresource} if self.subresource else made


def tracked(old: Json | None, new: Json, author: Author, schema: Json) -> list[Json]:
    """ManagedFields after an update: what changed is the author's now, and nobody else's; what is gone is nobody's."""
    entries: list[Json] = (old or {}).get("metadata", {}).get("managedFields") or []
    if new["metadata"].get("managedFields") == [{}]:  # how people take everything out of everybody's hands
        entries = []
    before, after = bare(old or {}), bare(new)
    mine = changed(before, after, schema) or {}
    gone = minus(owned(before, schema), owned(after, schema)) if old else None
    kept: list[Json] = []
    found = False
    for entry in entries:
        is_mine = author.wrote(entry)
        fields = entry["fieldsV1"]
        rest: Json | None = fields
        if mine and not is_mine:
            rest = minus(fields, mine)
        if gone and rest:
            rest = minus(rest, gone)
        if is_mine:
            found = True
            grown = union(rest or {}, mine)
            if grown:
                kept.append(author.entry(grown) if mine else {**entry, "fieldsV1": grown})
        elif rest:
            kept.append({**entry, "fieldsV1": rest} if rest is not fields else entry)
    if not found and mine:
        kept.append(author.entry(mine))
    return kept


def applied(live: Json | None, wanted: Json, author: Author, schema: Json, *, force: bool) -> Json:
    """The object after server-side apply of a configuration, with its managedFields.

    Raises:
        ApiError: 409 when others own fields that the configuration would change, and it is not forced.
    """
    asked = named(owned(bare(wanted), schema))
    current = live or {}
    entries: list[Json] = current.get("metadata", {}).get("managedFields") or []
    others = [entry for entry in entries if not author.wrote(entry)]
    previous = next((entry["fieldsV1"] for entry in entries if author.wrote(entry)), None)
    merged: Json = merge(current, wanted, schema)
    differing = common(changed(bare(current), bare(merged), schema) or {}, asked) or {}
    if differing and not force:
        _refuse_conflicts(others, differing)
    left = [(entry, minus(entry["fieldsV1"], differing)) for entry in others]
    kept = [{**entry, "fieldsV1": rest} for entry, rest in left if rest]
    if previous:
        held = asked
        for entry in kept:
            held = union(held, entry["fieldsV1"])
        if given_up := minus(previous, held):
            merged = without(merged, given_up, held, schema)
    merged["metadata"] = {**merged["metadata"], "managedFields": [*kept, author.entry(asked)] if asked else kept}
    return merged


def _refuse_conflicts(others: list[Json], differing: Json) -> None:
    causes = []
    for entry in others:
        both = common(entry["fieldsV1"], differing)
        if both is None:
            continue
        using = f" using {entry['apiVersion']}" if entry["operation"] == "Update" else ""
        subresource = f' with subresource "{entry["subresource"]}"' if entry.get("subresource") else ""
        message = f'conflict with "{entry["manager"]}"{subresource}{using}'
        causes += [Cause(reason="FieldManagerConflict", message=message, field=path) for path in paths(both)]
    if causes:
        raise apply_conflict(causes)


def merge(live: Any, config: Any, schema: Json) -> Any:
    """The live value with a configuration laid over it, lists with keys merged item by item."""
    if is_atomic(config, schema) or type(live) is not type(config):
        # Nothing is said of what is in an empty map or list, unless it is a whole.
        says_nothing = not config and type(live) is type(config) and not is_atomic(live, schema)
        return clone(live if says_nothing else config)
    if isinstance(config, dict):
        merged = dict(live)
        for key, each in config.items():
            merged[key] = merge(live[key], each, member(schema, key)) if key in live else clone(each)
        return merged
    items = schema.get("items") or {}
    merged_items = {item_key(each, schema): each for each in live}
    for each in config:
        name = item_key(each, schema)
        merged_items[name] = merge(merged_items[name], each, items) if name in merged_items else clone(each)
    return list(merged_items.values())


def without(value: Any, fields: Json, held: Json, schema: Json) -> Any:
    """The value less the fields of a set; what others hold stays, and so does what it stands in.

    Args:
        value: an object, or a part of one.
        fields: what goes.
        held: the fields that are still somebody's.
        schema: the value's.
    """
    if isinstance(value, dict):
        kept: Json = {}
        for key, each in value.items():
            left = _less(each, "f:" + key, fields, held, member(schema, key))
            if left is not _GONE:
                kept[key] = left
        return kept
    if isinstance(value, list) and not is_atomic(value, schema):
        items = schema.get("items") or {}
        all_left = [_less(each, item_key(each, schema), fields, held, items) for each in value]
        return [each for each in all_left if each is not _GONE]
    return value


_GONE: Any = object()


def _less(value: Any, name: str, fields: Json, held: Json, schema: Json) -> Any:
    gone = fields.get(name)
    if gone is None:
        return value
    if name not in held and (not gone or "." in gone):
        return _GONE
    left = without(value, gone, held.get(name) or {}, schema)
    # A struct is in nobody's set itself: with the last of its fields it goes.
    return _GONE if not left and name not in held else left
