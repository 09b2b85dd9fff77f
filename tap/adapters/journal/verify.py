"""What may be wrong with a journal, in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, get_args

from tap.adapters.journal.rows import fields_of, kept_of
from tap.core.model import Op

__all__ = ["problems_in"]

_PAGE = 1_000
_TALLIES = (
    # In one query: a service that runs may write between two.
    "SELECT state, n, ifnull(there, 0) FROM tally"
    " LEFT JOIN (SELECT state, count(*) AS there FROM entries GROUP BY state) USING (state)"
)


def problems_in(ask: Callable[..., list[Any]], select: str) -> Iterator[str]:
    """Whatever is odd. ``ask`` runs a query, ``select`` begins one for entries."""
    for (text,) in ask("PRAGMA integrity_check(100)"):
        if text != "ok":
            yield f"the file: {text}"
    after = 0
    while rows := ask(f"{select}WHERE seq > ? ORDER BY seq LIMIT {_PAGE}", (after,)):
        for row in rows:
            odd = _oddity(row)
            if odd is not None:
                yield f"entry {row[0]} ({row[1]}): {odd}"
        after = rows[-1][0]
    for (data,) in ask("SELECT data FROM checkpoint WHERE part = 'machine'"):
        try:
            json.loads(bytes(data))
        except ValueError:
            yield "the checkpoint is not JSON"
    for state, n, there in ask(_TALLIES):
        if n != there:
            yield f"the tally of {state} says {n}, there are {there}"


def _oddity(row: tuple[Any, ...]) -> str | None:
    if row[2] not in get_args(Op):
        return f"no op {row[2]!r}"
    try:
        fields_of(row[6])
    except (ValueError, TypeError):
        return "its fields are not a JSON object"
    try:
        kept_of(row)
    except (ValueError, TypeError):
        return "it differs from what was saved"
    return None if type(row[10]) is int else "the time of its commit is not a number"
