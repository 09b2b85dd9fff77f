"""Files of a recorder: which word is about which of them."""

from __future__ import annotations

import pytest

from tap.core.media import tell
from tap.core.model import Envelope, Recording, Stamp
from tests.core.stage import T0


@pytest.mark.parametrize(("started_at", "paths"), [(T0, ["/1.mkv"]), (None, ["/1.mkv"]), (T0 + 1, ["/1.mkv", None])])
def test_a_recording_that_began_when_the_known_one_did_is_that_one(started_at: int | None, paths: list[str]) -> None:
    """It is told again, without its name. Another beginning is another recording, whose name is not known yet."""
    by = Envelope(Stamp(T0, 0))
    files = tell([], Recording(by, True, "/1.mkv", started_at=T0), T0)
    files = tell(files, Recording(by, True, started_at=started_at), T0 + 5_000)
    assert [file.path for file in files] == paths


@pytest.mark.parametrize(("begins", "paths"), [(True, ["/1.mkv", "/2.mkv"]), (False, ["/1.mkv"])])
def test_a_file_whose_end_alone_is_told_is_of_a_session_that_can_begin_files(begins: bool, paths: list[str]) -> None:
    """A split that nobody told. Where the session is not one of the recorder's, another file is none of its own."""
    by = Envelope(Stamp(T0, 0))
    files = tell([], Recording(by, True, "/1.mkv", started_at=T0), T0)
    files = tell(files, Recording(by, False, "/2.mkv"), T0 + 5_000, begins=begins)
    assert [file.path for file in files] == paths
