"""The way out: what the journal holds goes to the ledger, in order, for as long as it takes.

A batch is asked for, sent, and settled by its answers; only then comes the next. Nothing counts as shipped that the
ledger has not answered for, so whatever ends this (a kill, a timeout, an answer lost on the way) costs a repetition,
which the ledger knows as one. What a failure means is for ``remedy_for`` to say; here it is only carried out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from typing import Literal, TypeAlias, TypeVar

from anyio import current_time, move_on_after, sleep

from tap.adapters.clock import wall_ms
from tap.adapters.journal import Journal, JournalWriter, Kept
from tap.adapters.ledger import (
    MAX_ENTRIES,
    REFUSES_ALL,
    Answer,
    LedgerAway,
    LedgerRefused,
    Remedy,
    refused,
    remedy_for,
)
from tap.adapters.threads import Bell, on_daemon, result_of
from tap.core.backoff import Backoff
from tap.core.codec import venue_of
from tap.core.errors import JournalBusy, JournalError, LedgerError
from tap.service.running.publishing.forgotten_sessions import ForgottenSessions
from tap.service.running.publishing.older_deployment import IN_PART, REFUSED, UNKNOWN, OlderDeployment, consumed
from tap.service.running.publishing.pending_batches import PendingBatches
from tap.service.running.publishing.postponed import PostponedEntries
from tap.service.running.publishing.publishing_log import PublishingLog, slip_words
from tap.service.running.publishing.shipping import Pace, PublishingState, Shipping, Target, from_memory, outdated
from tap.service.running.publishing.suspects import SUSPECTED, refuse_others

__all__ = ["Publisher"]

_UNPROVEN = 10
"""How many entries may fail in a row, nothing between them getting through, before it is the ledger's fault."""
_MOST_UNSETTLED = 20_000
"""Answers that wait in memory for a disk that takes nothing: some megabytes."""
_MOST_POSTPONED = 1_000
"""If more entries than this fail, the cause is not in single entries."""
_SOUND_FROM = 4
"""After this many attempts with the same failure, the ledger is asked whether it accepts anything."""
_CLOSE_WITHIN_S = 1.0
_KEY_CODES = ("key_missing", "key_wrong", "key_rights", "venue")
_MAY_BE_OLD = frozenset(("unknown_field", "missing_field", "type", "value", "op", "shape"))
"""Why an older deployment rejects what a newer one takes."""
_LOOK = "see 'multicam-tap check'; nothing is lost meanwhile, and the tap tries again by itself"
_NO_REASON = "rejected: the ledger rejects this entry without a reason"

_T = TypeVar("_T")
_Settled: TypeAlias = tuple[int, Literal["shipped", "dead"], str | None]


