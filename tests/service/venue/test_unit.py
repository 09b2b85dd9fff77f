"""A venue is installed and removed: what is written where, what is kept, and what is refused."""

from __future__ import annotations

import re
import socket
import sys
from pathlib import Path

import pytest

from tap.core.errors import TapError
from tap.service.config import load_settings, setting_docs
from tap.service.envfile import read_environment
from tap.service.venue import unit
from tap.service.venue.unit import Places, command_path, install, obstacle, shown, uninstall, venue_environment
from tap.service.venue.venuefile import environment_text

SYSTEMD = Path(__file__).parents[3] / "systemd"
COMMAND = Path("/opt/multicam-tap/bin/multicam-tap")


@pytest.fixture(autouse=True)
def _an_installed_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if these tests ran from an installation for the whole machine."""
    monkeypatch.setattr(unit, "obstacle", lambda _: None)


def installed(root: Path, venue: str = "hall-a", **settings: str) -> Places:
    places = Places(venue, root)
    install(places, COMMAND)
    with places.environment.open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in settings.items())
    return places


# ---------------------------------------------------------------------------------------------- what is shipped


def test_the_example_tells_every_setting_as_the_code_has_it() -> None:
    """On a difference: make venue-env."""
    example = (SYSTEMD / "venue.env.example").read_text("utf-8")
    assert example == environment_text({})
    assert re.findall(r"^#(TAP_\w+)=(.*)$", example, re.MULTILINE) == [
        (doc.variable, doc.default) for doc in setting_docs()
    ]


def test_the_example_sets_nothing_and_its_defaults_are_those_of_the_code() -> None:
    """As it is, and with every comment sign before a setting taken away."""
    example = (SYSTEMD / "venue.env.example").read_text("utf-8")
    assert read_environment(example) == {}
    opened = read_environment(re.sub(r"^#(?=TAP_)", "", example, flags=re.MULTILINE))
    assert load_settings(opened) == load_settings({})


def test_every_secret_of_the_settings_comes_as_a_credential_that_may_be_missing() -> None:
    """A relative name: systemd passes over what is not there, where a full path would fail the unit."""
    text = (SYSTEMD / unit.UNIT).read_text("utf-8")
    told = {name for doc in setting_docs() for name in re.findall(r"systemd credential `([\w-]+)`", doc.description)}
    loaded = dict(re.findall(r"^LoadCredential=([\w-]+):(\S+)$", text, re.MULTILINE))
    assert told == loaded.keys() - {"environment"}
    assert all(loaded[name] == f"multicam-tap.%i.{name}" for name in told)


@pytest.mark.parametrize("value", ["plain", "two words", "a\"b'c\\d$e`f", "", "ws://h:1/p?q=%41#x", "Zoë", " "])
def test_what_is_written_is_read_back(value: str) -> None:
    """By the rules of systemd's environment files."""
    assert read_environment(environment_text({"TAP_VENUE": value}))["TAP_VENUE"] == value


# ---------------------------------------------------------------------------------------------- install


def test_install_writes_unit_and_settings(tmp_path: Path) -> None:
    """The unit runs the installed command; the file is root's alone, names the venue, and is valid as it is."""
    said = "\n".join(install(Places("hall-a", tmp_path), COMMAND))
    text = (tmp_path / "etc/systemd/system/multicam-tap@.service").read_text()
    assert f"ExecStart={COMMAND} run" in text
    assert "/usr/local/bin" not in text
    file = tmp_path / "etc/multicam-tap/hall-a.env"
    assert file.stat().st_mode & 0o777 == 0o600
    values = read_environment(file.read_text())
    assert values["TAP_VENUE"] == "hall-a"
    assert load_settings(values).venue == "hall-a"
    assert (tmp_path / "etc/credstore").stat().st_mode & 0o777 == 0o700
    for word in (str(file), "systemctl enable --now multicam-tap@hall-a", "multicam-tap --installed hall-a check"):
        assert word in said


def test_install_again_keeps_the_settings_and_renews_the_unit(tmp_path: Path) -> None:
    """As after an upgrade; both are told."""
    places = installed(tmp_path, TAP_TIMEZONE="Europe/Berlin")
    places.unit.write_text("an older one")
    said = install(places, COMMAND)
    assert read_environment(places.environment.read_text())["TAP_TIMEZONE"] == "Europe/Berlin"
    assert f"ExecStart={COMMAND} run" in places.unit.read_text()
    assert said[:2] == [f"{places.unit}: replaced", f"{places.environment}: not changed"]
    assert install(places, COMMAND)[0] == f"{places.unit}: exists already"


