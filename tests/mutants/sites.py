"""What can be changed in a module, one place and one way at a time: the slips that people make.

A comparison's bound or direction, a sign, `and` for `or`, a condition turned round, a number off by one, a truth
`min` for `max`, two arguments swapped, a call or an assignment left out, nothing returned. Words are left alone, and
so is what only a type checker reads.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Change = Callable[[], None]
"""Makes the change in the tree."""

_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_RECKONED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_OTHER_NAME = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}


@dataclass(frozen=True)
class Site:
    """One change: where, and in which words."""

    line: int
    column: int
    what: str
    number: int
    """The how-manyeth change of the module, counted from 0: by it the change is found again."""


def sites(source: str) -> list[Site]:
    """Each change that can be made in this module, in the order of its text."""
    return [
        Site(node.lineno, node.col_offset, what, number)
        for number, (node, what, _) in enumerate(_changes(ast.parse(source)))
    ]


def changed(source: str, site: Site) -> str:
    """The module with this one change; comments are lost, which no test reads."""
    tree = ast.parse(source)
    for number, (_, _, change) in enumerate(_changes(tree)):
        if number == site.number:
            change()
            return ast.unparse(ast.fix_missing_locations(tree))
    raise ValueError(f"there is no change {site.number} in this module")


_Found = tuple[ast.stmt | ast.expr, str, Change]


def _changes(tree: ast.AST) -> Iterator[_Found]:
    for node in _read_by_python(tree):
        if isinstance(node, ast.Compare):
            yield from _of_compare(node)
        elif isinstance(node, ast.BoolOp):
            yield from _of_bool(node)
        elif isinstance(node, ast.BinOp | ast.AugAssign):
            yield from _of_operator(node)
        elif isinstance(node, ast.Constant):
            yield from _of_constant(node)
        elif isinstance(node, ast.Call):
            yield from _of_call(node)
        elif isinstance(node, ast.If | ast.IfExp | ast.While):
            yield node, "the condition is turned round", _field(node, "test", ast.UnaryOp(ast.Not(), node.test))
        elif isinstance(node, ast.comprehension):
            for at, test in enumerate(node.ifs):
                yield test, "the filter is turned round", _in_list(node.ifs, at, ast.UnaryOp(ast.Not(), test))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield node, "- is left out", _field(node, "op", ast.UAdd())
        elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
            yield node, "returns None", _field(node, "value", ast.Constant(None))
        yield from _of_body(node)


def _read_by_python(tree: ast.AST) -> Iterator[ast.AST]:
    """Depth first, in the order of the text; no annotation, docstring or word, nothing for type checkers alone."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "type_params", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_for_types(child):
                continue
            yield child
            yield from _read_by_python(child)


def _is_for_types(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in ("assert_never", "cast", "TypeVar", "NewType")
    if isinstance(node, ast.TypeAlias if hasattr(ast, "TypeAlias") else ()):
        return True
    if isinstance(node, ast.keyword):
        return node.arg == "frozen"  # it only keeps people from changing what is shared
    return isinstance(node, ast.Assert | ast.JoinedStr | ast.Raise)


def _of_compare(node: ast.Compare) -> Iterator[_Found]:
    for at, op in enumerate(node.ops):
        for other in _COMPARED[type(op)]:
            yield node, f"{type(op).__name__} becomes {other.__name__}", _in_list(node.ops, at, other())


def _of_bool(node: ast.BoolOp) -> Iterator[_Found]:
    other: ast.boolop = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield node, f"{type(node.op).__name__} becomes {type(other).__name__}", _field(node, "op", other)
    for at in range(len(node.values)):
        rest = node.values[:at] + node.values[at + 1 :]
        yield node, f"part {at + 1} of {len(node.values)} is left out", _field(node, "values", rest)


def _of_operator(node: ast.BinOp | ast.AugAssign) -> Iterator[_Found]:
    other = _RECKONED.get(type(node.op))
    if other is not None:
        yield node, f"{type(node.op).__name__} becomes {other.__name__}", _field(node, "op", other())


def _of_constant(node: ast.Constant) -> Iterator[_Found]:
    value = node.value
    if isinstance(value, bool):
        yield node, f"{value} becomes {not value}", _field(node, "value", not value)
    elif isinstance(value, int | float):
        yield node, f"{value} becomes {value + 1}", _field(node, "value", value + 1)


def _of_call(node: ast.Call) -> Iterator[_Found]:
    if isinstance(node.func, ast.Name) and node.func.id in _OTHER_NAME:
        other = ast.Name(_OTHER_NAME[node.func.id], ast.Load())
        if node.func.id != "sorted" or not node.keywords:
            yield node, f"{node.func.id} becomes {other.id}", _field(node, "func", other)
    either_way = isinstance(node.func, ast.Name) and node.func.id in ("min", "max")
    if len(node.args) > 1 and not either_way and not any(isinstance(one, ast.Starred) for one in node.args[:2]):
        swapped = [node.args[1], node.args[0], *node.args[2:]]
        yield node, "the first two arguments are swapped", _field(node, "args", swapped)


def _of_body(node: ast.AST) -> Iterator[_Found]:
    """A call for its effect, or an assignment to what is there already (a field, an item, `+=`), is left out."""
    for name in ("body", "orelse", "finalbody"):
        body = getattr(node, name, None)
        if not isinstance(body, list):
            continue
        for at, stmt in enumerate(body):
            if isinstance(stmt, ast.stmt) and _has_effect(stmt):
                yield stmt, f"left out: {ast.unparse(stmt).splitlines()[0][:60]}", _in_list(body, at, ast.Pass())


def _has_effect(stmt: ast.stmt) -> bool:
    if isinstance(stmt, ast.Expr):
        return isinstance(stmt.value, ast.Call | ast.Await) and not _is_for_types(stmt.value)
    if isinstance(stmt, ast.Assign):
        return all(isinstance(target, ast.Attribute | ast.Subscript) for target in stmt.targets)
    return isinstance(stmt, ast.AugAssign | ast.Delete | ast.Continue | ast.Break)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _field(node: ast.AST, name: str, value: object) -> Change:
    return lambda: setattr(node, name, value)


def _in_list(items: list[object] | list[ast.expr] | list[ast.cmpop] | list[ast.stmt], at: int, item: object) -> Change:
    return lambda: items.__setitem__(at, item)  # type: ignore[call-overload]
