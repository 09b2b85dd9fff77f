"""Settings come from the environment, are told all at once where they are wrong, and never tell a secret."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tap.core.errors import SettingsInvalid
from tap.core.model import Policy
from tap.service.config import Settings, load_settings, make_state_dir, setting_docs
from tap.service.envfile import read_environment


def problems(**environ: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(environ)
    return caught.value.problems


def secret_file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text, "latin-1")
    path.chmod(mode)
    return path


def test_nothing_needs_to_be_set() -> None:
    """With an empty environment the tap listens to this machine's server, for the venue `local`."""
    settings = load_settings({})
    assert settings.enabled
    assert settings.venue == "local"
    assert settings.server_url == "ws://127.0.0.1:9404/ws/control"
    assert settings.dialect == "multicam/1"
    assert settings.ops_address == ("127.0.0.1", 9405)
    assert settings.state_dir.is_absolute()
    assert settings.policy() == Policy()


def test_every_setting_is_taken(tmp_path: Path) -> None:
    """Each name of the table does what it says."""
    settings = load_settings(
        {
            "TAP_ENABLED": "0",
            "TAP_VENUE": "Halle Süd",
            "TAP_SERVER_URL": "wss://cam.example/ws",
            "TAP_SERVER_TOKEN": "t-1",
            "TAP_DIALECT": "./mine.toml",
            "TAP_STATE_DIR": str(tmp_path),
            "TAP_CONVEX_URL": "https://happy-otter-1.convex.cloud/",
            "TAP_CONVEX_MODULE": "stage/tap",
            "TAP_INGEST_KEY": "k-1",
            "TAP_OPS_LISTEN": "[::1]:80",
            "TAP_TIMEZONE": "Europe/Berlin",
            "TAP_SESSION_BY": "mode",
            "TAP_GRACE_SECONDS": "0.5",
            "TAP_SETTLE_SECONDS": "1",
            "TAP_IDLE_MINUTES": "10",
            "TAP_COMPRESSION": "ON",
            "TAP_KEEP_DAYS": "7",
            "TAP_LOG_LEVEL": "debug",
            "TAP_LOG_FORMAT": "json",
            "PATH": "/bin",
        }
    )
    assert not settings.enabled
    assert settings.venue == "Halle Süd"
    assert settings.compression
    assert settings.server_token is not None
    assert settings.server_token.get_secret_value() == "t-1"
    assert settings.convex_url == "https://happy-otter-1.convex.cloud"
    assert settings.convex_module == "stage/tap"
    assert settings.ops_address == ("::1", 80)
    assert settings.journal_path == tmp_path / "journal.db"
    assert settings.policy() == Policy(session="mode", grace_ms=500, settle_ms=1000, idle_ms=600_000)
    assert load_settings({"TAP_OPS_LISTEN": "OFF"}).ops_address is None
    assert load_settings({"TAP_CONVEX_URL": "http://localhost:3210"}).convex_url == "http://localhost:3210"


def test_wrong_ones_are_told_all_at_once() -> None:
    """One line each: name, what is wrong, what is allowed."""
    lines = problems(
        TAP_ENABLED="maybe",
        TAP_VENUE="ü" * 20,
        TAP_SERVER_URL="http://127.0.0.1:9404/",
        TAP_CONVEX_URL="http://convex.example",
        TAP_CONVEX_MODULE="tap:ingest",
        TAP_OPS_LISTEN="everywhere",
        TAP_TIMEZONE="Mars/Olympus",
        TAP_SESSION_BY="feeling",
        TAP_GRACE_SECONDS="nan",
        TAP_KEEP_DAYS="0",
        TAP_LOG_LEVEL="loud",
        TAP_STATE_DIR="/dev/null",
    )
    assert len(lines) == 12
    assert lines == [
        "TAP_ENABLED: 'maybe' is not allowed → 1 or 0",
        "TAP_VENUE: 'üüüüüüüüüüüüüüüüüüüü' is 120 bytes long → 1 to 40 bytes, percent-encoded",
        "TAP_SERVER_URL: 'http://127.0.0.1:9404/' does not begin with ws:// or wss:// → ws://HOST[:PORT]/PATH or wss://…",
        "TAP_STATE_DIR: '/dev/null' is not a directory → a directory with write permission",
        "TAP_CONVEX_URL: 'http://convex.example' would send the key in the clear over the network"
        " → https://…, or http:// on this machine",
        "TAP_CONVEX_MODULE: 'tap:ingest' is not a path of a module"
        " → the path of a module below the functions folder, without .ts",
        "TAP_OPS_LISTEN: 'everywhere' is not an address to listen on → HOST:PORT, or off",
        "TAP_TIMEZONE: 'Mars/Olympus' is not a time zone that this machine knows → a name such as Europe/Berlin",
        "TAP_SESSION_BY: 'feeling' is not allowed → frames, mode, program, record or stream",
        "TAP_GRACE_SECONDS: 'nan' is not allowed → seconds, 0 to 600",
        "TAP_KEEP_DAYS: '0' is not allowed → days, 1 to 3650",
        "TAP_LOG_LEVEL: 'loud' is not allowed → debug, info, warning or error",
    ]