def test_print_says_of_settings_that_are_there_that_they_stay(tmp_path: Path) -> None:
    places = installed(tmp_path)
    remark = f"{places.environment}: exists already, and would not be changed"
    assert remark in shown(places, COMMAND)[1]
    places.environment.unlink()
    assert remark not in shown(places, COMMAND)[1]


def test_print_writes_nothing(tmp_path: Path) -> None:
    """It shows both files, and where they would go."""
    lines, remarks = shown(Places("hall-a", tmp_path), COMMAND)
    assert list(tmp_path.iterdir()) == []
    text = "\n".join(lines)
    assert f"# ---- {tmp_path}/etc/systemd/system/multicam-tap@.service\n" in text
    assert f"ExecStart={COMMAND} run" in text
    assert "\nTAP_VENUE=hall-a\n" in text
    assert remarks == []


@pytest.mark.parametrize("venue", ["", "Hall-A", "hall a", "../etc", "-a", "a-", "hall.a", "é", "a" * 28, "a\n", "%i"])
def test_a_name_that_no_unit_can_have_is_refused(venue: str) -> None:
    """With what is allowed, and how the history may have another name all the same."""
    with pytest.raises(TapError, match="cannot name a service → 1 to 27 of a-z"):
        Places(venue)


@pytest.mark.parametrize("venue", ["a", "0", "hall-a", "a" * 27, "h_1"])
def test_names_that_units_can_have(venue: str) -> None:
    assert Places(venue).service == f"multicam-tap@{venue}.service"


def test_each_venue_gets_a_port_of_its_own(tmp_path: Path) -> None:
    """Neither one that another venue claims, nor one that somebody listens on."""
    first = load_settings(read_environment(installed(tmp_path, "one").environment.read_text())).ops_address
    assert first is not None
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(unit, "_FIRST_PORT", taken)
            third = read_environment(installed(tmp_path, "three").environment.read_text())["TAP_OPS_LISTEN"]
    second = load_settings(read_environment(installed(tmp_path, "two").environment.read_text())).ops_address
    assert second is not None
    assert second[1] > first[1]
    assert third != f"127.0.0.1:{taken}"


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("TAP_OPS_LISTEN", "127.0.0.1:7777", "port 7777"),
        ("TAP_STATE_DIR", "/srv/tap", "/srv/tap"),
        ("TAP_VENUE", "main", "main"),
    ],
)
def test_what_two_venues_both_claim_is_told(tmp_path: Path, setting: str, value: str, words: str) -> None:
    """Which setting, whose it is too, and what to do."""
    installed(tmp_path, "one", **{setting: value})
    second = installed(tmp_path, "two", **{setting: value})
    remark = f"{setting}: {words} is that of venue one too → give each its own in its file"
    assert remark in install(second, COMMAND)
    assert shown(second, COMMAND)[1][0] == remark


def test_a_venue_without_ops_clashes_with_nobody(tmp_path: Path) -> None:
    installed(tmp_path, "one", TAP_OPS_LISTEN="off")
    assert not any("too →" in line for line in install(installed(tmp_path, "two", TAP_OPS_LISTEN="OFF"), COMMAND))


def test_without_root_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither installed nor removed; the way out is told."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(TapError, match="this needs root → sudo"):
        install(Places("hall-a"), COMMAND)
    with pytest.raises(TapError, match="this needs root → sudo"):
        uninstall(Places("hall-a"))


@pytest.mark.parametrize(
    ("version", "words"), [(None, "there is no systemd here"), ("systemd 249 (249.11)\n", "has systemd 249")]
)
def test_a_machine_that_cannot_run_the_unit(monkeypatch: pytest.MonkeyPatch, version: str | None, words: str) -> None:
    """Nothing is written there."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(unit, "_systemctl", lambda *_: version)
    with pytest.raises(TapError, match=words):
        install(Places("hall-a"), COMMAND)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Is named, with the reason."""
    (tmp_path / "etc").write_text("a file")
    with pytest.raises(TapError, match=r"etc/systemd/system/multicam-tap@.service: cannot be written: "):
        install(Places("hall-a", tmp_path), COMMAND)


# ---------------------------------------------------------------------------------------------- the command in the unit


def test_the_command_that_runs_is_the_one_in_the_unit(tmp_path: Path) -> None:
    """A link stays a link: what it leads to changes with an upgrade. 'python -m' means the one beside that Python."""
    (tmp_path / "real").write_text("")
    (tmp_path / "real").chmod(0o755)
    link = tmp_path / "multicam-tap"
    link.symlink_to("real")
    assert command_path(str(link)) == link
    assert command_path("tap/cli/__main__.py") == Path(sys.prefix, "bin", "multicam-tap")


