"""``TAP_DIALECT=obs``: obs-websocket v5 as a dialect with a memory and a handshake of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from tap.core.mapping import Dialect, Reading, SeqOrders, Verdict
from tap.core.model import Frame, Policy, SessionPolicy
from tap.core.obs.handshake import REFUSALS, ObsHandshake
from tap.core.obs.messages import Message, is_chatter, message_of
from tap.core.obs.reader import ObsReader

__all__ = ["ObsDialect"]

_REVISION = 2
"""Goes up when the same frames are read otherwise, so that a row says how it came about."""

_METERS = b'"eventType":"InputVolumeMeters"},"op":5}'
"""How OBS, which sorts its keys, ends the only telemetry that it has."""

_DONE = b'"requestStatus":{"code":100,"result":true}'
"""What OBS says in each answer: its number is no code that opens anything."""

_EMITS = frozenset(
    (
        *("hello", "snapshot", "session_started", "session_ended", "recording", "cut", "mode_changed"),
        *("camera_joined", "camera_updated", "camera_left", "still_captured"),
    )
)

_MAPPED = frozenset(
    (
        *("sceneName", "oldSceneName", "sceneUuid", "currentProgramSceneName", "currentProgramSceneUuid"),
        *("currentPreviewSceneName", "transitionName", "outputPath", "newOutputPath", "savedScreenshotPath"),
        *("savedReplayPath", "currentProfileName", "profileName", "currentSceneCollectionName", "sourceName"),
        *("sceneCollectionName", "marker", "label", "vendorName", "canvasUuid", "requestId"),
    )
)


class ObsDialect(Dialect):
    """How OBS's frames read. Frame by frame it only says what each is; together they are for its reader."""

    speaker = "OBS"
    refusals: Mapping[int, str] = REFUSALS
    emits = _EMITS
    innocent = _DONE

    def __init__(self) -> None:
        self.name = "obs"
        self.digest = hashlib.sha256(f"obs/{_REVISION}".encode()).hexdigest()
        self.seq_orders: SeqOrders = "nothing"
        self.heartbeat_ms = None
        # A recording has no id but its beginning.
        self.ids_start_anew = True
        self.policy: SessionPolicy = "record"
        self.mapped_names = _MAPPED
        self.read_names: frozenset[str] = frozenset()

    def is_telemetry(self, data: bytes) -> bool:
        """Whether a raw frame is a volume meter, told by its last bytes alone."""
        return data.endswith(_METERS)

    def read(self, frame: Frame) -> list[Reading]:
        """What this frame is. What it says, only the :meth:`reader` knows."""
        message = self.message(frame)
        if isinstance(message, Message):
            return [Reading(Verdict.MAPPED, message.kind)]
        return [message]

    def message(self, frame: Frame) -> Message | Reading:
        """This frame, as far as it can be understood by itself."""
        if not frame.binary and self.is_telemetry(frame.data):
            return Reading(Verdict.IGNORED, "InputVolumeMeters")
        parsed: Any = self._parse(frame)
        return parsed if isinstance(parsed, Reading) else message_of(parsed)

    def _is_unread(self, parsed: Any) -> bool:
        return is_chatter(parsed)

    def reader(self, policy: Policy, saved: object) -> ObsReader:
        """A reader that goes on from ``saved``."""
        return ObsReader(self.message, policy, saved)

    def handshake(self, password: str | None, policy: Policy | None = None) -> ObsHandshake:
        """A handshake for a new connection."""
        return ObsHandshake(password, () if policy is None else policy.sources)
