"""What ``check`` finds on this machine: the journal, its disk, the clock, the systemd unit and its environment file.

Nothing here changes anything or needs root. If this user has no permission to see something, the finding says so.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from tap.adapters.journal import Journal
from tap.adapters.mounts import ON_A_NETWORK, network_filesystem
from tap.core.errors import JournalError
from tap.core.redact import redact_text
from tap.service.envfile import EnvFile
from tap.service.finding import Finding, at

__all__ = ["clock", "disk", "environment_file", "journal", "unit"]

_MEGABYTE = 1_000_000
_DISK_FULL, _DISK_LOW = 100 * _MEGABYTE, 1000 * _MEGABYTE
_VERIFIED = 100 * _MEGABYTE
"""Bytes. A larger journal is not verified here, since that takes more than some seconds."""
_CLOCK_OFF_MS = 2_000
_COMMAND_WITHIN_S = 5.0
_SYSTEMD = Path("/run/systemd/system")
_TEMPLATE = "multicam-tap@{}.service"
_SECRET_VARIABLES = ("TAP_INGEST_KEY", "TAP_SERVER_TOKEN", "TAP_OPS_TOKEN")


# ---------------------------------------------------------------------------------------------- journal and disk


def journal(path: Path) -> Finding:
    """Whether the journal is intact; without one, whether it can be created."""
    try:
        there = path.exists()
    except PermissionError:
        return Finding("journal", "failed", f"{path}: no permission to read", "run this as root or the tap's user")
    if not there:
        return _place(path)
    if not os.access(path, os.W_OK):
        return Finding(
            "journal", "failed", f"{path}: no permission to write", "run this as the tap's user, or chown it"
        )
    try:
        with Journal.open(path, readonly=True) as opened:
            counts = opened.counts()
            whole = path.stat().st_size <= _VERIFIED
            problems = opened.verify() if whole else []
    except JournalError as error:
        return Finding("journal", "failed", at(error.where, error.what), error.hint)
    if problems:
        to_do = "see 'multicam-tap journal verify'; the service moves a damaged journal aside and begins a new one"
        return Finding("journal", "failed", f"{path}: {problems[0]}", to_do)
    words = "whole" if whole else "opens (too large to be checked here)"
    found = f"{path}: {words}; {counts['pending']} entries are pending, {counts['shipped']} are in the ledger"
    if counts["dead"]:
        to_do = "see 'multicam-tap journal ls --dead'"
        return Finding("journal", "note", f"{found}, {counts['dead']} were rejected", to_do)
    return _rights(path, found)


def _rights(path: Path, found: str) -> Finding:
    open_to_others = [place for place in (path.parent, path) if stat.S_IMODE(place.stat().st_mode) & 0o077]
    if path in open_to_others:
        return Finding("journal", "note", f"{found}; other users can read it", f"chmod 600 {path}")
    if open_to_others and path.parent.stat().st_mode & 0o022:
        return Finding(
            "journal", "failed", f"{found}; other users can write in {path.parent}", f"chmod 700 {path.parent}"
        )
    return Finding("journal", "ok", found)


def _place(path: Path) -> Finding:
    """Whether a journal can be created. It is not created here: it might belong to the wrong user."""
    place = _existing(path.parent)
    if not os.access(place, os.W_OK | os.X_OK):
        to_do = "run this as the tap's user, or set TAP_STATE_DIR"
        return Finding("journal", "failed", f"{path}: does not exist, and you cannot write to {place}", to_do)
    return Finding("journal", "ok", f"{path}: does not exist yet; 'run' makes it")


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if _is_there(place))


def _is_there(place: Path) -> bool:
    try:
        return place.exists()
    except PermissionError:
        return False


def disk(path: Path) -> Finding:
    """Whether the disk has room for journal and tapes, and is one that can be relied on."""
    free = shutil.disk_usage(_existing(path)).free
    size = f"{free / 1e9:.1f} GB" if free >= _DISK_LOW else f"{free / _MEGABYTE:.0f} MB"
    found = f"{size} free for {path}"
    network = network_filesystem(path)
    if network is not None and free >= _DISK_FULL:
        return Finding("disk", "note", f"{found}, which is on {network}", ON_A_NETWORK)
    if free >= _DISK_LOW:
        return Finding("disk", "ok", found)
    return Finding("disk", "failed" if free < _DISK_FULL else "note", found, "free some space before the shoot")


# ---------------------------------------------------------------------------------------------- the clock


def clock(offsets: list[int]) -> Finding:
    """This machine's clock beside the server's, and whether NTP sets it. ``offsets``: server minus tap, in ms."""
    synchronized = _synchronized()
    kept = {
        True: "is set by NTP",
        False: "is not set by NTP",
        None: "cannot be checked: this machine does not say whether NTP sets it",
    }
    to_do = "'timedatectl set-ntp true' here, and the same on the server"
    if not offsets:
        found = f"this machine's clock {kept[synchronized]}; the server's is unknown"
        if synchronized:
            return Finding("clock", "ok", found)
        return Finding("clock", "note", found, to_do)
    off = round(median(offsets))
    found = f"the server's clock is {_off(off)}; this machine's {kept[synchronized]}"
    if abs(off) <= _CLOCK_OFF_MS:
        return Finding("clock", "ok", found)
    return Finding("clock", "note", f"{found}; times in the history are the server's", to_do)


def _off(ms: int) -> str:
    if abs(ms) < 100:  # what a frame on its way may take
        return "the same as this machine's"
    return f"{abs(ms) / 1000:.1f} s {'ahead' if ms > 0 else 'behind'}"


def _synchronized() -> bool | None:
    """Whether the clock is synchronized; None if the machine does not say."""
    said = _command("timedatectl", "show", "--property=NTPSynchronized", "--value")
    return {"yes": True, "no": False}.get((said or "").strip())


# ---------------------------------------------------------------------------------------------- systemd


def unit(venue: str, environ: Mapping[str, str], *, on: bool = True) -> Finding | None:
    """Whether the venue's unit is installed, enabled and running. None without systemd.

    ``on``: ``TAP_ENABLED``. A venue that is switched off starts, says so, and ends.
    """
    if not _SYSTEMD.is_dir():
        return None
    name = _TEMPLATE.format(_instance(venue, environ))
    state = _settled(name)
    if "LoadState" not in state:
        return Finding("unit", "note", f"{name}: systemd does not answer", "see 'systemctl status'")
    if state["LoadState"] == "not-found":
        return Finding("unit", "note", f"{name}: is not installed", f"'multicam-tap install {venue}', as root")
    if state["LoadState"] != "loaded":
        return Finding("unit", "failed", f"{name}: {state['LoadState']}", f"see 'systemctl status {name}'")
    return _standing(name, state, on=on)


def _settled(name: str) -> dict[str, str]:
    """What systemd says about a unit; empty if it does not answer.

    While systemd restarts a failed service, it does not know for a moment how the last start ended. Then we look again.
    """
    state = _shown(name)
    for _ in range(_LOOKS):
        if state.get("ActiveState") != "activating" or state.get("SubState", "").startswith("auto-restart"):
            break
        if state.get("NRestarts", "0") == "0":
            break  # the first start: nothing has failed
        time.sleep(_LOOK_AGAIN_S)
        state = _shown(name)
    return state


def _shown(name: str) -> dict[str, str]:
    said = _command("systemctl", "show", name, f"--property={','.join(_PROPERTIES)}")
    return dict(line.partition("=")[::2] for line in (said or "").splitlines())


_LOOKS = 10
_LOOK_AGAIN_S = 0.2

_PROPERTIES = (*("LoadState", "UnitFileState", "ActiveState", "SubState", "NRestarts", "Result", "ExecMainStatus"),)
_SANDBOX = {
    200: "CHDIR", 203: "EXEC", 210: "CHROOT", 214: "SETSCHEDULER", 216: "GROUP", 217: "USER", 218: "CAPABILITIES",
    219: "CGROUP", 225: "NETWORK", 226: "NAMESPACE", 227: "NO_NEW_PRIVILEGES", 228: "SECCOMP", 229: "SELINUX_CONTEXT",
    230: "PERSONALITY", 233: "RUNTIME_DIRECTORY", 238: "STATE_DIRECTORY", 243: "CREDENTIALS",
}  # fmt: skip
"""Exit codes that systemd uses itself if it cannot set up what the unit requires, as systemd.exec(5) names them."""


def _standing(name: str, state: Mapping[str, str], *, on: bool) -> Finding:
    active, enabled = state.get("ActiveState", ""), state.get("UnitFileState", "")
    found = f"{name}: {active}, {enabled or 'not enabled'}"
    look = f"see 'journalctl -u {name} -p warning'"
    # While it waits for the next of its starts, it is no better off than one that has failed.
    if active == "failed" or state.get("SubState", "").startswith("auto-restart"):
        return Finding("unit", "failed", f"{found} ({_ended(state)})", _mend(state, name) or look)
    if not on:
        if active == "inactive":
            return Finding("unit", "note", f"{found}; off, as TAP_ENABLED=0 says", "set TAP_ENABLED=1 to record here")
        to_do = f"'systemctl restart {name}' to switch it off"
        return Finding("unit", "note", f"{found}; it still runs, though TAP_ENABLED=0", to_do)
    if (restarts := state.get("NRestarts", "0")) != "0":
        return Finding("unit", "note", f"{found}, restarted {restarts} times", look)
    if not enabled.startswith("enabled"):
        return Finding("unit", "note", found, f"'systemctl enable --now {name}' to have it at every boot")
    if active == "active":
        return Finding("unit", "ok", found)
    if active == "inactive":
        return Finding("unit", "failed", f"{found}: it does not run", f"'systemctl start {name}'; {look}")
    return Finding("unit", "note", found, f"see 'systemctl status {name}'")


def _ended(state: Mapping[str, str]) -> str:
    """What the last process ended with."""
    result, code = state.get("Result", ""), state.get("ExecMainStatus", "")
    if result != "exit-code" or not code.isdigit():
        return result
    kind = _SANDBOX.get(int(code))
    return f"{result} {code}{'' if kind is None else f'/{kind}'}"


def _mend(state: Mapping[str, str], name: str) -> str | None:
    code = state.get("ExecMainStatus", "")
    if state.get("Result") != "exit-code" or not code.isdigit() or int(code) not in _SANDBOX:
        return None
    return f"systemd cannot set up what the unit needs: 'journalctl -u {name}' says what; a drop-in can remove it"


def _instance(venue: str, environ: Mapping[str, str]) -> str:
    """The name of the unit's instance, as in its environment file's name. It may differ from the venue's name."""
    path = environ.get(EnvFile.VARIABLE)
    return Path(path).stem if path else venue


