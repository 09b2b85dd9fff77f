"""Settings: the ``TAP_*`` environment variables, checked all at once before anything starts.

``Settings`` is the table that the documentation is made from (``setting_docs``); a setting that is wrong is told with
its name, what is wrong and what is allowed, and never with a secret in it; and with file and line, where the value
stands in the environment file of systemd's unit. An empty variable counts as not set, since that is what a line without
a value gives there.
"""

from __future__ import annotations

import difflib
import errno
import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError, field_validator

from tap.adapters.names import is_loopback
from tap.adapters.private import make_private_directory
from tap.core.codec import MAX_VENUE, key_part
from tap.core.deployment import DEFAULT_MODULE
from tap.core.errors import SettingsInvalid
from tap.core.formats import FORMATS, Layout
from tap.core.model import Policy, SessionPolicy
from tap.core.redact import redact_text
from tap.service.envfile import EnvFile
from tap.service.hours import hours_of
from tap.service.secret_files import KeyFile, SecretFileInvalid, fits_header, read_secret
from tap.service.setting_values import Address, address_of, checked_url, exports_of

__all__ = ["SettingDoc", "Settings", "load_settings", "make_state_dir", "setting_docs"]

_PREFIX = "TAP_"
_SECRETS = {"server_token": "server-token", "ingest_key": "ingest-key", "ops_token": "ops-token"}
"""Settings that may stand in a file of their own, and the names of their systemd credentials."""
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,250}[A-Za-z0-9])?")
_MODULE = re.compile(r"\w[\w.]*(?:/\w[\w.]*)*", re.ASCII)
_LONGEST_SHOWN = 80
_TRACKED = "fcp7xml:angles or fcp7xml:multicam"
_SHORTEST_TOKEN = 12
"""Characters of the shortest token that keeps others on a network from guessing it."""
_OBS_URL = "ws://127.0.0.1:4455"


def _setting(default: Any, allowed: str, description: str, **more: Any) -> Any:
    if default is not ...:
        more["default"] = default
    return Field(description=description, json_schema_extra={"allowed": allowed}, **more)


