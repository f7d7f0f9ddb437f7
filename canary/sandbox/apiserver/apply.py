"""Who owns which field, and server-side apply.

Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from canary.sandbox.apiserver.errors import Cause, Json, apply_conflict
from canary.sandbox.apiserver.fields import bare, changed, common, is_atomic, item_key, member, minus, owned, paths, union
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
            and entry["apiVersion"] == self.api_version
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
    """managedFields after an update: what changed is the author's now, and nobody else's; what is gone is nobody's."""
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
    config = bare(wanted)
    asked = owned(config, schema)
    current = live or {}
    entries: list[Json] = current.get("metadata", {}).get("managedFields") or []
    differing = common(changed(bare(current), config, schema) or {}, asked) or {}
    others = [entry for entry in entries if not author.wrote(entry)]
    if differing and not force:
        _refuse_conflicts(others, differing)
    previous = next((entry["fieldsV1"] for entry in entries if author.wrote(entry)), None)
    merged = merge(current, {**wanted, **config, "metadata": {**wanted["metadata"]}}, schema)
    if previous and (given_up := minus(previous, asked)):
        for entry in others:
            given_up = minus(given_up, entry["fieldsV1"]) if given_up else None
        if given_up:
            merged = without(merged, given_up, schema)
    kept = []
    for entry in others:
        rest = minus(entry["fieldsV1"], differing) if differing else entry["fieldsV1"]
        if rest:
            kept.append({**entry, "fieldsV1": rest})
    merged["metadata"]["managedFields"] = [*kept, author.entry(asked)] if asked else kept
    return merged


def _refuse_conflicts(others: list[Json], differing: Json) -> None:
    causes = []
    for entry in others:
        using = f" using {entry['apiVersion']}" if entry["operation"] == "Update" else ""
        subresource = f' with subresource "{entry["subresource"]}"' if entry.get("subresource") else ""
        causes += [
            Cause(reason="FieldManagerConflict", message=f'conflict with "{entry["manager"]}"{subresource}{using}', field=path)
            for path in paths(common(entry["fieldsV1"], differing) or {".": {}})
            if path
        ]
    if causes:
        raise apply_conflict(causes)


def merge(live: Any, config: Any, schema: Json) -> Any:
    """The live value with a configuration laid over it, lists with keys merged item by item."""
    if is_atomic(config, schema) or type(live) is not type(config):
        keeps = config == {} and isinstance(live, dict) and schema.get("x-kubernetes-map-type") != "atomic"
        return clone(live if keeps else config)
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


def without(value: Any, fields: Json, schema: Json) -> Any:
    """The value less the fields of a set."""
    if isinstance(value, dict):
        kept: Json = {}
        for key, each in value.items():
            gone = fields.get("f:" + key)
            if gone is None:
                kept[key] = each
            elif gone:
                below = without(each, gone, member(schema, key))
                if below or "." not in gone:
                    kept[key] = below
        return kept
    if isinstance(value, list) and not is_atomic(value, schema):
        items = schema.get("items") or {}
        left = []
        for each in value:
            gone = fields.get(item_key(each, schema))
            if gone is None:
                left.append(each)
            elif gone and "." not in gone:
                left.append(without(each, gone, items))
        return left
    return value