def test_a_name_that_is_none_is_told_with_the_nearest() -> None:
    """A slip of the pen is not silently ignored."""
    assert problems(TAP_SEVER_URL="ws://x/") == ["TAP_SEVER_URL: unknown setting → did you mean TAP_SERVER_URL?"]
    assert problems(TAP_SERVER_ULR="ws://x/") == ["TAP_SERVER_ULR: unknown setting → did you mean TAP_SERVER_URL?"]
    for name in ("TAP_QQQQQQQQQQ", "TAP_FOO"):
        (line,) = problems(**{name: "1"})
        assert "known are TAP_ENABLED, " in line


@pytest.mark.parametrize(
    "environ",
    [
        {"TAP_SERVER_TOKEN": "hush hush"},
        {"TAP_INGEST_KEY": "hush\nhush"},
        {"TAP_INGEST_KEY": "hüsh-hush"},
        {"TAP_SERVER_URL": "http://u:hush@host/?token=hush"},
        {"TAP_SERVER_URL": "u:hush@host"},
        {"TAP_SERVER_URL": "ws://u:hush@[host/"},
        {"TAP_SERVER_URL": "ws://u:hush@host:99999/"},
        {"TAP_SERVER_URL": "ws://u:hush@host/#hush"},
        {"TAP_SERVER_URL": "ws://u:hush@ho\u2100st/"},
        {"TAP_CONVEX_URL": "https://u:hush@host/"},
        {"TAP_CONVEX_URL": "https://host/?key=hush"},
    ],
)
def test_no_complaint_tells_a_secret(environ: dict[str, str]) -> None:
    """Values of secrets are never quoted, URLs only without userinfo and query."""
    (line,) = problems(**environ)
    assert next(iter(environ)) in line
    assert "hush" not in line


def test_a_password_may_be_whatever_somebody_chose(tmp_path: Path) -> None:
    """OBS's and that of the live page: with spaces and umlauts, from the environment and from a file."""
    chosen = "Grüße an den Ü-Wagen 7"
    file = secret_file(tmp_path / "password", "")
    file.write_text(chosen + "\n", encoding="utf-8")
    for environ in (
        {"TAP_DIALECT": "obs", "TAP_SERVER_TOKEN": chosen, "TAP_OPS_TOKEN": chosen},
        {"TAP_DIALECT": "obs", "TAP_SERVER_TOKEN_FILE": str(file), "TAP_OPS_TOKEN_FILE": str(file)},
    ):
        settings = load_settings(environ)
        for secret in (settings.server_token, settings.ops_token):
            assert secret is not None
            assert secret.get_secret_value() == chosen
    (line,) = problems(TAP_SERVER_TOKEN=chosen)
    assert "only OBS's password" in line
    assert chosen not in line
    for wrong in (" x" * 9, "tab\tbed", "bell\x07" * 4):
        assert len(problems(TAP_OPS_TOKEN=wrong)) == 1
        assert len(problems(TAP_DIALECT="obs", TAP_SERVER_TOKEN=wrong)) == 1


@pytest.mark.parametrize(
    "url", ["ws:///path", "ws://h:0/", "ws://h:port/", "ws://h/#here", "ws://h/a b", "ftp://h/", "ws://h/\x07"]
)
def test_addresses_that_cannot_be_are_refused(url: str) -> None:
    """Before anything tries to connect to them."""
    assert len(problems(TAP_SERVER_URL=url)) == 1


@pytest.mark.parametrize("listen", ["9405", "host", "host:", ":9405", "a:b:c", "u@h:1", "h:1/x", "h:70000", "a b:1"])
def test_places_to_listen_that_cannot_be_are_refused(listen: str) -> None:
    assert len(problems(TAP_OPS_LISTEN=listen)) == 1


