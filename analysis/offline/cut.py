"""Rows of what the judge remembers: taken out, or chosen from one of two."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis.offline.runs import Integers

Rows = TypeVar("Rows")


def taken(value: Rows, rows: Integers) -> Rows:
    """Some rows of a book, or of anything made of arrays with one row per test."""
    found: Any = value
    if isinstance(found, np.ndarray):
        return found[rows]  # type: ignore[return-value]  # an array's rows are an array
    parts = {field.name: taken(getattr(value, field.name), rows) for field in fields(found)}
    return type(value)(**parts)


def chosen(mask: NDArray[np.bool_], one: Rows, other: Rows) -> Rows:
    """Each row from `one` where the mask is true, else from `other`."""
    found: Any = one
    if isinstance(found, np.ndarray):
        picked: Any = np.where(mask.reshape(-1, *(1,) * (found.ndim - 1)), found, np.asarray(other))
        return picked  # type: ignore[no-any-return]
    if one is other:
        return one
    parts = {field.name: chosen(mask, getattr(one, field.name), getattr(other, field.name)) for field in fields(found)}
    return type(one)(**parts)
