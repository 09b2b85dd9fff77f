"""A file that is written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tap.core.errors import TapError, cannot_write, folder_missing

__all__ = ["refuse_existing", "write_whole"]


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raises ``TapError`` where a file could not be written in the end: before the work for it is done."""
    try:
        there, folder, parent = path.exists(), path.is_dir(), path.parent.is_dir()
    except OSError as error:
        raise cannot_write(str(path), error) from None
    if folder:
        raise TapError("is a folder", where=str(path), hint="name a file in it")
    if there and not force:
        raise TapError("the file already exists", where=str(path), hint="--force replaces it, or name another")
    if not parent:
        raise folder_missing(str(path.parent))


def write_whole(path: Path, content: bytes, *, force: bool) -> None:
    """Write a file: nobody ever sees a part of it, and one that is there stays as it is without ``force``.

    Raises ``TapError``.
    """
    refuse_existing(path, force=force)
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    except OSError as error:
        raise cannot_write(str(path), error) from None
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o666 & ~_umask())
        if force:
            part.replace(path)
        else:
            # Unlike a rename it fails where somebody was quicker.
            os.link(part, path)
    except FileExistsError:
        raise TapError("the file already exists", where=str(path), hint="--force replaces it") from None
    except OSError as error:
        raise cannot_write(str(path), error) from None
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
