"""``install`` and ``uninstall``: a venue as a unit of systemd, and where everything of it is.

A venue is an instance of one template unit. What makes it a venue is its environment file; the unit is the same for
all, holds the path of the installed command, and goes when the last of them goes.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Final

from msgspec import Struct

import tap
from tap.core.errors import TapError, UsageInvalid
from tap.service.envfile import EnvFile, read_environment
from tap.service.venue.export_folder import DROP_IN, doubt_about, drop_in_text
from tap.service.venue.venuefile import environment_text

__all__ = ["Places", "command_path", "install", "shown", "uninstall", "venue_environment"]

UNIT: Final = "multicam-tap@.service"
OLDEST_SYSTEMD: Final = 252
_COMMAND_IN_UNIT: Final = "/usr/local/bin/multicam-tap"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,25}[a-z0-9])?")
"""What systemd can make an account's name of, with "tap-" before it."""
_HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - what the unit's sandbox hides
_FIRST_PORT, _PORTS = 9405, 100
_SECRETS: Final = {"TAP_INGEST_KEY": "ingest-key", "TAP_SERVER_TOKEN": "server-token", "TAP_OPS_TOKEN": "ops-token"}
_SLOW_S: Final = 120


class Places:
    """Where the things of a venue are, below ``root``. Raises ``UsageInvalid`` for a name that no unit can have."""

    def __init__(self, venue: str, root: Path = Path("/")) -> None:
        if not _NAME.fullmatch(venue):
            raise UsageInvalid(
                f"{venue[:60]!r} cannot name a service",
                hint="1 to 27 of a-z, 0-9, - and _, beginning and ending with a letter or digit;"
                " the name in the history can differ: TAP_VENUE in its file",
            )
        self.venue = venue
        self.root = root
        self.service = f"multicam-tap@{venue}.service"
        self.unit = root / "etc/systemd/system" / UNIT
        self.settings = root / "etc/multicam-tap"
        self.environment = self.settings / f"{venue}.env"
        self.drop_ins = root / "etc/systemd/system" / f"{self.service}.d"
        self.state = root / "var/lib/multicam-tap" / venue

    def secret(self, credential: str, *, encrypted: bool = False) -> Path:
        """The file that the unit makes a credential of."""
        store = self.root / ("etc/credstore.encrypted" if encrypted else "etc/credstore")
        return store / f"multicam-tap.{self.venue}.{credential}"

    @property
    def this_machine(self) -> bool:
        """Whether they are where this machine's systemd looks."""
        return self.root == Path("/")


# ---------------------------------------------------------------------------------------------- what is written


def unit_text(command: Path) -> str:
    """The unit, with the path of the command in it."""
    return _template(UNIT).replace(_COMMAND_IN_UNIT, _in_unit(command))


def _template(name: str) -> str:
    """A file of ``systemd/``: in a wheel it stands beside this module, in a checkout at its top."""
    for folder in (resources.files("tap.service.venue") / "systemd", Path(__file__).parents[3] / "systemd"):
        if (folder / name).is_file():
            return (folder / name).read_text("utf-8")
    raise TapError("is missing in this installation", where=f"systemd/{name}", hint="install multicam-tap again")


def _in_unit(command: Path) -> str:
    escaped = str(command).replace("%", "%%")
    if re.fullmatch(r"[\w./%@+,-]+", escaped):
        return escaped
    raise TapError(
        "this path cannot be used in a unit", where=str(command), hint="install to a plainer path, under /opt"
    )


def command_path(argv0: str) -> Path:
    """The installed command ``multicam-tap``, as a unit may name it: the one that runs now.

    A link stays a link, so that an upgrade behind it needs no other unit.
    """
    named = shutil.which(argv0) if Path(argv0).name == "multicam-tap" else None
    path = Path(named) if named else Path(sys.prefix, "bin", "multicam-tap")
    if not path.is_file():
        raise TapError("the command does not exist", where=str(path), hint="install multicam-tap, and call that")
    return path.absolute()


