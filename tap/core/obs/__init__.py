"""obs-websocket v5, the control WebSocket of OBS: scenes as cameras, a recording (or stream) as the session.

``messages`` says what a frame is, ``reader`` what the frames say together, ``handshake`` what OBS has to be told
before it tells anything. What becomes of what is described in ``docs/obs.md``.
"""

from tap.core.obs.dialect import ObsDialect

__all__ = ["ObsDialect"]
