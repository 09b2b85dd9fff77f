"""Reading what came back: values into answers and rows, failures into errors. Nothing that was said is trusted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from tap.adapters.ledger.answers import Answer, Outcome
from tap.adapters.ledger.errors import LedgerAway, LedgerRefused, garbage
from tap.adapters.ledger.values import EXACT
from tap.adapters.ledger.words import BLOCKING, sentence_of
from tap.core.codec import LATEST_VERSION, sub_key
from tap.core.deployment import LOGS, Deployment, read_deployment
from tap.core.errors import LedgerError
from tap.core.merge import Row
from tap.core.model import Op

__all__ = ["Replies", "count"]


_WORDS = 300
_REQUEST = re.compile(r"\[Request ID: ([0-9a-f]{1,32})\]")


class Replies:
    """Reads the answers of one ledger: ``where`` is its address as people may see it, ``secret`` gives our key.

    What reads raises ``LedgerAway`` (``garbage``) where an answer is nothing that Convex says.
    """

    def __init__(self, where: str, secret: Callable[[], str | None]) -> None:
        self._where = where
        self._secret = secret

    def deployment(self, said: Any) -> Deployment:
        """What the function ``about`` says that a deployment takes."""
        try:
            return read_deployment(said)
        except ValueError:
            raise garbage(self._where) from None

    def answers(self, value: Any, sent: Sequence[str]) -> list[Answer]:
        """What became of the entries with the keys ``sent``, in their order."""
        if not isinstance(value, list) or len(value) != len(sent):
            raise garbage(self._where)
        return [self._answer(said, key) for said, key in zip(value, sent, strict=True)]

    def _answer(self, said: Any, key: str) -> Answer:
        if not isinstance(said, dict) or said.get("outcome") not in get_args(Outcome):
            raise garbage(self._where)
        # An answer for another entry must settle nothing. (The ledger cuts keys that are too long to be any.)
        if said.get("key", key) != key and said["key"] != key[:1000]:
            raise garbage(self._where)
        code, reason, field = (self.clean(said.get(name)) or None for name in ("code", "reason", "field"))
        return Answer(key, said["outcome"], code, reason, field, count(said.get("version"), LATEST_VERSION))

    def row(self, op: Op, shown: Any) -> Row:
        """A row as the ledger shows it."""
        try:
            fields = dict(shown)
            session_key = fields.pop("sessionKey")
            fields.pop("venue", None)
            version, revision = (count(fields.pop(name, 0), int(EXACT)) for name in ("version", "revision"))
            retracted = fields.pop("retracted", None)
            key = _KEYS[op](session_key, fields)
        except (TypeError, ValueError, KeyError):
            raise garbage(self._where) from None
        if version is None or revision is None or not isinstance(session_key, str):
            raise garbage(self._where)
        return Row(key, op, session_key, version, revision, fields, retracted)

    def failure(self, path: str, said: Mapping[str, Any]) -> LedgerError:
        """The error for a call of the function ``path`` that failed, and of which this was said."""
        if "errorData" in said:
            thrown = said["errorData"]
            data = thrown if isinstance(thrown, dict) else {}
            code, reason = self.clean(data.get("code")) or "thrown", self.clean(data.get("reason"))
            words, hint = BLOCKING.get(code) or (f"refused the call: {code}", None)
            return LedgerRefused(code, f"{words}: {reason}" if reason else words, where=self._where, hint=hint)
        message = str(said.get("errorMessage"))
        known = sentence_of(message)
        if known is not None:
            words, hint = BLOCKING[known]
            words = f"{words}: {path}" if known == "no_function" else words
            return LedgerRefused(known, words, where=self._where, hint=hint)
        # The id finds the failure in the deployment's own log; the text may quote the key.
        request = _REQUEST.match(message)
        named = "" if request is None else f" (request {request[1]})"
        return LedgerAway("server_error", f"failed inside{named}", where=self._where, hint=LOGS)

    def clean(self, text: Any) -> str:
        """Words of the other side, bounded, without the key should it be among them, and text that can be saved."""
        words = text if isinstance(text, str) else ""
        key = self._secret()
        words = (words.replace(key, "[key]") if key else words)[:_WORDS]
        return words.encode("utf-8", "replace").decode()


_KEYS: Mapping[Op, Callable[[str, dict[str, Any]], str]] = {
    "session": lambda session, _: session,
    "camera": lambda session, fields: sub_key(session, "camera", fields["cameraId"]),
    "event": lambda _, fields: str(fields.pop("eventKey")),
    "still": lambda _, fields: str(fields.pop("stillKey")),
}


def count(value: object, most: int) -> int | None:
    """A count or a version that a ledger tells; None where it is no whole number from 0 to ``most``."""
    return value if type(value) is int and 0 <= value <= most else None
