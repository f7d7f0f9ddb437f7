"""A changed module in the place of the loaded one: everybody keeps the functions that they imported, with new code.

So the tests are imported and collected once, and a mutant costs only the tests that are run.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, MutableMapping
from types import FunctionType, ModuleType

SEEN = "__seen_by_the_mutation_run__"


class NotPlanted(Exception):
    """The change cannot be put into the loaded module."""


def plant(module: ModuleType, tree: ast.Module, tables: Collection[str] = ()) -> None:
    """Give the functions of a loaded module, and the tables that are named, what the changed tree says.

    Raises:
        NotPlanted: a function closes over other variables than it did.
    """
    namespace: dict[str, object] = {
        "__name__": module.__name__,
        "__file__": module.__file__,
        "__builtins__": __builtins__,
    }
    namespace[SEEN] = module.__dict__.get(SEEN)  # functions that are called while the tables are made
    exec(compile(tree, str(module.__file__), "exec"), namespace)  # noqa: S102 - our own source
    for name, new in namespace.items():
        old = module.__dict__.get(name)
        if old is None:
            continue
        if isinstance(old, FunctionType) and old.__module__ == module.__name__:
            _take_over(old, new)
        elif isinstance(old, type) and old.__module__ == module.__name__:
            _take_over_class(old, new)
        elif name in tables and isinstance(old, MutableMapping):
            old.clear()
            old.update(new)
        elif name in tables:
            setattr(module, name, new)


def noting(tree: ast.Module) -> ast.Module:
    """The module, each function noting its name in `SEEN` when it runs; the names are those of `Mutant.where`."""
    for place, function in list(_functions(tree, "")):
        word = ast.parse(f"{SEEN}.add({place!r})").body
        first = 1 if ast.get_docstring(function) is not None else 0
        function.body[first:first] = word
    return ast.fix_missing_locations(tree)


def _functions(node: ast.AST, where: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            name = f"{where}.{child.name}" if where else child.name
            if isinstance(child, ast.FunctionDef):
                yield name, child
            yield from _functions(child, name)
        else:
            yield from _functions(child, where)


def _take_over(old: object, new: object) -> None:
    old, new = getattr(old, "__wrapped__", old), getattr(new, "__wrapped__", new)
    if not isinstance(old, FunctionType) or not isinstance(new, FunctionType):
        return
    if old.__code__.co_filename == "<string>":
        return  # what dataclasses wrote: its defaults are the members of the classes that are there
    if old.__code__.co_freevars != new.__code__.co_freevars:
        raise NotPlanted(old.__qualname__)
    old.__code__ = new.__code__


def _take_over_class(old: type, new: type) -> None:
    for name, mine in vars(old).items():
        other = vars(new).get(name)
        if isinstance(mine, property) and isinstance(other, property):
            for half in ("fget", "fset"):
                _take_over(getattr(mine, half), getattr(other, half))
        elif isinstance(mine, classmethod | staticmethod) and isinstance(other, classmethod | staticmethod):
            _take_over(mine.__func__, other.__func__)
        elif isinstance(mine, FunctionType) and mine.__module__ == old.__module__:
            _take_over(mine, other)