def environment_file(environ: Mapping[str, str]) -> Finding | None:
    """Who has permission to read and write the unit's environment file; None without one."""
    path = environ.get(EnvFile.VARIABLE)
    if not path:
        return None
    place = Path(path)
    try:
        mode = stat.S_IMODE(place.stat().st_mode)
    except FileNotFoundError:
        return Finding("file", "failed", f"{path}: does not exist", "'multicam-tap install VENUE' makes it")
    except OSError as error:
        return Finding("file", "note", f"{path}: cannot be read: {error.strerror}", "run this as root")
    found = f"{path}: mode {mode:04o}"
    if mode & 0o022:
        return Finding("file", "failed", f"{found}: other users can change it", f"chmod go-w {path}")
    secret = _secrets_in(EnvFile.of(environ), environ)
    if secret and mode & 0o044:
        to_do = f"chmod 600 {path}, or put the secret into a file of its own (docs/settings.md, Secrets)"
        return Finding("file", "failed", f"{found}: other users can read {', '.join(secret)}", to_do)
    return Finding("file", "ok", f"{found}; {', '.join(secret)} in it" if secret else f"{found}; no secret in it")


def _secrets_in(file: EnvFile, environ: Mapping[str, str]) -> list[str]:
    address = environ.get("TAP_SERVER_URL", "")
    named = file.given(*_SECRET_VARIABLES)
    return (
        [*named, "TAP_SERVER_URL"] if file.at("TAP_SERVER_URL", environ) and redact_text(address) != address else named
    )


def _command(*words: str) -> str | None:
    """The output of a system program; None if it cannot be run."""
    program = shutil.which(words[0])
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - fixed words and a unit's name
            [program, *words[1:]], capture_output=True, text=True, timeout=_COMMAND_WITHIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