class Publisher:
    """Sends a journal's entries to a ledger. ``run`` it as a task, once; cancelling it loses nothing.

    ``venue`` is the tap's own. ``on_stale`` is called with the key and the version of a row of which the ledger has a
    newer version than ours: a tap that lost its journal has to continue above it. ``on_delivered`` is called with
    entries that the ledger has answered for. Both are called on the event loop. ``now`` gives wall ms, ``jitter`` 0 to
    1. ``read_key_again`` reads the key's file and says whether it has another key. It is called on a thread of its own
    while the ledger does not accept the key.
    """

    def __init__(
        self,
        writer: JournalWriter,
        ledger: Target,
        *,
        venue: str,
        on_stale: Callable[[str, int], object] | None = None,
        on_delivered: Callable[[list[Kept]], object] | None = None,
        read_key_again: Callable[[], bool] | None = None,
        pace: Pace | None = None,
        now: Callable[[], int] = wall_ms,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.shipping = Shipping(since=now())
        self._writer = writer
        self._ledger = ledger
        self._log = PublishingLog(ledger.shown, self.shipping, now)
        self._venue = venue
        self._on_stale = on_stale
        self._on_delivered = on_delivered
        self._read_key_again = read_key_again
        self._pace = Pace() if pace is None else pace
        self._now = now
        self._jitter = jitter
        self._attempt = 0
        """Calls that failed since one succeeded."""
        self._blocked = 0
        """Refusals that somebody has to mend since one succeeded."""
        self._code = ""
        """What the last of them failed with."""
        self._unproven = 0
        """Entries that failed by themselves since one got through."""
        self._postponed = PostponedEntries(self._pace.postponed, self._pace.longest_postponed)
        self._older = OlderDeployment(self._pace.ask_older)
        self._batches = PendingBatches(self._waits_apart, self._pace.look_every)
        self._unsettled: dict[int, tuple[Literal["shipped", "dead"], str | None]] = {}
        """Answers, by ``seq``, that the journal could not note yet."""
        self._seen_next: list[Kept] | None = None
        """What the last look found next, for the next turn: a look costs a way to another thread."""
        self._ahead = (0, 0)
        """How far entries went from memory, since the disk takes none."""
        self._ahead_at_once = MAX_ENTRIES
        self._tried_again = False
        """The last turn was for one of those: now it is the others'."""
        self._known = False
        """The ledger has answered since the start."""
        self._forgotten = ForgottenSessions(ledger)
        self._news = Bell()

    def notify(self) -> None:
        """There is something to send. From any thread, and cheap; also before ``run`` and after its end."""
        self._news.ring()

    async def run(self) -> None:
        """Ship for ever; ends only by being cancelled, and then lets go of the ledger."""
        self._news.listen()
        try:
            while True:
                await self._turn_safely()
        finally:
            # Shielded, since it is cancelled by now, and so would be this.
            with move_on_after(_CLOSE_WITHIN_S, shield=True):
                await self._ledger.close()

    # ------------------------------------------------------------------------------------------ one batch

    async def _turn_safely(self) -> None:
        """One batch, or the wait for one, or the wait after a failure."""
        try:
            if not await self._turn():
                await self._wait_for_news()
        except JournalError as error:
            self._stands("blocked", error)
            await sleep(self._pace.look_every)
        except LedgerError as error:
            await self._wait_for_ledger(error)
        except Exception as error:  # noqa: BLE001 - a slip of ours out here must not end the recording
            self._stands("blocked", LedgerError(slip_words(error), hint="restart the tap, and report it"))
            await sleep(self._pace.blocked_every)

    async def _turn(self) -> bool:
        """Ship the next batch; False where there was none."""
        if self._older.is_to_ask(current_time()):
            await self._ask()
        batch = await self._next()
        if await self._took_one_again(instead=bool(batch)):
            return True
        if not batch and self._known:
            if await self._ship_from_memory():
                return True
            self._stands("idle")
            return False
        if batch and self._known and self.shipping.state == "idle":
            self._stands("shipping")
        # The first call is made without entries too: a wrong key is to be known before the shoot, not in it.
        sounding = bool(batch) and self._is_to_sound()
        try:
            await (self._sound() if sounding else self._ship(batch))
        except LedgerError as error:
            self._attempt += 1
            self._code = getattr(error, "code", "")
            suspected = remedy_for(error, attempt=self._attempt, entries=len(batch)) in SUSPECTED
            if not suspected or (not batch and self._code != "server_error"):
                raise
            if self._code == "server_error":
                await self._look_for_ingest(asked_already=not batch)
        else:
            if not sounding:
                return True
        await self._narrow(batch, self._code)
        return True

    async def _look_for_ingest(self, *, asked_already: bool) -> None:
        """Raises what is no entry's fault after a bare error, in which production tells of a paused deployment too."""
        if not asked_already:
            await self._ask()
            try:
                await self._ledger.ingest([])
            except LedgerAway as error:
                if error.code != "server_error":
                    raise
            else:
                return
        raise refused("half_deployed", self._ledger.shown)

    async def _ask(self) -> None:
        """Ask what the deployment takes, and whether our key may write there."""
        try:
            deployment = await self._ledger.about()
            if deployment.may is not None and "write" not in deployment.may:
                raise refused("key_rights", self._ledger.shown)
            if not deployment.serves(self._venue):
                raise refused("venue", self._ledger.shown)
        except LedgerError:
            self._attempt += 1
            raise
        was_older, waited = self._older.is_older, self._older.held + self._older.in_part
        if self._older.told(deployment, current_time()):
            self._batches.start_over()
        self._count_older()
        self._log.older(was_older=was_older, is_older=self._older.is_older, waited=waited)

    def _count_older(self) -> None:
        self.shipping.older = self._older.is_older
        self.shipping.held, self.shipping.in_part = self._older.held, self._older.in_part

    async def _next(self) -> list[Kept]:
        """The next entries that the journal has; none where the disk that takes nothing gives nothing either."""
        seen, self._seen_next = self._seen_next, None
        if seen is not None and self._writer.failing is None and not self._unsettled:
            return [kept for kept in seen if not self._waits_apart(kept.seq)]
        # Before the look: what is committed from here on calls for another.
        self._news.mute()
        try:
            if self._unsettled:
                await self._note_answers({})
            return await self._in_writer(self._look)
        except JournalError as error:
            # Where another tap has this journal by now, what is in memory here is not to be sent either.
            if self._writer.failing is None or isinstance(error, JournalBusy):
                raise
            self._batches.saw_all = False
            return []

    async def _took_one_again(self, *, instead: bool) -> bool:
        """Try an entry that has waited long enough, if there is one: ``instead`` of others only every other time."""
        again = await self._due_again() if self._known and not (instead and self._tried_again) else None
        self._tried_again = again is not None
        if again is not None:
            await self._try_again(again)
        return again is not None

    def _is_to_sound(self) -> bool:
        """Whether to ask first if the ledger takes a call that has no entry: whatever goes on failing may be one.

        A time-out, say, or a proxy that refuses a word. At the 4th, 8th, 16th attempt …, in the place of the batch.
        """
        often = self._attempt >= _SOUND_FROM and not self._attempt & (self._attempt - 1)
        return often and self._code not in REFUSES_ALL

    async def _sound(self) -> None:
        self.shipping.calls += 1
        await self._ledger.ingest([])
        self._attempt += 1

    def _look(self, journal: Journal, *, noted: bool = False, new: bool = False) -> list[Kept]:
        """The next entries, without those that wait by themselves. On the journal's thread, while the loop waits.

        ``new``: nothing was left to be sent before the last commit.
        """
        added = self._batches.committed(journal) if new else None
        batch = self._batches.next(journal) if added is None else added
        waiting = len(batch)
        if not self._batches.saw_all:
            unsettled = len(self._writer.unnoted) + (0 if noted else len(self._unsettled))
            apart = len(self._postponed) + unsettled + self._older.held + self._older.in_part
            waiting = max(0, journal.counts()["pending"] - apart)
        self.shipping.waiting = waiting
        return batch

    def _waits_apart(self, seq: int) -> bool:
        settled = seq in self._unsettled or seq in self._writer.unnoted
        return settled or seq in self._postponed or seq in self._older

    async def _ship(self, batch: Sequence[Kept]) -> None:
        """Send a batch, in as many calls as its bytes need; each is settled before the next."""
        rest = batch
        while rest or not self._known:
            rest = rest[await self._send(rest) :]
        if self._seen_next is None and self._batches.saw_all:
            self._seen_next = []

    async def _send(self, entries: Sequence[Kept]) -> int:
        """Send the first of the entries in one call, and settle them; how many are done with."""
        fits = self._older.fitted(kept.entry for kept in entries)
        going = [(kept, fit) for kept, fit in zip(entries, fits, strict=True) if fit is not None]
        if len(going) < len(entries):
            await self._hold([(kept, UNKNOWN) for kept, fit in zip(entries, fits, strict=True) if fit is None])
            if not going:
                return len(entries)
        self.shipping.calls += 1
        answers = await self._ledger.ingest([fit for _, fit in going])
        if await self._became_older(answers):
            # It takes less than it said: again, as it takes them now.
            return 0
        answered = list(zip((kept for kept, _ in going), answers, strict=False))
        foreign = next((kept for kept, answer in answered if self._locked_out(kept, answer)), None)
        if foreign is not None:
            # The entries are right and the key is not: they stay, and the others of the call come again with them.
            raise refused("venue", self._ledger.shown)
        self._succeeded(len(answered))
        done = consumed(fits, len(answered))
        if answered:
            in_part = {kept.seq for kept, fit in going if fit is not kept.entry}
            await self._note_outcomes(answered, in_part, last=done == len(entries))
        return done

    async def _became_older(self, answers: Sequence[Answer]) -> bool:
        """Whether older functions were deployed meanwhile, where some answers look like theirs."""
        if self._older.is_older or not any(answer.code in _MAY_BE_OLD for answer in answers):
            return False
        await self._ask()
        return self._older.is_older

    async def _hold(self, reasons: Sequence[tuple[Kept, str]], *, in_part: bool = False) -> None:
        """Let these wait for newer functions, with the reason in the journal."""
        if not reasons:
            return
        for kept, _ in reasons:
            self._postponed.done(kept.seq)
            self._older.hold(kept.seq, kept.entry.session_key, in_part=in_part)
        self.shipping.postponed = len(self._postponed)
        self._count_older()
        noted = [(kept.seq, reason) for kept, reason in reasons if kept.reason != reason]
        with suppress(JournalError):  # a disk that takes nothing now: it waits all the same
            await self._in_writer(lambda journal: journal.note(noted))

    def _locked_out(self, kept: Kept, answer: Answer) -> bool:
        return answer.code == "venue" and venue_of(kept.entry.session_key) == self._venue

    async def _note_outcomes(self, answered: Sequence[tuple[Kept, Answer]], in_part: Set[int], *, last: bool) -> None:
        """Note the answers in the journal, then tell of them. Of those ``in_part`` not all was sent."""
        taken = [kept for kept, answer in answered if answer.outcome != "rejected"]
        await self._hold([(kept, IN_PART) for kept in taken if kept.seq in in_part], in_part=True)
        settled: list[_Settled] = [(kept.seq, "shipped", None) for kept in taken if kept.seq not in in_part]
        rejected = [(kept, answer) for kept, answer in answered if answer.outcome == "rejected"]
        if self._older.is_older:
            # Older functions refuse what newer ones may take: nothing is set aside for their age.
            await self._hold([(kept, f"{REFUSED}: {why.words}") for kept, why in rejected if why.code in _MAY_BE_OLD])
            rejected = [(kept, why) for kept, why in rejected if why.code not in _MAY_BE_OLD]
        dead = [(kept, answer.words) for kept, answer in rejected if answer.reasoned and answer.code != "forgotten"]
        settled += [(kept.seq, "dead", words) for kept, words in dead]
        said = dict.fromkeys(kept.entry.session_key for kept, answer in rejected if answer.code == "forgotten")
        forgotten = dict.fromkeys(await self._forgotten.confirmed(said), 0)

        for seq, _, _ in settled:
            self._postponed.done(seq)
        self.shipping.postponed = len(self._postponed)
        # Where the journal did not take answers so far, no more of them may pile up.
        at_once = dead or forgotten or self._unsettled or self._writer.unnoted or self._writer.failing
        if last and self._batches.saw_all and not at_once:
            # Mostly another cut comes soon, and this is noted with it: each commit costs as much as one.
            self._writer.note_shipped([seq for seq, _, _ in settled], self._now())
            self.shipping.waiting = max(0, self.shipping.waiting - len(settled))
        else:
            self._unsettled |= {seq: (state, reason) for seq, state, reason in settled}
            await self._note_answers(forgotten, look=last)
        self._count(answered, len(dead), forgotten)
        if self._on_delivered is not None:
            self._on_delivered([kept for kept in taken if kept.seq not in in_part])
        self._log.rejected(dead)
        if self._on_stale is not None:
            for key, version in outdated(answered):
                self._on_stale(key, version)
        ended = {seq for seq, _, _ in settled}
        left = [kept for kept, _ in rejected if kept.seq not in ended and kept.entry.session_key not in forgotten]
        await self._let_wait(left, {kept.seq: _NO_REASON for kept in left})

    async def _note_answers(self, forgotten: dict[str, int], *, look: bool = False) -> None:
        """Into the journal with the answers that it does not have, and out with what is forgotten, counted there.

        A disk that takes nothing now must not keep what is on it from a ledger that is well: they wait in memory.
        ``look``: on the same way, for the next turn.
        """
        settled = [(seq, *said) for seq, said in self._unsettled.items()]
        self._seen_next = None
        self._news.mute()

        def settle(journal: Journal) -> list[Kept] | None:
            journal.settle(settled, self._now())
            for session in forgotten:
                forgotten[session] = journal.forget(session)
            return self._look(journal, noted=True) if look else None

        try:
            self._seen_next = await self._in_writer(settle)
        except JournalError as error:
            if isinstance(error, JournalBusy) or len(self._unsettled) > _MOST_UNSETTLED:
                raise
        else:
            self._unsettled.clear()

    async def _ship_from_memory(self) -> bool:
        """While the disk takes nothing: send what waits for it, in order; False where there was none of it.

        It is saved, and sent once more, when the disk can be written again: the ledger knows a repetition as one.
        """
        if self._writer.failing is None:
            self._ahead_at_once = MAX_ENTRIES
            return False
        place, entries = self._writer.in_memory(self._ahead_at_once, self._ahead)
        if not entries:
            return False
        fits = from_memory(self._older.fitted(entries))
        going = [fit for fit in fits if fit is not None]
        self.shipping.calls += bool(going)
        try:
            answers = await self._ledger.ingest(going) if going else []
        except LedgerError as error:
            self._attempt += 1
            if remedy_for(error, attempt=self._attempt, entries=len(entries)) not in SUSPECTED:
                raise
            if len(entries) == 1:
                self._ahead = place
            self._ahead_at_once = 1
            return True
        self._succeeded(len(answers))
        self._ahead = place[0], place[1] - len(entries) + consumed(fits, len(answers))
        return True

    # ------------------------------------------------------------------------------------------ the bad entry

    async def _narrow(self, batch: Sequence[Kept], code: str) -> None:
        """Send a batch that failed with ``code`` in ever smaller parts, in order, and postpone what fails by itself.

        An entry is only blamed where the ledger takes others: where ten fail in a row, it is asked for one more.
        """
        parts = [batch]
        suspects: list[tuple[Kept, LedgerError]] = []
        while parts:
            part = parts.pop()
            try:
                sent = await self._send(part)
            except LedgerError as error:
                refuse_others(error, code)
                if len(part) > 1:
                    half = len(part) // 2
                    parts += [part[half:], part[:half]]
                    continue
                suspects.append((part[0], error))
                if self._unproven + len(suspects) >= _UNPROVEN:
                    await self._find_witness(batch, {kept.seq for kept, _ in suspects})
                    await self._postpone(suspects)
            else:
                if sent < len(part):
                    parts.append(part[sent:])
                await self._postpone(suspects)
                self._unproven = 0
        if suspects:
            # Nothing else was left to send: does it take anything at all?
            await self._send([])
            self._unproven += len(suspects)
            await self._postpone(suspects)

    async def _find_witness(self, batch: Sequence[Kept], suspects: set[int]) -> None:
        """The last of the batch gets through where the first ones did not; else the ledger fails on all of them."""
        if batch[-1].seq not in suspects:
            with suppress(LedgerError):
                await self._send(batch[-1:])
                self._unproven = 0
                return
        raise refused("failing", self._ledger.shown)

    async def _postpone(self, suspects: list[tuple[Kept, LedgerError]]) -> None:
        """Let these wait by themselves, with the reason in the journal. Empties the list."""
        taken, suspects[:] = suspects[:], []
        reasons = {
            kept.seq: f"{getattr(error, 'code', 'failed')}: the ledger {error.what}, on this entry by itself"
            for kept, error in taken
        }
        await self._let_wait([kept for kept, _ in taken], reasons)

    async def _let_wait(self, entries: Sequence[Kept], reasons: Mapping[int, str]) -> None:
        if not entries:
            return
        now = current_time()
        new = [kept for kept in entries if self._postponed.add(kept.seq, now)]
        self.shipping.postponed = len(self._postponed)
        noted = [(kept.seq, reasons[kept.seq]) for kept in entries if kept.reason != reasons[kept.seq]]
        with suppress(JournalError):  # a disk that takes nothing now: it waits all the same
            await self._in_writer(lambda journal: journal.note(noted))
        self._log.postponed(new, reasons[entries[0].seq])
        if len(self._postponed) > _MOST_POSTPONED:
            raise refused("failing", self._ledger.shown)

    async def _due_again(self) -> Kept | None:
        """The entry that has waited for long enough, if there is one."""
        seq = self._postponed.due(current_time())
        if seq is None:
            return None
        found = await self._in_writer(lambda journal: journal.pending(1, seq - 1))
        if found and found[0].seq == seq:
            return found[0]
        # It was forgotten, or settled by somebody else.
        self._postponed.done(seq)
        self.shipping.postponed = len(self._postponed)
        return None

    async def _try_again(self, kept: Kept) -> None:
        """An entry that failed before, by itself."""
        now = current_time()
        try:
            await self._send([kept])
        except LedgerError as error:
            try:
                if getattr(error, "code", "") in REFUSES_ALL:
                    raise
                # Does it take anything at all?
                await self._send([])
            except LedgerError:
                self._attempt += 1
                raise
            await self._postpone([(kept, error)])
        else:
            self._postponed.hurry(now)

    # ------------------------------------------------------------------------------------------ waiting

    async def _wait_for_news(self) -> None:
        """Until something is committed, which is looked up on the way here, or the disk takes nothing any more."""
        self._news.mute()
        looking = self._writer.run_after_commit(lambda journal, new: self._look(journal, new=new))
        looking.add_done_callback(lambda _: self.notify())
        with move_on_after(self._pace.note_within if self._writer.unnoted else self._pace.look_every):
            await self._news.wait()
        if looking.done() and not looking.exception():
            self._seen_next = looking.result()
        looking.cancel()

    async def _wait_for_ledger(self, error: LedgerError) -> None:
        self.shipping.failures += 1
        # A refusal that no entry could be blamed for is for somebody to mend.
        blocked = isinstance(error, LedgerRefused) or remedy_for(error, attempt=self._attempt) is Remedy.BLOCKED
        if isinstance(error, LedgerAway) and error.code == "timeout":
            # It may be slow rather than gone: a smaller batch may be done in time.
            self._batches.smaller()
        self._stands("blocked" if blocked else "away", error)
        if blocked:
            await self._wait_for_a_hand(error)
        else:
            self._log.still_away(self._pace.worrying)
            asked = error.retry_after if isinstance(error, LedgerAway) else None
            await sleep(self._pace.delay(self._attempt, self._jitter(), asked))

    async def _wait_for_a_hand(self, error: LedgerError) -> None:
        """Until the next attempt; sooner where another key is in the key's file."""
        # Soon at first: a proxy, or a deployment that changes, may refuse once what it takes a moment later.
        self._blocked += 1
        left = Backoff(self._pace.first_delay, self._pace.blocked_every).wait(self._blocked)
        read_again = self._read_key_again if getattr(error, "code", "") in _KEY_CODES else None
        while left > 0:
            await sleep(min(left, self._pace.look_every))
            left -= self._pace.look_every
            if read_again is not None and await on_daemon(read_again, "key-file"):
                self._log.key_changed()
                return

    async def _in_writer(self, function: Callable[[Journal], _T]) -> _T:
        return await result_of(self._writer.run_in_writer(function, anyway=True))

    # ------------------------------------------------------------------------------------------ what is told

    def _succeeded(self, entries: int) -> None:
        shipping = self.shipping
        shipping.last_success = self._now()
        self._batches.larger()
        if not self._known and shipping.state == "idle":
            self._log.first_answer()
        self._known = True
        self._stands("shipping" if entries else "idle")
        self._attempt = self._blocked = 0

    def _stands(self, state: PublishingState, error: LedgerError | JournalError | None = None) -> None:
        """Set the present state. A change for the worse, or back, is logged once."""
        shipping = self.shipping
        reason, hint = (None, None) if error is None else (error.what, error.hint or _LOOK)
        if error is not None:
            # There will be a wait, and others in the journal meanwhile.
            self._seen_next = None
        if state != shipping.state:
            shipping.since = self._now()
            self._log.state_changed()
        shipping.state, shipping.reason, shipping.hint = state, reason, hint
        self._log.stands(state, reason, hint, failures=self._attempt)

    def _count(self, answered: Sequence[tuple[Kept, Answer]], dead: int, forgotten: dict[str, int]) -> None:
        shipping = self.shipping
        shipping.dead += dead
        shipping.count(answer for _, answer in answered)
        self._older.drop(forgotten)
        self._count_older()
        for session, entries in forgotten.items():
            shipping.forgotten += entries
            if self._forgotten.add(session):
                self._log.forgotten(session)
