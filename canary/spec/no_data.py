"""What a step does without data, for each reason that there may be."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from canary.spec.base import Part, wrong

Ending = Literal["hold", "rollback"]


class NoData(Part):
    """What a step does at its longest hold, by why it has no data. Until then it holds, whatever the reason."""

    absent: Ending = Field(default="rollback", description="There are no series of the canary, or of stable.")
    no_requests: Ending = Field(default="rollback", description="There are series, and no request is counted in them.")
    stale: Ending = Field(default="rollback", description="The newest samples are old, or no look was taken.")
    source_down: Ending = Field(default="rollback", description="The source does not answer, or not with all of it.")


def _spread(value: Any) -> Any:
    """One word is for every reason."""
    if not isinstance(value, str):
        return value
    reasons = [field.alias or name for name, field in NoData.model_fields.items()]
    if value not in {"hold", "rollback"}:
        raise wrong(
            "this is not one of the choices", f"write hold or rollback, or either for each: {', '.join(reasons)}"
        )
    return dict.fromkeys(reasons, value)


_SCHEMA = {
    "anyOf": [
        {"enum": ["hold", "rollback"], "type": "string"},
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                field.alias: {"enum": ["hold", "rollback"], "default": "rollback", "description": field.description}
                for field in NoData.model_fields.values()
            },
        },
    ]
}

NoDataEnding = Annotated[NoData, BeforeValidator(_spread), WithJsonSchema(_SCHEMA)]
"""`hold`, `rollback`, or one of them for each reason."""
