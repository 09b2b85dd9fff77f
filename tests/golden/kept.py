"""What was kept: a line for each case, with the digest of what it gave."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from tests.golden.outcome import CASES

__all__ = ["digest", "kept", "write"]

_FILE = Path(__file__).parent / "kept.txt"


def digest(name: str) -> str:
    """Of all lines of a case."""
    return sha256("\n".join(CASES[name]()).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def kept() -> dict[str, str]:
    """By name."""
    lines = (line.rpartition(" ") for line in _FILE.read_text("utf-8").splitlines())
    return {name: of for name, _, of in lines}


def write() -> list[str]:
    """Keep what is so now. Gives the names of what changed."""
    before = kept() if _FILE.exists() else {}
    now = {name: digest(name) for name in CASES}
    _FILE.write_text("".join(f"{name} {of}\n" for name, of in now.items()), "utf-8")
    return [name for name in {**before, **now} if before.get(name) != now.get(name)]
