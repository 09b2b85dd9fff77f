"""An ingest key is 256 random bits, and only its digest is ever configured."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from pathlib import Path

from tap.core.redact import redact_text
from tap.service.secret_files import KeyFile
from tap.service.tools.keys import ROTATION, digest, new_key


def test_a_key_comes_with_the_lines_that_tell_a_deployment_of_it() -> None:
    """For dev and for production; they hold the digest, never the key, and a shell hands them over as they are."""
    key, lines = new_key(["Stage 1/Süd's"], module="stage/tap")
    assert re.fullmatch(r"tapkey_[\w-]{43}", key)
    assert digest(key) == hashlib.sha256(key.encode()).hexdigest()
    for line, way in zip(lines, ([], ["--prod"]), strict=True):
        assert key not in line
        *command, arguments = shlex.split(line)
        assert command == ["npx", "convex", "run", *way, "stage/tap:addKey"]
        assert json.loads(arguments) == {"digest": digest(key), "venues": ["Stage 1/Süd's"], "may": ["write"]}


def test_a_key_may_read_for_all_venues() -> None:
    _, lines = new_key(None, may="read")
    said = json.loads(shlex.split(lines.production)[-1])
    assert (said["venues"], said["may"]) == ("all", ["read"])
    assert "revoke the old" in ROTATION


def test_no_two_keys_are_alike() -> None:
    """Not even for one venue."""
    assert len({new_key(["v"])[0] for _ in range(100)}) == 100


def test_a_key_can_stand_in_a_setting() -> None:
    """Printable ASCII without spaces; and a log that says ``key=…`` loses it."""
    key, _ = new_key(["v"])
    assert key.isascii()
    assert " " not in key
    assert key not in redact_text(f"ingest_key={key}")


def test_a_key_in_a_file_is_read_again_when_asked(tmp_path: Path) -> None:
    """Another one is taken; a file that is gone, empty, open to others or half a mess leaves the one that was."""
    file = tmp_path / "key"
    key = KeyFile(file, "first")
    assert not key.read_again()
    for text, mode in (("", 0o600), ("two words", 0o600), ("second", 0o644), ("first\n", 0o600)):
        file.write_text(text)
        file.chmod(mode)
        assert not key.read_again()
    file.write_text("second\n")
    assert key.read_again()
    assert not key.read_again()
    assert key.get_secret_value() == "second"
    assert "second" not in repr(key)


def test_a_password_in_a_file_may_be_put_right_to_whatever_somebody_chose(tmp_path: Path) -> None:
    """With spaces and umlauts; as a key for a header it is none."""
    file = tmp_path / "password"
    file.write_text("Grüße an den Ü-Wagen\n", encoding="utf-8")
    file.chmod(0o600)
    assert KeyFile(file, "first", password=True).another() == "Grüße an den Ü-Wagen"
    assert KeyFile(file, "first").another() is None
    file.write_text("bell\x07")
    assert KeyFile(file, "first", password=True).another() is None
