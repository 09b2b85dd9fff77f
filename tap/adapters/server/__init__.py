"""The camera server or OBS: one WebSocket connection after another, each frame stamped and handed on.

A line in here may touch the network towards the server. No data frame leaves it but what a handshake has to say.
Others import what is in ``__all__`` from here.
"""

from __future__ import annotations

from tap.adapters.server.disposition import Disposition, Retry, disposition
from tap.adapters.server.socket import MAX_FRAME, ServerSocket, Timing

__all__ = ["MAX_FRAME", "Disposition", "Retry", "ServerSocket", "Timing", "disposition"]
