"""What every part of the release file has in common: strict, frozen, unknown keys refused, camelCase keys."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError


class Part(BaseModel):
    """One mapping of the release file.

    Values are read strictly: `"true"` is not a truth value and `"8080"` is not a port, so that what the file
    says and what the engine does cannot drift apart. Keys are written in camelCase, as everywhere in Kubernetes.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        allow_inf_nan=False,
        # Input values stay out of pydantic's own messages: we show them ourselves, and never a credential.
        hide_input_in_errors=True,
    )


ONE_OF: dict[str, Any] = {"minProperties": 1, "maxProperties": 1}
"""Schema of a mapping that names its kind by its only key, as in `strategy: {linear: ...}`."""


def wrong(message: str, hint: str) -> PydanticCustomError:
    """The error of one bad value.

    Args:
        message: what is wrong with it, without the value itself.
        hint: what would be right.
    """
    return PydanticCustomError("wrong", "{message}", {"message": message, "hint": hint})
