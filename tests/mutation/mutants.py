"""Every comparison, guard and table row of a module, changed one at a time.

A mutant is the module's syntax tree with one place changed. It is named by what it changes, not by its line, so that a
list of known survivors outlives edits elsewhere in the file.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

NEIGHBOURS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
"""What each comparison is exchanged for: the one that differs at the boundary, and its opposite."""

Place = tuple[tuple[str, int | None], ...]
"""The way from the module to a node: (field, index in its list) at each step."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change.

    Attributes:
        where: the function or table that it is in.
        was, became: the changed place, as source.
        number: tells equal changes of one function apart, from 1.
        source: the module without the change.
        place, change: what is done to it, and where.
    """

    where: str
    was: str
    became: str
    number: int
    source: str
    place: Place
    change: Callable[[Any], ast.AST | None]

    @property
    def tree(self) -> ast.Module:
        """The whole module with the change."""
        tree = ast.parse(self.source)
        _put(tree, self.place, self.change)
        return ast.fix_missing_locations(tree)

    @property
    def name(self) -> str:
        """Stable as long as the function's own text is."""
        again = f" #{self.number}" if self.number > 1 else ""
        return f"{self.where}: {self.was} -> {self.became}{again}"


def mutants_of(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its text."""
    module = ast.parse(source)
    met: dict[tuple[str, str, str], int] = {}
    for place, node, where in _walk(module, (), ""):
        for became, change in _changes(node):
            was = _short(ast.unparse(node))
            key = (where, was, became)
            met[key] = met.get(key, 0) + 1
            yield Mutant(where, was, became, met[key], source, place, change)


def _walk(node: ast.AST, place: Place, where: str) -> Iterator[tuple[Place, ast.AST, str]]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        where = f"{where}.{node.name}" if where else node.name
    elif not where and isinstance(node, ast.Assign | ast.AnnAssign):
        where = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
    yield place, node, where
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns"}:
            continue
        if isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, ast.AST):
                    yield from _walk(item, (*place, (field, index)), where)
        elif isinstance(value, ast.AST):
            yield from _walk(value, (*place, (field, None)), where)


def _put(tree: ast.Module, place: Place, change: Callable[[ast.AST], ast.AST | None]) -> None:
    parent: ast.AST = tree
    for field, index in place[:-1]:
        value = getattr(parent, field)
        parent = value if index is None else value[index]
    field, index = place[-1]
    if index is None:
        setattr(parent, field, change(getattr(parent, field)))
        return
    items = getattr(parent, field)
    changed = change(items[index])
    if changed is None:
        del items[index]
    else:
        items[index] = changed


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], ast.AST | None]]]:
    match node:
        case ast.Compare():
            yield from _compared(node)
        case ast.BoolOp():
            yield from _joined(node)
        case ast.UnaryOp(op=ast.Not()):
            yield _short(ast.unparse(node.operand)), lambda found: found.operand  # type: ignore[attr-defined]
        case ast.If() | ast.IfExp() | ast.While():
            yield from _guarded(node)
        case ast.comprehension(ifs=[_, *_]):
            yield "without its condition", _without_conditions
        case ast.match_case():
            if not (isinstance(node.pattern, ast.MatchAs) and node.pattern.pattern is None):
                yield "the case removed", lambda _: None
        case ast.Call(func=ast.Name(id="_row")):
            yield "the row removed", lambda _: None
            for index in range(3, len(node.args)):
                yield f"without {_short(ast.unparse(node.args[index]))}", _without_argument(index)
        case ast.Dict() if len(node.keys) > 1:
            for index, key in enumerate(node.keys):
                yield f"without {_short(ast.unparse(key)) if key else index}", _without_entry(index)
        case _:
            return


def _compared(node: ast.Compare) -> Iterator[tuple[str, Callable[[ast.AST], ast.AST | None]]]:
    for index, op in enumerate(node.ops):
        for other in NEIGHBOURS[type(op)]:
            changed = copy.deepcopy(node)
            changed.ops[index] = other()
            yield _short(ast.unparse(changed)), lambda _, changed=changed: changed


def _joined(node: ast.BoolOp) -> Iterator[tuple[str, Callable[[ast.AST], ast.AST | None]]]:
    swapped = copy.deepcopy(node)
    swapped.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield _short(ast.unparse(swapped)), lambda _: swapped
    for index in range(len(node.values)):
        fewer = copy.deepcopy(node)
        del fewer.values[index]
        left: ast.expr = fewer.values[0] if len(fewer.values) == 1 else fewer
        yield _short(ast.unparse(left)), lambda _, left=left: left


def _guarded(node: ast.If | ast.IfExp | ast.While) -> Iterator[tuple[str, Callable[[ast.AST], ast.AST | None]]]:
    if isinstance(node.test, ast.Compare | ast.BoolOp) or ast.unparse(node.test) == "TYPE_CHECKING":
        return  # its parts are changed one by one
    word = type(node).__name__.lower()
    for value in (True, False):
        if isinstance(node, ast.While) and value:
            continue

        def change(found: ast.AST, value: bool = value) -> ast.AST:
            found.test = ast.Constant(value)  # type: ignore[attr-defined]
            return found

        yield f"{word} {value}", change


def _without_conditions(found: ast.AST) -> ast.AST:
    found.ifs = []  # type: ignore[attr-defined]
    return found


def _without_argument(index: int) -> Callable[[ast.AST], ast.AST | None]:
    def change(found: ast.AST) -> ast.AST:
        del found.args[index]  # type: ignore[attr-defined]
        return found

    return change


def _without_entry(index: int) -> Callable[[ast.AST], ast.AST | None]:
    def change(found: ast.AST) -> ast.AST:
        del found.keys[index], found.values[index]  # type: ignore[attr-defined]
        return found

    return change


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 90 else f"{line[:87]}..."
