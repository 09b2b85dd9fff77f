"""``forget``: removes a shoot everywhere, when consent is withdrawn. Nothing else deletes history.

The ledger is first: once it has forgotten a session, it refuses every later entry of it, and a running tap then drops
its own copies. If this stops half-way, run it again.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr

from tap.adapters.journal import Journal
from tap.adapters.ledger import Ledger, LedgerRefused
from tap.core.codec import key_part, venue_of
from tap.core.errors import JournalError, SettingsInvalid, TapError
from tap.core.merge import Row, fold
from tap.core.session_steps import effective, of_session
from tap.service.config import Settings
from tap.service.secret_files import SecretFileInvalid, read_secret
from tap.service.tools.erase_tapes import Span, erase, spans_of

__all__ = ["Forgotten", "KnownSession", "admin_key", "forget", "look_up"]


class KnownSession(NamedTuple):
    """What is known of a session before it is forgotten."""

    title: str | None
    status: str | None
    entries: int
    """In the journal."""
    in_ledger: bool | None
    """None if the ledger was not checked: there is no ledger, or no key that may read it."""


class Forgotten(NamedTuple):
    """What was removed, and what was not."""

    rows: int | None
    """Rows in the ledger; None without a ledger."""
    entries: int
    frames: int
    """Frames on the flight recorder's tapes."""
    remains: list[Path]
    """Files that may still have something of the session. A person has to look at them."""


def admin_key(environ: Mapping[str, str]) -> SecretStr:
    """The key that may forget, from its variable or file.

    It is not a setting: the service must not have it, and refuses to start with it. Raises ``SettingsInvalid``.
    """
    key, file = environ.get("TAP_ADMIN_KEY"), environ.get("TAP_ADMIN_KEY_FILE")
    if key and file:
        raise SettingsInvalid(["TAP_ADMIN_KEY_FILE: TAP_ADMIN_KEY is set too → set only one of the two"])
    if file:
        key = _read(Path(file))
    if not key:
        hint = "only for this command, or a file named by TAP_ADMIN_KEY_FILE; the deployment knows its digest"
        raise SettingsInvalid([f"TAP_ADMIN_KEY: is not set → {hint}"])
    if not key.isascii() or not key.isprintable():
        raise SettingsInvalid(["TAP_ADMIN_KEY: contains more than printable ASCII → only the key"])
    return SecretStr(key)


def _read(file: Path) -> str:
    try:
        return read_secret(file)
    except SecretFileInvalid as error:
        raise SettingsInvalid([f"TAP_ADMIN_KEY_FILE: {file} {error}"]) from None


async def look_up(settings: Settings, session_key: str) -> KnownSession:
    """What journal and ledger know about a session.

    Raises ``TapError`` for a live session, and for one that neither knows: to forget a mistyped key cannot be undone.
    """
    kept = _kept(settings.journal_path, session_key)
    row = kept.get(session_key)
    in_ledger: bool | None = None
    if settings.convex_url is not None and settings.ingest_key is not None:
        async with Ledger(settings.convex_url, settings.ingest_key, module=settings.convex_module) as ledger:
            shown = await ledger.session(session_key)
        in_ledger = shown is not None
        # The ledger may have what other taps saw, the journal what is not sent yet: live in one of them is live.
        if shown is not None and (row is None or _status(shown) == "live"):
            row = shown
    status = None if row is None else _status(row)
    if status == "live":
        hint = "end it first; if its end was never seen, the tap closes it when it runs again"
        raise TapError("this session is live", where=session_key, hint=hint)
    if not kept and in_ledger is False:
        raise TapError("neither journal nor ledger knows it", where=session_key, hint="see 'multicam-tap sessions'")
    if not kept and settings.convex_url is None and not _aside(settings.state_dir):
        raise TapError("the journal does not know it", where=session_key, hint="see 'multicam-tap sessions'")
    title = None if row is None else row.fields.get("title")
    return KnownSession(title, status, _count(settings.journal_path, session_key), in_ledger)


def _status(row: Row) -> str | None:
    return "forgotten" if row.retracted is not None else row.fields.get("status")


def _kept(path: Path, session_key: str) -> dict[str, Row]:
    if not path.exists():
        return {}
    with Journal.open(path, readonly=True) as journal:
        return fold(kept.entry for kept in journal.session_entries(session_key))


def _count(path: Path, session_key: str) -> int:
    if not path.exists():
        return 0
    with Journal.open(path, readonly=True) as journal:
        return sum(journal.counts(session_key).values())


