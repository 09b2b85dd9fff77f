"""A disk that nobody else uses: a real file system, with its journal and its syncs, on a file in memory.

A virtual machine's disk stalls when its neighbours write, and then says nothing about who is measured.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.contestants import MEMORY, folder_for

__all__ = ["quiet_disk"]

_BYTES = 512 * 2**20
"""At most; memory is taken as it is written to."""
# All of it at once: what ext4 else sets up later, in the background, is work on this disk too.
_MAKE = ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0")


@contextmanager
def quiet_disk() -> Iterator[Path | None]:
    """A folder on an ext4 in memory; None where this user may not mount one. Unmounted, and gone, afterwards."""
    with folder_for("quiet-disk", MEMORY) as folder:
        place = folder / "disk"
        try:
            _mount(folder / "image", place)
        except (OSError, subprocess.CalledProcessError):
            yield None
            return
        try:
            yield place
        finally:
            if not _runs("umount", str(place)):
                # Somebody still has a file open in there: it goes when they end.
                _runs("umount", "-l", str(place))


def _mount(image: Path, place: Path) -> None:
    with image.open("xb") as file:
        os.truncate(file.fileno(), _BYTES)
    place.mkdir()
    for command in ((*_MAKE, str(image)), ("mount", "-t", "ext4", "-o", "loop", str(image), str(place))):
        subprocess.run(command, check=True, capture_output=True)
    # The mount has it open: it goes with the mount.
    image.unlink()


def _runs(*command: str) -> bool:
    with suppress(OSError):
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    return False
