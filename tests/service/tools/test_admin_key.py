"""The key that may forget sessions: where it may stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tap.core.errors import SettingsInvalid
from tap.service.tools.forget import admin_key


def test_a_file_that_others_can_read_is_no_place_for_it(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("k\n")
    file.chmod(0o600)
    assert admin_key({"TAP_ADMIN_KEY_FILE": str(file)}).get_secret_value() == "k"
    file.chmod(0o644)
    with pytest.raises(SettingsInvalid, match=r"TAP_ADMIN_KEY_FILE: .* can be read or written by other users"):
        admin_key({"TAP_ADMIN_KEY_FILE": str(file)})


def test_it_is_ascii_as_the_deployment_has_it(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("schlüssel", "utf-8")
    file.chmod(0o600)
    with pytest.raises(SettingsInvalid, match=r"TAP_ADMIN_KEY_FILE: .* cannot be read"):
        admin_key({"TAP_ADMIN_KEY_FILE": str(file)})