@pytest.mark.parametrize("path", ["/opt/my tap/multicam-tap", "/opt/a'b", "/opt/$x/multicam-tap"])
def test_a_path_that_cannot_stand_in_a_unit(tmp_path: Path, path: str) -> None:
    with pytest.raises(TapError, match="cannot be used in a unit"):
        install(Places("hall-a", tmp_path), Path(path))


def test_a_percent_sign_is_doubled(tmp_path: Path) -> None:
    """systemd would take it for a specifier."""
    places = Places("hall-a", tmp_path)
    install(places, Path("/opt/50%/multicam-tap"))
    assert "ExecStart=/opt/50%%/multicam-tap run" in places.unit.read_text()


def test_a_command_that_the_sandbox_hides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Or that the service's user may not reach: the folder is named, and what to do."""
    command = tmp_path / "multicam-tap"
    command.write_text("")
    for name in ("prefix", "base_prefix"):
        monkeypatch.setattr(sys, name, "/usr")
    monkeypatch.setattr("tap.__file__", "/usr/bin/env")
    monkeypatch.setattr(unit, "_HIDDEN", (str(tmp_path),))
    assert f"{command}: the service cannot see what is in {tmp_path}" in str(obstacle(command))
    monkeypatch.setattr(unit, "_HIDDEN", ())
    tmp_path.chmod(0o700)
    assert f"{tmp_path}: the service, which has a user of its own, cannot enter this folder" in str(obstacle(command))
    assert obstacle(Path("/usr/bin/env")) is None


# ---------------------------------------------------------------------------------------------- uninstall


def test_uninstall_leaves_the_data_and_says_where(tmp_path: Path) -> None:
    """The unit goes with the last venue; keys are named, so that they are not forgotten."""
    first, second = installed(tmp_path, "one"), installed(tmp_path, "two", TAP_STATE_DIR="/srv/two")
    first.state.mkdir(parents=True)
    first.secret("ingest-key").write_text("k")
    said = uninstall(first)
    assert not first.environment.exists()
    assert first.state.exists()
    assert f"{first.unit}: stays, for two" in said
    assert f"{first.secret('ingest-key')}: left; delete it if nobody needs it" in said
    assert said[-1].startswith(f"{first.state}: left")
    said = uninstall(second)
    assert not second.unit.exists()
    assert said[-1].startswith("/srv/two: left")


def test_what_is_not_installed_cannot_be_removed(tmp_path: Path) -> None:
    """It says what is."""
    installed(tmp_path, "one")
    with pytest.raises(TapError, match=r"two: no such venue is installed → installed are: one"):
        uninstall(Places("two", tmp_path))


# ---------------------------------------------------------------------------------------------- as the service sees it


def test_the_environment_of_an_installed_venue(tmp_path: Path) -> None:
    """Its file in place of the caller's settings, its state directory and keys; the rest of the environment stays."""
    places = installed(tmp_path, TAP_TIMEZONE="Europe/Berlin", TAP_DIALECT="")
    places.secret("ingest-key").write_text("k")
    seen = venue_environment(places, {"TAP_VENUE": "other", "TAP_COMPRESSION": "1", "PATH": "/bin"})
    assert (seen["PATH"], seen["TAP_VENUE"], seen["TAP_TIMEZONE"]) == ("/bin", "hall-a", "Europe/Berlin")
    assert seen["STATE_DIRECTORY"] == str(places.state)
    assert seen["TAP_INGEST_KEY_FILE"] == str(places.secret("ingest-key"))
    assert not {"TAP_COMPRESSION", "TAP_DIALECT", "TAP_SERVER_TOKEN_FILE"} & seen.keys()


def test_a_key_in_the_file_is_not_replaced(tmp_path: Path) -> None:
    places = installed(tmp_path, TAP_INGEST_KEY="k")
    places.secret("ingest-key").write_text("another")
    assert "TAP_INGEST_KEY_FILE" not in venue_environment(places, {})


def test_a_key_that_is_encrypted_is_opened_by_systemd_or_said_to_be_for_another_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = installed(tmp_path)
    encrypted = places.secret("ingest-key", encrypted=True)
    encrypted.parent.mkdir(parents=True)
    encrypted.write_text("sealed")
    systemd = tmp_path / "bin" / "systemd-creds"
    systemd.parent.mkdir()
    systemd.write_text('#!/bin/sh\n[ "$*" = "$WANTED" ] && echo opened\n')
    systemd.chmod(0o755)
    monkeypatch.setenv("PATH", str(systemd.parent), prepend=":")
    monkeypatch.setenv("WANTED", f"decrypt --name=ingest-key {encrypted} -")
    assert venue_environment(places, {})["TAP_INGEST_KEY"] == "opened"
    monkeypatch.setenv("WANTED", "another")
    with pytest.raises(TapError, match=r"cannot be decrypted here → its name has to be ingest-key"):
        venue_environment(places, {})