def obstacle(command: Path) -> TapError | None:
    """Why the service could not run this command, in its sandbox and as its own user."""
    for path in (command, command.resolve(), Path(sys.prefix), Path(sys.base_prefix), Path(tap.__file__)):
        for hidden in _HIDDEN:
            if path.is_relative_to(hidden):
                return _unusable(path, f"the service cannot see what is in {hidden}")
        for part in (path, *path.parents):
            if not part.stat().st_mode & 0o001 and part.is_dir():
                return _unusable(part, "the service, which has a user of its own, cannot enter this folder")
    return None


def _unusable(path: Path, what: str) -> TapError:
    hint = "install the command for the whole machine, as docs/install.md shows, then run that command's 'install'"
    return TapError(what, where=str(path), hint=hint)


class Installation(Struct, frozen=True):
    """What ``install`` writes: the texts, and what there is to know about them."""

    unit: str
    environment: str
    opened: str | None
    """What the sandbox has to open for exports, as a drop-in."""
    kept: bool
    """The venue has an environment file already, and that stays."""
    ops: str
    remarks: tuple[str, ...]


def planned(places: Places, command: Path) -> Installation:
    """What ``install`` would write, and what clashes with other venues of this machine."""
    others = _others(places)
    kept = places.environment.exists()
    if kept:
        text = _read(places.environment)
        values = read_environment(text)
    else:
        values = {"TAP_VENUE": places.venue, "TAP_OPS_LISTEN": _free_address(others)}
        text = environment_text(values, places.venue)
    remarks = _clashes(places, values, others)
    state = Path("/var/lib/multicam-tap", places.venue)
    doubt = doubt_about(values, state, places.root)
    remarks += [] if doubt is None else [doubt]
    opened = drop_in_text(values, state, places.root)
    return Installation(unit_text(command), text, opened, kept, _ops(values), tuple(remarks))


def _others(places: Places) -> dict[str, dict[str, str]]:
    """The settings of the other venues, by the names of their services."""
    files = sorted(places.settings.glob("*.env"))
    return {file.stem: read_environment(_read(file)) for file in files if file != places.environment}


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8", errors="replace")
    except PermissionError:
        raise TapError("you have no permission to read it", where=str(file), hint="run it as root (sudo)") from None
    except OSError as error:
        raise TapError(f"cannot be read: {error.strerror}", where=str(file)) from None


def _ops(values: Mapping[str, str]) -> str:
    return values.get("TAP_OPS_LISTEN") or f"127.0.0.1:{_FIRST_PORT}"


def _free_address(others: Mapping[str, Mapping[str, str]]) -> str:
    """The first port that no other venue claims and nobody listens on."""
    claimed = {_ops(values).rpartition(":")[2] for values in others.values()}
    for port in range(_FIRST_PORT, _FIRST_PORT + _PORTS):
        if str(port) not in claimed and not _in_use(port):
            return f"127.0.0.1:{port}"
    return "off"