class Settings(BaseModel):
    """What the service was told. Frozen; made by :func:`load_settings`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    enabled: bool = _setting(True, "1 or 0", "The venue's switch: with 0, `run` says so and exits 0.")
    venue: str = _setting(
        "local",
        f"1 to {MAX_VENUE} bytes, percent-encoded",
        "The venue's name; every key of its history begins with it.",
    )
    server_url: str = _setting(
        "ws://127.0.0.1:9404/ws/control",
        "ws://HOST[:PORT]/PATH or wss://…",
        "Where multicam-server's control WebSocket is. Unset with `TAP_DIALECT=obs`: `ws://127.0.0.1:4455`.",
    )
    server_token: SecretStr | None = _setting(
        None,
        "a bearer token of printable ASCII without spaces, or any password of OBS",
        "The server's bearer token, if it wants one, or OBS's password. It can also be in a file named by"
        " `TAP_SERVER_TOKEN_FILE`, or in the systemd credential `server-token`.",
    )
    dialect: str = _setting(
        "multicam/1",
        "the name of a built-in dialect, or the path of a mapping file",
        "How to read the server's frames: a built-in dialect, or a mapping file.",
    )
    state_dir: Path = _setting(
        ...,
        "a directory with write permission",
        "Where journal and tapes are. Unset: systemd's `$STATE_DIRECTORY`, else the user's own state directory.",
        default_factory=lambda: Path(platformdirs.user_state_dir("multicam-tap", appauthor=False)),
    )
    convex_url: str | None = _setting(
        None,
        "https://…, or http:// on this machine",
        "The Convex deployment that holds the ledger. Unset: the journal saves everything.",
    )
    convex_module: str = _setting(
        DEFAULT_MODULE,
        "the path of a module below the functions folder, without .ts",
        "The Convex module with the ledger's functions. Set it if your app has them in another module, such as `tap`.",
    )
    ingest_key: SecretStr | None = _setting(
        None,
        "printable ASCII without spaces",
        "The venue's key for writing to the ledger. It can also be in a file named by `TAP_INGEST_KEY_FILE`, or in the"
        " systemd credential `ingest-key`.",
    )
    ops_listen: str = _setting(
        "127.0.0.1:9405", "HOST:PORT, or off", "The address of the live page, health and metrics; `off`: none."
    )
    ops_token: SecretStr | None = _setting(
        None,
        f"one line of text; at least {_SHORTEST_TOKEN} characters unless TAP_OPS_LISTEN is on loopback",
        "Token for the live page, health and metrics: a bearer token, or the password in a browser. Needed if other"
        " machines can reach them. It can also be in a file named by `TAP_OPS_TOKEN_FILE`, or in the systemd credential"
        " `ops-token`.",
    )
    ops_hosts: str | None = _setting(
        None,
        "host names, separated by commas",
        "More host names for the live page. IP addresses, localhost and this machine's own name always work.",
    )
    server_hours: str | None = _setting(
        None,
        "always, or days and hours such as mon-fri 08:00-23:00, sat",
        "Hours in which the server should be on (venue time). If it is away then, the tap raises an alarm."
        " Unset: it raises one only in a session.",
    )
    stills_dir: Path | None = _setting(
        None,
        "an absolute path of a folder",
        "The folder with the stills' files. The live page shows them as thumbnails, and finds them as `report --media`"
        " does. Unset: no pictures.",
    )
    stills_fetch: bool = _setting(
        False, "on or off", "Whether the live page fetches stills from the addresses that they were uploaded to."
    )
    export_dir: Path | None = _setting(
        None,
        "an absolute path of a folder",
        "Where the service writes files for the edit at the end of a session. Unset: it writes none.",
    )
    export_formats: str | None = _setting(
        None,
        f"of {', '.join(FORMATS)}, separated by commas; those with tracks also as {_TRACKED}",
        "Which files the service writes to `TAP_EXPORT_DIR`. After a repair it writes them again. Unset: none.",
    )
    timezone: str | None = _setting(
        None,
        "a name such as Europe/Berlin",
        "The venue's time zone, for times that people read and for timecode. Unset: the machine's.",
    )
    session_by: SessionPolicy | None = _setting(
        None,
        "frames, mode, program, record or stream",
        "What makes a session if the server has no session frames; `stream` is for OBS. Unset: as the dialect says.",
    )
    obs_sources: dict[str, tuple[str, ...]] = _setting(
        ...,
        """JSON, such as {"Studio": ["Cam 1", "Cam 2"]}""",
        "For shows in OBS that switch sources inside a scene: the scene, and which of its sources are cameras. Unset:"
        " scenes are the cameras.",
        default_factory=dict,
    )
    grace_seconds: float = _setting(
        5.0, "seconds, 0 to 600", "A camera that is away for less than this leaves no trace.", ge=0, le=600
    )
    settle_seconds: float = _setting(
        2.0,
        "seconds, 0 to 60",
        "For this long after a change, a snapshot that contradicts it counts as old, unless times or numbers show which"
        " is newer.",
        ge=0,
        le=60,
    )
    idle_minutes: float = _setting(
        30.0,
        "minutes, 1 to 1440",
        "How long the server may be away before its session ends as interrupted.",
        ge=1,
        le=1440,
    )
    compression: bool = _setting(
        False, "on or off", "Compress frames. This costs time at both ends; use it only for slow networks."
    )
    keep_days: int = _setting(
        30,
        "days, 1 to 3650",
        "How many days delivered entries stay in the journal, at least; pending entries stay for ever.",
        ge=1,
        le=3650,
    )
    journal_megabytes: int = _setting(
        2048,
        "megabytes, 1 to 1000000",
        "How large the journal may grow. If it is larger, health turns red, and entries that the ledger has are deleted"
        " earlier. Pending entries always stay.",
        ge=1,
        le=1_000_000,
    )
    tape_days: int = _setting(
        30,
        "days, 1 to 3650",
        "How many days tapes stay. The journal saves their entries at least as long.",
        ge=1,
        le=3650,
    )
    tape_megabytes: int = _setting(
        1024,
        "megabytes, 0 to 1000000",
        "How much disk space the flight recorder's tapes may take. The oldest are deleted first. `0`: no tapes.",
        ge=0,
        le=1_000_000,
    )
    memory_megabytes: int = _setting(
        64,
        "megabytes, 1 to 100000",
        "How much may wait in memory if the disk does not write. If it is more, the tap drops frames.",
        ge=1,
        le=100_000,
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "debug, info, warning or error", "How much is logged."
    )
    log_format: Literal["auto", "json", "text"] = _setting(
        "auto", "auto, json or text", "The format of the log on stderr. `auto`: text on a terminal, else JSON."
    )

    _ingest_key_in_file: KeyFile | None = PrivateAttr(default=None)
    _server_token_in_file: KeyFile | None = PrivateAttr(default=None)

    @field_validator("enabled", "compression", "stills_fetch", mode="before")
    @classmethod
    def _switch(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("obs_sources", mode="before")
    @classmethod
    def _by_scene(cls, value: object) -> object:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError:
            raise ValueError("is not JSON") from None

    @field_validator("venue")
    @classmethod
    def _in_keys(cls, value: str) -> str:
        if value != value.strip() or not value.isprintable():
            raise ValueError("has spaces around it, or characters that cannot be printed")
        size = len(key_part(value, 10_000))
        if not 0 < size <= MAX_VENUE:
            raise ValueError(f"is {size} bytes long")
        return value

    @field_validator("server_url")
    @classmethod
    def _websocket(cls, value: str) -> str:
        return checked_url(value, ("ws", "wss"))

    @field_validator("convex_url")
    @classmethod
    def _secure(cls, value: str | None) -> str | None:
        if value is None:
            return None
        url = urlsplit(checked_url(value, ("https", "http")))
        if url.scheme == "http" and not is_loopback(url.hostname or ""):
            raise ValueError("would send the key in the clear over the network")
        if url.username or url.password or url.query:
            raise ValueError("has a user, a password or a query in it")
        return value.rstrip("/")

    @field_validator("convex_module")
    @classmethod
    def _of_functions(cls, value: str) -> str:
        if not _MODULE.fullmatch(value):
            raise ValueError("is not a path of a module")
        return value

    @field_validator("ingest_key")
    @classmethod
    def _in_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not fits_header(value.get_secret_value()):
            raise ValueError("contains characters that cannot be sent in a header")
        return value

    @field_validator("server_token", "ops_token")
    @classmethod
    def _typed(cls, value: SecretStr | None) -> SecretStr | None:
        text = "x" if value is None else value.get_secret_value()
        if not text.isprintable() or text != text.strip():
            raise ValueError("has spaces around it, or characters that nobody can type")
        return value

    @field_validator("dialect")
    @classmethod
    def _named(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("holds characters that cannot be printed")
        return value

    @field_validator("state_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        try:
            value = value.expanduser().absolute()
        except RuntimeError:
            raise ValueError("names the home of a user who has none") from None
        if value.exists() and not value.is_dir():
            raise ValueError("is not a directory")
        return value

    @field_validator("ops_listen")
    @classmethod
    def _listenable(cls, value: str) -> str:
        address_of(value)
        return value

    @field_validator("ops_hosts")
    @classmethod
    def _names(cls, value: str | None) -> str | None:
        for name in (value or "").split(","):
            if value is not None and not _HOST_NAME.fullmatch(name.strip()):
                raise ValueError("contains something that is not a host name")
        return value

    @field_validator("server_hours")
    @classmethod
    def _told_hours(cls, value: str | None) -> str | None:
        if value is not None:
            hours_of(value)
        return value

    @field_validator("export_dir", "stills_dir")
    @classmethod
    def _from_the_root(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_absolute():
            raise ValueError("does not begin with /")
        return value

    @field_validator("export_formats")
    @classmethod
    def _writable(cls, value: str | None) -> str | None:
        exports_of(value)
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (OSError, ValueError, KeyError):  # a name of a directory is an OSError, an unknown one a KeyError
                raise ValueError("is not a time zone that this machine knows") from None
        return value

    @property
    def ops_address(self) -> Address | None:
        """Where to serve health and metrics; None for nowhere."""
        return address_of(self.ops_listen)

    @property
    def ops_is_local(self) -> bool:
        """Whether only this machine can reach it; true where it is served nowhere."""
        address = self.ops_address
        return address is None or is_loopback(address[0])

    @property
    def ingest_key_in_file(self) -> KeyFile | None:
        """The ingest key with the file that it was read from; None where it stands in the environment."""
        return self._ingest_key_in_file

    @property
    def server_token_in_file(self) -> KeyFile | None:
        """The server's token or password with the file that it was read from; None where it stands elsewhere."""
        return self._server_token_in_file

    @property
    def journal_path(self) -> Path:
        """The journal, in the state directory."""
        return self.state_dir / "journal.db"

    @property
    def kept_days(self) -> int:
        """How long the journal keeps what the ledger has: as long as the tapes of it, at least."""
        return max(self.keep_days, self.tape_days if self.tape_megabytes else 0)

    @property
    def tapes_path(self) -> Path:
        """The flight recorder's tapes, in the state directory."""
        return self.state_dir / "tapes"

    @property
    def made_path(self) -> Path:
        """What the live page has had made of sessions, in the state directory."""
        return self.state_dir / "made"

    @property
    def exports(self) -> tuple[tuple[str, Layout], ...]:
        """Formats and layouts to be written when a session is over; none where either setting is missing."""
        return () if self.export_dir is None else exports_of(self.export_formats)

    def server_expected(self, now: int) -> bool:
        """Whether the venue says that the server should be there at a moment (Unix ms)."""
        if self.server_hours is None:
            return False
        zone = None if self.timezone is None else ZoneInfo(self.timezone)
        local = datetime.fromtimestamp(now / 1000, UTC).astimezone(zone)
        return any(hours.hold(local) for hours in hours_of(self.server_hours))

    def policy(self) -> Policy:
        """How to infer here; what makes a session is for the dialect to say, unless the venue does."""
        return Policy(
            session=self.session_by or "dialect",
            grace_ms=round(self.grace_seconds * 1000),
            settle_ms=round(self.settle_seconds * 1000),
            idle_ms=round(self.idle_minutes * 60_000),
            sources=self.obs_sources,
        )