def test_a_venue_that_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(TapError, match=r"hall-a.env: no such venue is installed → 'multicam-tap install hall-a'"):
        venue_environment(Places("hall-a", tmp_path), {})


# ---------------------------------------------------------------------------------------------- exports


def opened(root: Path, folder: str, **more: str) -> tuple[Places, list[str]]:
    """A venue whose settings name a folder for exports, installed again after that."""
    places = installed(root, TAP_EXPORT_DIR=folder, TAP_EXPORT_FORMATS="edl", **more)
    return places, install(places, COMMAND)


def test_install_opens_the_folder_of_exports_in_a_drop_in(tmp_path: Path) -> None:
    """By the group that may write there; the unit itself stays as it is for all."""
    folder = tmp_path / "srv/ed it"
    folder.mkdir(parents=True)
    folder.chmod(0o2777)
    places, said = opened(tmp_path, "/srv/ed it")
    drop_in = places.drop_ins / "export.conf"
    assert f"{drop_in}: written" in said
    assert f"{drop_in}: exists already" in install(places, COMMAND)
    text = drop_in.read_text()
    assert 'ReadWritePaths="-/srv/ed it"' in text
    assert "SupplementaryGroups" not in text
    assert "ReadWritePaths" not in places.unit.read_text()


def test_the_sandbox_lets_what_makes_files_give_way_to_the_recording(tmp_path: Path) -> None:
    """In every venue: the live page makes files too. The later of two lines that name a call counts."""
    lines = installed(tmp_path).unit.read_text().splitlines()
    filters = [line for line in lines if line.startswith("SystemCallFilter=")]
    assert filters[-2:] == [
        "SystemCallFilter=~@privileged @resources",
        "SystemCallFilter=setpriority sched_setscheduler",
    ]
    assert "OOMPolicy=continue" in lines, "a file that takes too much memory ends only itself"


@pytest.mark.parametrize(
    ("folder", "mode", "words"),
    [
        ("/srv/edit", None, "does not exist"),
        ("/srv/edit", 0o755, "is not writable for a group"),
        ("/home/ana/edit", 0o777, "cannot see what is in /home"),
    ],
)
def test_install_says_why_the_service_could_not_export(
    tmp_path: Path, folder: str, mode: int | None, words: str
) -> None:
    """With what to do."""
    if mode is not None:
        place = tmp_path / folder[1:]
        place.mkdir(parents=True)
        place.chmod(mode)
    _, said = opened(tmp_path, folder)
    (line,) = [line for line in said if line.startswith("TAP_EXPORT_DIR")]
    assert words in line
    assert " → " in line


def test_the_drop_in_goes_with_the_setting(tmp_path: Path) -> None:
    """And with the venue."""
    places, _ = opened(tmp_path, "/srv/edit")
    text = places.environment.read_text()
    places.environment.write_text(text.replace("TAP_EXPORT_DIR=", "#TAP_EXPORT_DIR="))
    said = install(places, COMMAND)
    assert f"{places.drop_ins / 'export.conf'}: removed" in said
    assert not places.drop_ins.exists()


def test_a_folder_in_the_state_directory_needs_nothing_opened(tmp_path: Path) -> None:
    """That is open already."""
    places, said = opened(tmp_path, "/var/lib/multicam-tap/hall-a/edit")
    assert not places.drop_ins.exists()
    assert not [line for line in said if line.startswith("TAP_EXPORT_DIR")]


def test_another_root_s_systemd_is_not_reloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an image, say: the systemd of this machine has nothing to do with it."""
    asked: list[tuple[str, ...]] = []
    answers = iter(["", None])

    def systemctl(*arguments: str) -> str | None:
        asked.append(arguments)
        return next(answers)

    monkeypatch.setattr(unit, "_systemctl", systemctl)
    assert unit._reload(Places("hall-a", tmp_path)) == f"systemd was not reloaded, since this is {tmp_path}"
    assert asked == []
    assert unit._reload(Places("hall-a")) == "systemd was reloaded (systemctl daemon-reload)"
    assert unit._reload(Places("hall-a")).startswith("systemd could not be reloaded")
    assert asked == [("daemon-reload",)] * 2