def test_secrets_may_stand_in_files(tmp_path: Path) -> None:
    """By `_FILE`, else as a systemd credential; a line end after them does not count."""
    (tmp_path / "server-token").write_text("from-credential\n")
    secret_file(tmp_path / "key", "from-file\r\n")
    settings = load_settings({"CREDENTIALS_DIRECTORY": str(tmp_path), "TAP_INGEST_KEY_FILE": str(tmp_path / "key")})
    assert settings.server_token is not None
    assert settings.server_token.get_secret_value() == "from-credential"
    assert settings.ingest_key is not None
    assert settings.ingest_key.get_secret_value() == "from-file"
    assert "from-" not in repr(settings)

    settings = load_settings({"CREDENTIALS_DIRECTORY": str(tmp_path), "TAP_SERVER_TOKEN": "from-environment"})
    assert settings.server_token is not None
    assert settings.server_token.get_secret_value() == "from-environment"
    assert settings.ingest_key is None


def test_files_of_secrets_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    """Missing, empty, binary, or besides the value itself."""
    secret_file(tmp_path / "empty", "\n")
    secret_file(tmp_path / "binary", "\xff\xfe")
    assert problems(TAP_SERVER_TOKEN_FILE=str(tmp_path / "empty"), TAP_INGEST_KEY_FILE=str(tmp_path / "none")) == [
        f"TAP_SERVER_TOKEN_FILE: {tmp_path / 'empty'} is empty → a file with the secret",
        f"TAP_INGEST_KEY_FILE: {tmp_path / 'none'} cannot be read: No such file or directory → a file with the secret",
    ]
    assert "more than printable ASCII" in problems(TAP_INGEST_KEY_FILE=str(tmp_path / "binary"))[0]
    assert "set only one of the two" in problems(TAP_INGEST_KEY="a", TAP_INGEST_KEY_FILE=str(tmp_path / "none"))[0]
    (tmp_path / "ingest-key").write_text("")
    assert problems(CREDENTIALS_DIRECTORY=str(tmp_path))[0].startswith("ingest-key: ")


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o660, 0o666, 0o777])
def test_a_key_file_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    """With its mode, and the command that mends it; the key itself is not told."""
    file = secret_file(tmp_path / "key", "hush", mode)
    (line,) = problems(TAP_INGEST_KEY_FILE=str(file))
    assert line == (
        f"TAP_INGEST_KEY_FILE: {file} can be read or written by other users (mode {mode:04o}) → chmod 600 {file}"
    )


def test_a_file_of_root_may_be_read_by_a_group(tmp_path: Path) -> None:
    """So that a service with an account of its own can be given it; of anybody else's file nobody else may."""
    file = secret_file(tmp_path / "key", "hush", 0o640)
    if os.geteuid() == 0:
        assert load_settings({"TAP_INGEST_KEY_FILE": str(file)}).ingest_key is not None
        os.chown(file, 65534, 65534)
    assert "mode 0640" in problems(TAP_INGEST_KEY_FILE=str(file))[0]