# ---------------------------------------------------------------------------------------------- from the environment


def load_settings(environ: Mapping[str, str], *, partly: bool = False) -> Settings:
    """The settings in ``environ``, and in the files that it names.

    ``partly``: these are not all of a service's, so what has to fit together is not judged.
    Raises ``SettingsInvalid`` with one line for everything that is wrong.
    """
    file = EnvFile.of(environ)
    problems = [*file.problems(_PREFIX), *_unknown(environ, file)]
    values = {name: environ[_variable(name)] for name in Settings.model_fields if environ.get(_variable(name))}
    places = {name: _take_secret(name, credential, environ, values) for name, credential in _SECRETS.items()}
    problems += [file.at(_setting_of(place), environ) + place for place in places.values() if isinstance(place, str)]
    if not partly:
        problems += [file.at(name, environ) + what for name, what in _unfit(values)]
    if "state_dir" not in values and environ.get("STATE_DIRECTORY"):
        # systemd gives a list where the unit asks for several; ours is the first.
        values["state_dir"] = environ["STATE_DIRECTORY"].split(":", 1)[0]
    if "server_url" not in values and values.get("dialect") == "obs":
        values["server_url"] = _OBS_URL
    try:
        settings = Settings(**values)  # type: ignore[arg-type]  # text, which it is for pydantic to turn into values
    except ValidationError as error:
        for item in error.errors(include_url=False):
            name = str(item["loc"][0])
            problems.append(file.at(_variable(name), environ) + _problem(name, item, values))
    else:
        if not problems:
            place = places["ingest_key"]
            if isinstance(place, Path) and settings.ingest_key is not None:
                key, guarded = settings.ingest_key.get_secret_value(), not environ.get("TAP_INGEST_KEY_FILE")
                settings._ingest_key_in_file = KeyFile(place, key, guarded=guarded)  # noqa: SLF001 - our own
            place = places["server_token"]
            if isinstance(place, Path) and settings.server_token is not None:
                token, guarded = settings.server_token.get_secret_value(), not environ.get("TAP_SERVER_TOKEN_FILE")
                chosen = settings.dialect == "obs"
                settings._server_token_in_file = KeyFile(place, token, guarded=guarded, password=chosen)  # noqa: SLF001
            return settings
    raise SettingsInvalid(problems)