async def forget(settings: Settings, session_key: str, admin: SecretStr | None) -> Forgotten:
    """Remove a session from the ledger, the tapes, the journal, and files that were moved aside.

    ``admin`` is the key for the ledger; None skips the ledger. Raises ``LedgerError`` before anything here has changed,
    ``TapError`` if a tape cannot be rewritten, and ``JournalError``.
    """
    rows = None
    # What was joined to it goes with it.
    keys = _joined(settings.journal_path, session_key)
    if settings.convex_url is not None and admin is not None:
        rows = sum([await _forget_rows(settings.convex_url, settings.convex_module, key, admin) for key in keys])
    # The journal after the tapes: it knows when the session ran, also where this has to be run again.
    spans, chosen = _spans(settings.journal_path, session_key)
    frames = 0 if spans is None else erase(settings.tapes_path, session_key, spans, settings.dialect, chosen=chosen)
    entries = 0
    if settings.journal_path.exists():
        with Journal.open(settings.journal_path) as journal:
            entries = sum(journal.forget(key) for key in keys)
    # What the live page has had made of sessions is made again for who asks.
    shutil.rmtree(settings.made_path, ignore_errors=True)
    remains = [path for path in _aside(settings.state_dir) if not _clean(path, session_key)]
    return Forgotten(rows, entries, frames, remains)


def _joined(path: Path, session_key: str) -> list[str]:
    """The session, and the sessions that were joined to it."""
    if not path.exists():
        return [session_key]
    with Journal.open(path, readonly=True) as journal:
        steps = [step for step in effective(journal.steps()) if step.how == "merge" and step.keys[0] == session_key]
        others = dict.fromkeys(key for step in steps for key in step.keys[1:])
        return [session_key, *(key for key in others if not _is_there(journal, key))]


def _is_there(journal: Journal, key: str) -> bool:
    row = fold(kept.entry for kept in journal.entries(key, op="session")).get(key)
    return row is not None and row.retracted is None


def _spans(path: Path, session_key: str) -> tuple[list[Span] | None, list[Span]]:
    """When a session ran, by its entries in the journal and by what somebody chose. None: it has no own frames."""
    if not path.exists():
        return [], []
    with Journal.open(path, readonly=True) as journal:
        touched = [step for step in of_session(journal.steps(), session_key) if step.how != "rename"]
        if not touched:
            return spans_of(journal.session_entries(session_key)), []
        chosen = _chosen(journal, session_key)
        return ([] if chosen else None), chosen


def _chosen(journal: Journal, session_key: str) -> list[Span]:
    """All times that ever belonged to a session, without those that belong to another one now."""
    begins = ends = None
    for kept in journal.entries(session_key, op="session"):
        fields = kept.entry.fields
        if isinstance(fields.get("startedAt"), int) and isinstance(fields.get("completedAt"), int):
            begins = min(fields["startedAt"], fields["startedAt"] if begins is None else begins)
            ends = max(fields["completedAt"], fields["completedAt"] if ends is None else ends)
    if begins is None or ends is None:
        return []
    left = [(begins, ends)]
    for row in fold(kept.entry for kept in journal.session_rows(f"{key_part(venue_of(session_key))}/")).values():
        since, until = row.fields.get("startedAt"), row.fields.get("completedAt")
        if row.key != session_key and row.retracted is None and isinstance(since, int) and isinstance(until, int):
            left = [piece for one in left for piece in _without(one, since, until)]
    return left


def _without(span: Span, since: int, until: int) -> list[Span]:
    begins, ends = span
    if until < begins or since > ends:
        return [span]
    # Where one part follows another at once, what happened then is of the second.
    after = until if until == begins else until + 1
    return [piece for piece in ((begins, min(ends, since - 1)), (max(begins, after), ends)) if piece[0] <= piece[1]]


async def _forget_rows(url: str, module: str, session_key: str, admin: SecretStr) -> int:
    async with Ledger(url, None, module=module) as ledger:
        try:
            return await ledger.forget(admin, session_key)
        except LedgerRefused as error:
            if error.code not in ("key_wrong", "key_missing", "venue"):
                raise
            hint = "nothing was deleted; check TAP_ADMIN_KEY, and whether the deployment has it ('multicam-tap key ls')"
            raise TapError("does not accept this admin key", where=error.where, hint=hint) from None


def _aside(state_dir: Path) -> list[Path]:
    """Files that the service has moved aside: damaged journals with their other files, and checkpoints."""
    return sorted(
        [
            *state_dir.glob("journal.damaged-*"),
            *state_dir.glob("journal.newer-*"),
            *state_dir.glob("checkpoint-unreadable-*.json"),
        ]
    )


def _clean(path: Path, session_key: str) -> bool:
    """Whether a file that was moved aside certainly does not have the session any more."""
    if path.suffix == ".json":
        return session_key.encode() not in path.read_bytes()
    if path.suffix != ".db":
        # A log or index without its journal; one that has it went with that.
        return path.with_name(path.name.rpartition("-")[0]).exists() or not path.exists()
    try:
        with Journal.open(path) as journal:
            journal.forget(session_key)
            # What is not whole may hold it where no query leads.
            return not journal.verify()
    except JournalError:
        return False