def _in_use(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


def _clashes(places: Places, values: Mapping[str, str], others: Mapping[str, Mapping[str, str]]) -> list[str]:
    ours = _claims(places.venue, values)
    remarks = []
    for name, theirs in others.items():
        for (variable, claimed), (_, other) in zip(ours, _claims(name, theirs), strict=True):
            if claimed is not None and claimed == other:
                remarks.append(f"{variable}: {claimed} is that of venue {name} too → give each its own in its file")
    return remarks


def _claims(name: str, values: Mapping[str, str]) -> list[tuple[str, str | None]]:
    """What only one venue of a machine may have; None where this one has none."""
    ops = _ops(values)
    return [
        ("TAP_OPS_LISTEN", None if ops.lower() == "off" else f"port {ops.rpartition(':')[2]}"),
        ("TAP_STATE_DIR", values.get("TAP_STATE_DIR") or f"/var/lib/multicam-tap/{name}"),
        ("TAP_VENUE", values.get("TAP_VENUE") or name),
    ]


def shown(places: Places, command: Path) -> tuple[list[str], list[str]]:
    """What ``install`` would write, as text; and what there is to say about it."""
    plan = planned(places, command)
    problem = obstacle(command)
    remarks = [*plan.remarks, *([] if problem is None else [str(problem)])]
    if plan.kept:
        remarks.append(f"{places.environment}: exists already, and would not be changed")
    lines = [f"# ---- {places.unit}", plan.unit, f"# ---- {places.environment} (mode 0600)", plan.environment]
    lines += [] if plan.opened is None else [f"# ---- {places.drop_ins / DROP_IN}", plan.opened]
    return lines, remarks


# ---------------------------------------------------------------------------------------------- install, uninstall


def install(places: Places, command: Path) -> list[str]:
    """Write unit and environment file; what was done, and what comes next, in lines.

    Safe to repeat, and has to be after an upgrade. Raises ``TapError``.
    """
    _needs_root(places)
    _needs_systemd(places)
    problem = obstacle(command)
    if problem is not None and places.this_machine:
        raise problem
    plan = planned(places, command)
    said = [_write_unit(places.unit, plan.unit)]
    said.append(_write_environment(places.environment, plan))
    said += _write_opened(places.drop_ins / DROP_IN, plan.opened)
    said.extend([*plan.remarks, *([] if problem is None else [str(problem)])])
    store = places.secret("ingest-key").parent
    try:
        store.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(store, error) from None
    said.append(_reload(places))
    return [*said, "", *_next_steps(places, plan)]


def _needs_root(places: Places) -> None:
    if places.this_machine and os.geteuid() != 0:
        raise TapError("this needs root", hint="sudo; or 'multicam-tap install VENUE --print', to put them in place")


def _needs_systemd(places: Places) -> None:
    if not places.this_machine:
        return
    found = re.match(r"systemd (\d+)", _systemctl("--version") or "")
    if found is None:
        raise TapError("there is no systemd here", hint="run 'multicam-tap run' under this machine's service manager")
    if int(found[1]) < OLDEST_SYSTEMD:
        raise TapError(f"this machine has systemd {found[1]}, and the unit needs {OLDEST_SYSTEMD}")


def _write_unit(path: Path, text: str) -> str:
    before = path.read_text("utf-8", errors="replace") if path.exists() else None
    if before == text:
        return f"{path}: exists already"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, text, 0o644)
    except OSError as error:
        raise _unwritable(path, error) from None
    return f"{path}: {'written' if before is None else 'replaced'}"


def _write_environment(path: Path, plan: Installation) -> str:
    if plan.kept:
        return f"{path}: not changed"
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _replace(path, plan.environment, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from None
    return f"{path}: written"


def _write_opened(path: Path, text: str | None) -> list[str]:
    """The drop-in for exports; none, where nothing has to be opened."""
    if text is None:
        return _remove_drop_in(path)
    return [_write_unit(path, text)]


def _remove_drop_in(path: Path) -> list[str]:
    if not path.exists():
        return []
    _remove(path)
    with suppress(OSError):
        path.parent.rmdir()  # only where nobody has put anything else there
    return [f"{path}: removed"]


def _replace(path: Path, text: str, mode: int) -> None:
    """Whole or not at all: systemd may read it at any moment."""
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}.", encoding="utf-8", delete=False
    ) as to:
        try:
            to.write(text)
            to.flush()
            os.fchmod(to.fileno(), mode)
            os.fsync(to.fileno())
            Path(to.name).replace(path)
        except BaseException:
            Path(to.name).unlink(missing_ok=True)
            raise


def _unwritable(path: Path, error: OSError) -> TapError:
    return TapError(f"cannot be written: {error.strerror}", where=str(path))


def _reload(places: Places) -> str:
    if not places.this_machine:
        return f"systemd was not reloaded, since this is {places.root}"
    if _systemctl("daemon-reload") is None:
        return "systemd could not be reloaded: run 'systemctl daemon-reload' where it runs"
    return "systemd was reloaded (systemctl daemon-reload)"


