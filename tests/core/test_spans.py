"""What held when: what an event says of what was before it."""

from __future__ import annotations

from typing import Any

import pytest

from tap.core.spans import Spans


@pytest.mark.parametrize(
    ("held", "kind", "fits"),
    [(False, "hold", True), (False, "release", False), (True, "hold", False), (True, "release", True)],
)
def test_only_what_is_not_held_can_be_held_and_only_what_is_held_let_go(held: bool, kind: str, fits: bool) -> None:
    assert Spans({"hold": held}, 0).fits(kind, {}) is fits


@pytest.mark.parametrize(
    ("kind", "fields", "fits"),
    [
        ("cut", {"fromCameraId": "a", "cameraId": "b"}, True),
        ("cut", {"fromCameraId": "b", "cameraId": "a"}, False),
        ("cut", {"cameraId": "b"}, True),
        ("off_air", {"fromCameraId": "a"}, True),
        ("off_air", {"fromCameraId": "b"}, False),
        ("mode_change", {"detail": {"from": "x", "to": "y"}}, True),
        ("mode_change", {"detail": {"from": "y", "to": "x"}}, False),
        ("mode_change", {"detail": {"to": "y"}}, True),
        ("mode_change", {}, True),
        ("marker", {}, True),
    ],
)
def test_what_an_event_says_of_before_is_held_against_what_is_known(
    kind: str, fields: dict[str, Any], fits: bool
) -> None:
    """Camera a is on, in mode x; what is not said contradicts nothing."""
    assert Spans({"programCameraId": "a", "mode": "x"}, 0).fits(kind, fields) is fits