def test_systemds_credentials_may_have_the_mode_that_systemd_gives_them(tmp_path: Path) -> None:
    secret_file(tmp_path / "ingest-key", "hush", 0o440)
    settings = load_settings({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert settings.ingest_key is not None
    assert settings.ingest_key_in_file is not None
    assert "hush" not in repr(settings.ingest_key_in_file)


ENV_FILE = """\
# the venue of hall A
TAP_VENUE="hall a"
TAP_KEEP_DAYS=0
TAP_SEVER_URL=ws://x/
export TAP_DIALECT=obs

TAP_INGEST_KEY_FILE=/nowhere
TAP_GRACE_SECONDS=5 # seconds
TAP_TIMEZONE=\\
Mars/Olympus
"""


def env_file_of(tmp_path: Path, *, readable: bool) -> dict[str, str]:
    """The environment that systemd makes of the file, and where the file is."""
    given = read_environment(ENV_FILE)
    if readable:
        (tmp_path / "hall.env").write_text(ENV_FILE)
    else:
        (tmp_path / "environment").write_text(ENV_FILE)
        given["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    return given | {"MULTICAM_TAP_ENV_FILE": str(tmp_path / "hall.env")}


@pytest.mark.parametrize("readable", [True, False])
def test_what_is_wrong_in_an_environment_file_is_told_with_its_line(tmp_path: Path, readable: bool) -> None:
    """Whether the service may read the file itself, or has a copy of it from systemd."""
    file = tmp_path / "hall.env"
    lines = problems(**env_file_of(tmp_path, readable=readable))
    assert [line.partition(" ")[0] for line in lines] == [
        f"{file}:5:",
        f"{file}:4:",
        f"{file}:7:",
        f"{file}:9:",
        f"{file}:8:",
        f"{file}:3:",
    ]
    assert "'export'" in lines[0]
    assert "TAP_SEVER_URL: unknown setting → did you mean TAP_SERVER_URL?" in lines[1]
    assert "TAP_GRACE_SECONDS: '5 # seconds' is not allowed" in lines[4]


def test_a_value_that_stands_elsewhere_is_told_without_a_line(tmp_path: Path) -> None:
    """A drop-in, or a shell, may have set another."""
    given = env_file_of(tmp_path, readable=True) | {"TAP_KEEP_DAYS": "-1"}
    (line,) = [line for line in problems(**given) if "KEEP_DAYS" in line]
    assert line.startswith("TAP_KEEP_DAYS: '-1' ")


def test_a_state_directory_that_cannot_be_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "state", Path("/proc/state")):
        with pytest.raises(SettingsInvalid) as caught:
            make_state_dir(load_settings({"TAP_STATE_DIR": str(place)}))
        (line,) = caught.value.problems
        assert line.startswith(f"TAP_STATE_DIR: '{place}' cannot be written to: ")
        assert "→ a directory of the tap's user" in line


def test_the_service_ends_with_78_where_its_state_directory_cannot_be() -> None:
    """Which systemd does not start again: somebody has to mend it first."""
    environ = os.environ | {"TAP_STATE_DIR": "/proc/state", "TAP_OPS_LISTEN": "off"}
    done = subprocess.run(
        [sys.executable, "-m", "tap.cli", "run"], env=environ, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 78
    assert done.stderr.startswith("TAP_STATE_DIR: '/proc/state' cannot be written to: ")
    assert len(done.stderr.splitlines()) == 1


def test_an_empty_variable_is_not_set() -> None:
    """As a line without a value in systemd's environment file."""
    assert load_settings({"TAP_SERVER_TOKEN": "", "TAP_VENUE": "", "TAP_KEEP_DAYS": ""}) == load_settings({})


def test_the_state_directory_is_systemds_where_it_gives_one(tmp_path: Path) -> None:
    """TAP_STATE_DIR before $STATE_DIRECTORY, of which the first counts, before the user's own."""
    given = {"STATE_DIRECTORY": f"{tmp_path}:/elsewhere"}
    assert load_settings(given).state_dir == tmp_path
    assert load_settings(given | {"TAP_STATE_DIR": "/srv/tap"}).state_dir == Path("/srv/tap")
    assert load_settings({}).state_dir.name == "multicam-tap"
    assert load_settings({"TAP_STATE_DIR": "here"}).state_dir == Path.cwd() / "here"
    assert len(problems(TAP_STATE_DIR="~nobody-of-that-name/x")) == 1


def test_the_real_environment_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rehearsal that passes its own mapping is safe from the venue's settings."""
    monkeypatch.setenv("TAP_VENUE", "the-real-one")
    assert load_settings({}).venue == "local"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load_settings({}).venue = "other"


def test_every_setting_is_documented() -> None:
    """Name, default, what is allowed and a sentence, for docs/settings.md."""
    docs = setting_docs()
    assert [doc.variable for doc in docs] == [f"TAP_{name.upper()}" for name in Settings.model_fields]
    assert all(doc.allowed and doc.description.endswith(".") for doc in docs)
    defaults = {doc.variable: doc.default for doc in docs}
    assert defaults["TAP_ENABLED"] == "1"
    assert defaults["TAP_GRACE_SECONDS"] == "5"
    assert defaults["TAP_STATE_DIR"] == ""


@given(st.dictionaries(st.sampled_from([doc.variable for doc in setting_docs()]), st.text(max_size=30)))
def test_no_text_breaks_it(environ: dict[str, str]) -> None:
    """Whatever is set, there are settings, or a list of what is wrong."""
    with suppress(SettingsInvalid):
        assert load_settings(environ).venue
