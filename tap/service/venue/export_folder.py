"""The folder that exports are written to: what the unit's sandbox has to open for it, and whether that works.

The service has a user of its own that exists while it runs, so a folder lets it in by a group that may write there, or
by letting in everybody. The unit itself opens nothing: ``install`` writes a drop-in for the venues that want it.
"""

from __future__ import annotations

import grp
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tap.service.config import Settings
from tap.service.envfile import EnvFile
from tap.service.finding import Finding

__all__ = ["DROP_IN", "doubt_about", "drop_in_text", "drop_ins_of", "exports_finding"]

DROP_IN = "export.conf"
"""In the folder of the venue's drop-ins."""

_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - what the unit's sandbox hides
_AGAIN = "run 'multicam-tap install' again, and restart the service"


def drop_in_text(values: Mapping[str, str], state: Path, root: Path = Path("/")) -> str | None:
    """What a venue's settings need opened; None where that is nothing. ``state``: what is open already."""
    folder = _folder(values)
    if folder is None or folder.is_relative_to(state):
        return None
    lines = [
        "# Written by 'multicam-tap install' for TAP_EXPORT_DIR: run it again when that changes.",
        "[Service]",
        # With a dash in front: a folder that is missing is no reason not to record.
        f'ReadWritePaths="-{_escaped(folder)}"',
    ]
    group = _group(_below(root, folder))
    return "\n".join([*lines, *([] if group is None else [f"SupplementaryGroups={group}"])]) + "\n"


def doubt_about(values: Mapping[str, str], state: Path, root: Path = Path("/")) -> str | None:
    """Why the service could not write to the folder that its settings name, with what to do."""
    folder = _folder(values)
    if folder is None or folder.is_relative_to(state):
        return None
    hidden = next((place for place in _HIDDEN if folder.is_relative_to(place)), None)
    if hidden is not None:
        return f"TAP_EXPORT_DIR: the service cannot see what is in {hidden} → a folder below /srv or /var/lib"
    place = _below(root, folder)
    if not place.is_dir():
        return (
            f"TAP_EXPORT_DIR: {folder} does not exist → make it (install -d -g GROUP -m 2775 {folder}), then {_AGAIN}"
        )
    mode = place.stat().st_mode
    if not (mode & stat.S_IWOTH or _group(place) is not None):
        to_do = f"chgrp GROUP {folder}; chmod 2775 {folder}; then {_AGAIN}"
        return f"TAP_EXPORT_DIR: {folder} is not writable for a group → {to_do}"
    return None


def _folder(values: Mapping[str, str]) -> Path | None:
    named = values.get("TAP_EXPORT_DIR", "").strip()
    return Path(named) if named and values.get("TAP_EXPORT_FORMATS") else None


def _below(root: Path, folder: Path) -> Path:
    return root / folder.relative_to(folder.anchor)


def _group(place: Path) -> str | None:
    """The group by which a folder may be written to; None where no group may, or all may."""
    try:
        found = place.stat()
    except OSError:
        return None
    if found.st_mode & stat.S_IWOTH or not found.st_mode & stat.S_IWGRP or found.st_gid == 0:
        return None
    try:
        return grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        return str(found.st_gid)


def _escaped(folder: Path) -> str:
    return str(folder).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')


# ---------------------------------------------------------------------------------------------- check


def drop_ins_of(environ: Mapping[str, str]) -> Path | None:
    """The folder of the drop-ins of the unit whose settings these are; None where they are no unit's."""
    file = environ.get(EnvFile.VARIABLE)
    return None if not file else Path(f"/etc/systemd/system/multicam-tap@{Path(file).stem}.service.d")


def exports_finding(settings: Settings, drop_ins: Path | None) -> Finding | None:
    """Whether files for the edit can be written where they are asked for; None where nobody asks.

    ``drop_ins``: those of the venue's unit, where this is about an installed one.
    """
    folder = settings.export_dir
    if folder is None or not settings.exports:
        wanting = "TAP_EXPORT_FORMATS" if folder is not None else "TAP_EXPORT_DIR"
        if folder is None and settings.export_formats is None:
            return None
        return Finding("exports", "note", f"{wanting} is not set: nothing is written", f"set {wanting}")
    formats = ", ".join(name if layout == "program" else f"{name}:{layout}" for name, layout in settings.exports)
    found = f"{folder}: {formats}"
    if drop_ins is not None:
        values = {"TAP_EXPORT_DIR": str(folder), "TAP_EXPORT_FORMATS": formats}
        doubt = doubt_about(values, settings.state_dir) or _closed(values, settings.state_dir, drop_ins)
        if doubt is not None:
            what, _, to_do = doubt.removeprefix("TAP_EXPORT_DIR: ").partition(" → ")
            return Finding("exports", "failed", what, to_do)
    problem = _tried(folder)
    if problem is not None:
        return Finding(
            "exports", "failed", f"{folder}: {problem}", "make it, and give the tap's user the right to write there"
        )
    return Finding("exports", "ok", found)


def _closed(values: Mapping[str, str], state: Path, drop_ins: Path) -> str | None:
    wanted = drop_in_text(values, state)
    try:
        there = (drop_ins / DROP_IN).read_text("utf-8")
    except OSError:
        there = ""
    if wanted is None or there == wanted:
        return None
    return f"TAP_EXPORT_DIR: {values['TAP_EXPORT_DIR']} is not open to the service → {_AGAIN}"


def _tried(folder: Path) -> str | None:
    """Why this user cannot write there."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"cannot be written to: {os.strerror(error.errno or 0)}"
