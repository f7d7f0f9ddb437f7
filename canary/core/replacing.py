"""`dataclasses.replace` for plain values, twenty times as fast: millions of transitions are tried in the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["replace"]

if TYPE_CHECKING:
    from dataclasses import replace  # mypy checks names and types where it is used
else:

    def replace(value: Any, /, **changes: Any) -> Any:
        """A copy with other fields, of a dataclass without slots that does nothing when it is made.

        Raises:
            TypeError: for a field that it does not have.
        """
        twin = object.__new__(type(value))
        fields = twin.__dict__
        fields.update(value.__dict__)
        known = len(fields)
        fields.update(changes)
        if len(fields) != known:
            raise TypeError(f"{type(value).__name__} has no {sorted(changes.keys() - value.__dict__.keys())}")
        return twin