def make_state_dir(settings: Settings) -> None:
    """Make the state directory, for its owner alone, where there is none, and see that it can be written to.

    Raises ``SettingsInvalid`` where that needs a person. A disk that is full or read-only for now is no such case.
    """
    path = settings.state_dir
    try:
        make_private_directory(path)
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            return  # a disk that failed, or is still being checked: the journal is waited for
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EINTR, errno.EROFS):
            return
        what = f"TAP_STATE_DIR: '{path}' cannot be written to: {error.strerror}"
        raise SettingsInvalid([f"{what} → a directory of the tap's user (see 'ls -ld'), or another one"]) from None


def _variable(name: str) -> str:
    return _PREFIX + name.upper()


def _setting_of(problem: str) -> str:
    return problem.partition(":")[0]


def _known() -> list[str]:
    return [_variable(name) for name in Settings.model_fields] + [f"{_variable(name)}_FILE" for name in _SECRETS]


def _unknown(environ: Mapping[str, str], file: EnvFile) -> list[str]:
    known = _known()
    lines = []
    for name in sorted(environ):
        if name.startswith("TAP_ADMIN_KEY"):
            line = f"{name}: the service must never hold the key that deletes → set it only for 'forget'"
        elif name.startswith(_PREFIX) and name not in known:
            # What all names begin with makes none of them near.
            ends = [one.removeprefix(_PREFIX) for one in known]
            near = difflib.get_close_matches(name.removeprefix(_PREFIX), ends, n=1)
            hint = f"did you mean {_PREFIX}{near[0]}?" if near else f"known are {', '.join(known)}"
            line = f"{name}: unknown setting → {hint}"
        else:
            continue
        lines.append(file.at(name, environ) + line)
    return lines


