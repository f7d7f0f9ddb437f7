"""The JSON Schema of the release file, for editors."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from canary.spec.release import Release

SCHEMA_ID = "https://canary-engine.io/schemas/release/v1.json"
"""Identifies the schema; nothing is fetched from there."""


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, without the null that our files never hold, and without titles that only echo keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the signature is pydantic's
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        # Defaults are in the descriptions, in the units that people write; here they would be seconds and null.
        return self.generate_inner(schema["schema"])


def schema() -> dict[str, Any]:
    """The schema of `apiVersion: canary/v1, kind: Release`, JSON Schema draft 2020-12."""
    generated = Release.model_json_schema(by_alias=True, schema_generator=_Generator)
    head = {"$schema": _Generator.schema_dialect, "$id": SCHEMA_ID}
    return {**head, **generated, "title": "Release of a canary"}