def _systemctl(*arguments: str) -> str | None:
    """What systemctl prints; None where it is missing or fails."""
    try:
        done = subprocess.run(  # noqa: S603
            ["systemctl", *arguments],  # noqa: S607 - where it is differs, and whoever is root chose the path
            capture_output=True,
            text=True,
            timeout=_SLOW_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _next_steps(places: Places, plan: Installation) -> list[str]:
    venue, key = places.venue, places.secret("ingest-key")
    live = [] if plan.ops.lower() == "off" else [f"  see it        http://{plan.ops}/ on this machine"]
    return [
        "Next:",
        f"  settings      edit {places.environment} (TAP_SERVER_URL first of all)",
        f"  key           with Convex: install -m 600 /dev/stdin {key}   (paste the key, Ctrl-D)",
        f"  try           multicam-tap --installed {venue} check",
        f"  switch on     systemctl enable --now multicam-tap@{venue}   (after an upgrade: systemctl restart …)",
        f"  see it        systemctl status multicam-tap@{venue}; journalctl -u multicam-tap@{venue}",
        *live,
        f"  switch off    systemctl disable --now multicam-tap@{venue}",
    ]


def uninstall(places: Places) -> list[str]:
    """Stop and remove the service of a venue, and leave its data; what was done, in lines. Raises ``TapError``."""
    _needs_root(places)
    if not places.environment.exists():
        known = ", ".join(sorted(_others(places))) or "none"
        raise TapError("no such venue is installed", where=places.venue, hint=f"installed are: {known}")
    said = _stop(places)
    state = read_environment(_read(places.environment)).get("TAP_STATE_DIR") or places.state
    _remove(places.environment)
    said.append(f"{places.environment}: removed")
    said += _remove_drop_in(places.drop_ins / DROP_IN)
    if others := _others(places):
        said.append(f"{places.unit}: stays, for {', '.join(sorted(others))}")
    elif places.unit.exists():
        _remove(places.unit)
        said.append(f"{places.unit}: removed")
    said.append(_reload(places))
    said += [f"{path}: left; delete it if nobody needs it" for path in _leftovers(places)]
    said.append(f"{state}: left, with journal and tapes: it is this venue's history")
    return said


def _stop(places: Places) -> list[str]:
    if not places.this_machine:
        return []
    if _systemctl("disable", "--now", places.service) is not None:
        _systemctl("reset-failed", places.service)  # a venue that is gone is no failed one
        return [f"{places.service}: stopped and switched off"]
    return [f"{places.service}: could not be stopped by systemctl → see that it does not run"]


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise TapError(f"cannot be removed: {error.strerror}", where=str(path)) from None


def _leftovers(places: Places) -> list[Path]:
    secrets = [
        places.secret(credential, encrypted=encrypted)
        for credential in _SECRETS.values()
        for encrypted in (False, True)
    ]
    return [path for path in (*secrets, places.drop_ins) if path.exists()]


# ---------------------------------------------------------------------------------------------- as the service sees it


def venue_environment(places: Places, environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` with the settings of an installed venue in place of all ``TAP_*``: what systemd gives its service.

    Raises ``TapError`` where the venue is not installed, or may not be read by this user.
    """
    if not places.settings.is_dir() or not places.environment.exists():
        hint = f"'multicam-tap install {places.venue}'"
        raise TapError("no such venue is installed", where=str(places.environment), hint=hint)
    kept = {name: value for name, value in environ.items() if not name.startswith("TAP_")}
    given = {"TAP_VENUE": places.venue} | read_environment(_read(places.environment))
    given = {name: value for name, value in given.items() if value}
    for variable, credential in _SECRETS.items():
        if variable not in given and f"{variable}_FILE" not in given:
            given |= _secret(places, variable, credential)
    return kept | {
        "STATE_DIRECTORY": str(places.state),
        EnvFile.VARIABLE: str(places.environment),
        **given,
    }


def _secret(places: Places, variable: str, credential: str) -> dict[str, str]:
    plain, encrypted = places.secret(credential), places.secret(credential, encrypted=True)
    if plain.exists():
        return {f"{variable}_FILE": str(plain)}
    if encrypted.exists():
        done = subprocess.run(  # noqa: S603
            ["systemd-creds", "decrypt", f"--name={credential}", str(encrypted), "-"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=_SLOW_S,
            check=False,
        )
        if done.returncode:
            raise TapError("cannot be decrypted here", where=str(encrypted), hint=f"its name has to be {credential}")
        return {variable: done.stdout.strip()}
    return {}
