"""What runs at the same time has an owner, an end, and an error that is seen: anyio's task groups and scopes.

asyncio's own interface is left to the bytes under the sockets, to what is called back for each of them, and to the one
way from another thread to the loop. Time is the loop's too, so that a loop with another time can be put in its place.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tap

ROOT = Path(tap.__file__).parent

OWNERLESS = {"create_task", "ensure_future", "wait_for", "run_coroutine_threadsafe", "wrap_future", "run_in_executor"}
"""What begins something that nobody ends, or ends it once and hopes."""
MODULES = {"asyncio", "loop"}

BYTES = {
    "adapters/server/websockets_line.py": "the protocol under the control socket",
    "adapters/server/gathering.py": "when the protocol under the control socket is read",
    "adapters/threads.py": "from another thread to the loop",
    "service/running/ingest.py": "called back for each frame: a task that is woken for it would cost more than it",
    "service/ops/server.py": "the listening socket of the ops server, whose protocols are aiohttp's",
    "service/ops/pending_connection.py": "a connection before aiohttp has it",
    "service/ops/pages.py": "types of aiohttp's protocols",
    "service/running/daemon.py": "the type of the loop that is exchanged",
}
"""Modules of what runs that may name asyncio, and for what."""


def modules(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text("utf-8"))


def begun_without_owner(tree: ast.AST) -> list[str]:
    """Calls that begin a task, or a wait, outside of any scope."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [func.id for func in calls if isinstance(func, ast.Name)]
    of_asyncio = [func.attr for func in calls if isinstance(func, ast.Attribute) and _of_asyncio(func.value)]
    return [name for name in (*named, *of_asyncio) if name in OWNERLESS]


def _of_asyncio(value: ast.expr) -> bool:
    """Whether that is asyncio, or one of its loops: by its name, or by where it comes from."""
    if isinstance(value, ast.Call):
        value = value.func
    last = value.attr if isinstance(value, ast.Attribute) else value.id if isinstance(value, ast.Name) else ""
    return last.lstrip("_") in MODULES or last in ("get_running_loop", "get_event_loop", "TaskGroup")


def imports_asyncio(tree: ast.AST) -> bool:
    return any(
        (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "asyncio" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "asyncio")
        for node in ast.walk(tree)
    )


@pytest.mark.parametrize(
    "code",
    [
        "asyncio.wait_for(x(), 1)",
        "asyncio.create_task(x())",
        "asyncio.get_running_loop().create_task(x())",
        "self._loop.create_task(x())",
        "loop.run_in_executor(None, x)",
        "create_task(x())",
    ],
)
def test_what_has_no_owner_is_found(code: str) -> None:
    assert begun_without_owner(ast.parse(code))


def test_nothing_begins_a_task_or_a_wait_without_an_owner() -> None:
    """Not even the rehearsal. The Python face speaks with its own loop on another thread, which is another matter."""
    found = {name: begun_without_owner(tree) for name, tree in modules(".") if name != "api.py"}
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_only_what_handles_bytes_names_asyncio() -> None:
    """And each of those still does: an exception that is none any more goes from the list."""
    assert {name for name, tree in modules("adapters", "service") if imports_asyncio(tree)} == set(BYTES)


# ---------------------------------------------------------------------------------------------- time

CLOCKS = {"adapters/clock.py", "adapters/uptime.py"}
"""The only modules that read the machine's clocks."""

LOOPLESS = {
    "adapters/journal/rescue.py": "once, on the journal's thread: it gives up after a while",
    "service/running/open_journal.py": "before there is a loop",
    "service/tools/erase_tapes.py": "a command without a loop",
    "rehearsal/demo.py": "waits for other processes, without a loop",
}
"""Modules that ask the adapter's clock for the seconds themselves, where others ask the loop or take a clock."""

_OF_TIME = {"localtime", "gmtime", "ctime"} | {
    f"{name}{end}"
    for name in ("monotonic", "perf_counter", "process_time", "time", "clock_gettime")
    for end in ("", "_ns")
}
_OF_DATES = {"now", "utcnow", "today"}


def clocks_read(tree: ast.AST) -> list[str]:
    """Where a module names one of the machine's clocks, called or not; to write a given time as text is no reading."""
    converts = {call.func for call in ast.walk(tree) if isinstance(call, ast.Call) and call.args}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            found += [alias.name for alias in node.names if alias.name in _OF_TIME]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            converted = node in converts and node.attr in ("localtime", "gmtime", "ctime")
            of_time = node.value.id == "time" and node.attr in _OF_TIME and not converted
            if of_time or (node.value.id in ("datetime", "date") and node.attr in _OF_DATES):
                found.append(node.attr)
    return found


def seconds_asked(tree: ast.AST) -> int:
    """How often a module asks the adapter's clock for the seconds. An argument's default asks nothing."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return sum(isinstance(func, ast.Name) and func.id == "monotonic" for func in calls)


@pytest.mark.parametrize(
    "code",
    [
        "time.monotonic()",
        "def f(now=time.monotonic): ...",
        "time.time_ns()",
        "time.gmtime()",
        "from time import perf_counter",
        "datetime.now(UTC)",
        "date.today()",
        "time.clock_gettime(time.CLOCK_BOOTTIME)",
    ],
)
def test_a_clock_that_is_read_is_found(code: str) -> None:
    assert clocks_read(ast.parse(code))
    assert not clocks_read(ast.parse("time.sleep(1); time.gmtime(at); datetime.fromtimestamp(at, UTC); loop.time()"))


def test_nothing_that_runs_reads_a_clock_of_the_machine_itself() -> None:
    """All in these folders ask the loop, take a clock, or ask the adapter's; those two modules are the only ones."""
    found = {name: clocks_read(tree) for name, tree in modules("adapters", "core", "service", "rehearsal")}
    assert {name for name, reads in found.items() if reads} == CLOCKS, found


def test_only_what_has_no_loop_asks_for_the_seconds_itself() -> None:
    found = {name: seconds_asked(tree) for name, tree in modules("adapters", "core", "service", "rehearsal")}
    assert {name for name, often in found.items() if often} == set(LOOPLESS)