def _take_secret(name: str, credential: str, environ: Mapping[str, str], values: dict[str, str]) -> Path | str | None:
    """Put a secret that stands in a file among the values; the file, or what is wrong with it."""
    variable = f"{_variable(name)}_FILE"
    file = environ.get(variable)
    if name in values:
        return f"{variable}: {_variable(name)} is set too → set only one of the two" if file else None
    directory = environ.get("CREDENTIALS_DIRECTORY")
    place = Path(file) if file else Path(directory, credential) if directory else None
    if place is None or (not file and not place.exists()):
        return None
    try:
        # What systemd passes on, it keeps from others by itself.
        values[name] = read_secret(place, guarded=not file, ascii_only=name == "ingest_key")
    except SecretFileInvalid as error:
        return f"{variable if file else credential}: {place} {error}"
    return place


def _unfit(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What does not fit together: the variable that it is about, and what is wrong."""
    token = values.get("ops_token", "")
    if _is_for_others(values) and len(token) < _SHORTEST_TOKEN:
        what = f"has {len(token)} characters" if token else "is not set"
        where = f"{_shown(values['ops_listen'])} can be reached from other machines"
        advice = "a token of your own (openssl rand -hex 24), or TAP_OPS_LISTEN=127.0.0.1:9405"
        # A secret stands in no line of the file that is told; what makes it needed does.
        yield "TAP_OPS_LISTEN", f"TAP_OPS_TOKEN: {what}, and {where} → {advice}"
    token = values.get("server_token", "")
    if values.get("dialect") != "obs" and token.isprintable() and not fits_header(token):
        advice = "printable ASCII without spaces (only OBS's password, with TAP_DIALECT=obs, may be any text)"
        yield "TAP_SERVER_TOKEN", f"TAP_SERVER_TOKEN: contains characters that cannot be sent in a header → {advice}"


def _is_for_others(values: Mapping[str, str]) -> bool:
    """Whether others than this machine can reach the ops server."""
    try:
        address = address_of(values.get("ops_listen", "off"))
    except ValueError:
        return False  # told by the setting itself
    return address is not None and not is_loopback(address[0])


def _problem(name: str, error: Any, values: Mapping[str, str]) -> str:
    field = Settings.model_fields[name]
    extra = field.json_schema_extra
    allowed = extra["allowed"] if isinstance(extra, dict) else ""
    raised = error.get("ctx", {}).get("error")
    what = "is not allowed" if raised is None else str(raised)
    shown = "" if name in _SECRETS else f"{_shown(values.get(name, ''))!r} "
    return f"{_variable(name)}: {shown}{what} → {allowed}"


def _shown(value: str) -> str:
    """A value in a complaint. What is no URL, but was meant as one, may hold a password all the same."""
    return redact_text(value).partition("?")[0].rpartition("@")[2][:_LONGEST_SHOWN]


# ---------------------------------------------------------------------------------------------- for the documentation


class SettingDoc(NamedTuple):
    """One setting, as the documentation tells it."""

    variable: str
    default: str
    allowed: str
    description: str


def setting_docs() -> list[SettingDoc]:
    """Every setting, in the order in which they are told."""
    docs = []
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        allowed = str(extra["allowed"]) if isinstance(extra, dict) else ""
        default = "" if field.default is None or field.default_factory else _shown_default(field.default)
        docs.append(SettingDoc(_variable(name), default, allowed, field.description or ""))
    return docs


def _shown_default(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return f"{value:g}" if isinstance(value, float) else str(value)
