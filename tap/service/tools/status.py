"""``status``: what the running service reports; if it does not answer, what its journal says."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from tap.adapters.clock import wall_ms
from tap.adapters.journal import Journal
from tap.core.codec import venue_of
from tap.core.errors import JournalError, TapError, UsageInvalid
from tap.core.machine.state import State, decode_state
from tap.core.redact import redact_text
from tap.core.status import KeptNow, Report, Status
from tap.service.config import Settings
from tap.service.secret_files import fits_header
from tap.service.session_overview import sessions_in
from tap.service.tools.check_machine import unit
from tap.service.tools.chosen_tapes import oldest

__all__ = ["report", "report_from"]

_WITHIN_S = 5.0
_LONGEST = 16 * 2**20
_SO = "so this is what the journal says"
_SUCH_AS = "such as http://127.0.0.1:9405, as its TAP_OPS_LISTEN says"
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - an address to replace


def report(settings: Settings, *, venue: str | None = None, environ: Mapping[str, str] | None = None) -> Report:
    """The status of the venue's tap. ``venue``: the venue that the caller named, if any.

    ``environ``: the environment that the settings came from, which says which systemd unit this is. Without it, the
    report says nothing about the unit. Raises ``TapError`` if neither the service nor its journal can be read.
    """
    address = settings.ops_address
    if address is None:
        return _from_journal(settings, f"{_why_not(settings, environ)}TAP_OPS_LISTEN is off; {_SO}")
    host, port = _ANYWHERE.get(address[0], address[0]), address[1]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        found = _ask(url, settings)
    except TapError as error:
        return _from_journal(settings, f"{_why_not(settings, environ)}{error}; {_SO}")
    if venue is not None and found.venue != venue:
        why = f"{url} is the tap of venue {found.venue}, not of {venue} → give each venue a TAP_OPS_LISTEN of its own"
        return msgspec.structs.replace(_from_journal(settings, why), ok=False)
    return _report_of(found)


def report_from(url: str, settings: Settings) -> Report:
    """The status of the tap whose live page is at ``url``.

    Raises ``TapError`` if it does not answer, and ``UsageInvalid`` if ``url`` is not an address.
    """
    return _report_of(_ask(url, settings))


def _why_not(settings: Settings, environ: Mapping[str, str] | None) -> str:
    """Why the venue's service does not run, by ``TAP_ENABLED`` and systemd; empty if they do not say."""
    if not settings.enabled:
        return "the venue is switched off (TAP_ENABLED=0); "
    found = None if environ is None else unit(settings.venue, environ)
    return f"FAILED: {found.found} → {found.to_do}; " if found is not None and found.result == "failed" else ""


def _report_of(status: Status) -> Report:
    return Report(ok=status.now.health.state == "ok", running=True, status=status, sessions=status.sessions)


# ---------------------------------------------------------------------------------------------- the service


def _ask(url: str, settings: Settings) -> Status:
    shown = redact_text(url)
    token = settings.ops_token
    headers = {} if token is None else {"Authorization": _shown_token(token.get_secret_value())}
    try:
        code, body = _get(url, headers)
    except (OSError, http.client.HTTPException, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        hint = "is the tap running? ('systemctl status multicam-tap@VENUE')"
        raise TapError(f"no tap answers: {words}", where=shown, hint=hint) from None
    if code == 401:
        raise TapError("wants a token", where=shown, hint="set TAP_OPS_TOKEN, or TAP_OPS_TOKEN_FILE")
    try:
        return msgspec.json.decode(body, type=Status)
    except msgspec.MsgspecError:
        hint = "is this the address of its TAP_OPS_LISTEN? Or is it a tap of another version?"
        raise TapError(f"answers, but not as a tap does (HTTP {code})", where=shown, hint=hint) from None


def _shown_token(token: str) -> str:
    if fits_header(token):
        return f"Bearer {token}"
    return f"Basic {base64.b64encode(f':{token}'.encode()).decode()}"


def _get(url: str, headers: dict[str, str]) -> tuple[int, bytes]:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError as error:
        raise UsageInvalid(f"is not an address: {error}", where=redact_text(url), hint=_SUCH_AS) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageInvalid("is not the address of a tap", where=redact_text(url), hint=_SUCH_AS)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, port, timeout=_WITHIN_S)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/status.json", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(_LONGEST)
    finally:
        connection.close()


# ---------------------------------------------------------------------------------------------- the journal


def _from_journal(settings: Settings, why: str) -> Report:
    path = settings.journal_path
    try:
        with Journal.open(path, readonly=True) as journal:
            return _read(journal, path, why)
    except JournalError as error:
        raise TapError(f"{why.partition(';')[0]}; and its journal cannot be read: {error}") from None
    except PermissionError:
        nothing = f"{why.partition(';')[0]}; and you have no permission to read its journal"
        raise TapError(nothing, where=str(path), hint="run this as root or the tap's user") from None


def _read(journal: Journal, path: Path, why: str) -> Report:
    owned = Journal.is_owned(path)
    state = _state(journal)
    session = None if state is None else state.session
    live = session is not None and session.status == "live"
    # Whether the server is connected now is unknown; whether the service runs is not.
    running = session.key if session is not None and live and owned else None
    sessions = sessions_in(journal, wall_ms(), running)
    counts = journal.counts()
    kept = KeptNow(
        path=str(path),
        venue=venue_of(sessions[0].key) if sessions else None,
        pending=counts["pending"],
        shipped=counts["shipped"],
        dead=counts["dead"],
        last_heard=None if state is None or not state.wall else state.wall - (state.mono - state.heard),
        session=(session.title or session.key) if session is not None and live else None,
        tapes_since=oldest(path.with_name("tapes")),
    )
    return Report(ok=False, running=None if owned else False, why=why, journal=kept, sessions=sessions)


def _state(journal: Journal) -> State | None:
    checkpoint = journal.checkpoint()
    try:
        return None if checkpoint is None else decode_state(checkpoint)
    except msgspec.MsgspecError:
        return None
