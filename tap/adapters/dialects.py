"""Where dialects come from: the built-in mapping files, and a venue's own."""

from __future__ import annotations

import importlib
from importlib import resources
from pathlib import Path

from tap.core.errors import MappingInvalid
from tap.core.mapping import Dialect, parse_mapping

__all__ = ["BUILT_IN", "load_dialect"]

BUILT_IN = {"multicam/1": "multicam-1.toml", "obs": ""}
"""Names of the built-in dialects, and their files in ``tap/core/dialects``; OBS takes more than a file."""


def load_dialect(name: str) -> Dialect:
    """The dialect of this name, or from the mapping file at this path.

    Raises :class:`MappingInvalid` where there is none, or where the file has a mistake.
    """
    if name == "obs":
        # Imported only here: a venue without OBS does not pay for it.
        obs: Dialect = importlib.import_module("tap.core.obs").ObsDialect()
        return obs
    if name in BUILT_IN:
        file = BUILT_IN[name]
        return parse_mapping((resources.files("tap.core") / "dialects" / file).read_text("utf-8"), file)
    path = Path(name)
    try:
        return parse_mapping(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        known = ", ".join(BUILT_IN)
        raise MappingInvalid(
            f"cannot be read as a mapping file: {reason}",
            where=name,
            hint=f"give a file, or one of the built-in dialects: {known}",
        ) from None
