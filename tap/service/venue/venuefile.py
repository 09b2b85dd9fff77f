"""The text of a venue's environment file, ``/etc/multicam-tap/VENUE.env``, made from the settings.

As a program it writes that of ``systemd/venue.env.example``.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Mapping
from typing import Final

from tap.service.config import SettingDoc, setting_docs

__all__ = ["environment_text"]

_WIDTH = 110
_HEAD: Final = """\
The settings of one venue: /etc/multicam-tap/VENUE.env, read by multicam-tap@VENUE.service. One NAME=VALUE a line.
Lines that begin with # show a setting and its default; remove the # to set it. After a change:
    systemctl restart multicam-tap@VENUE
"""
_UNDER_SYSTEMD: Final = {
    "TAP_STATE_DIR": "Leave it unset here: the unit gives /var/lib/multicam-tap/VENUE, and lets the service write"
    " nowhere else.",
    "TAP_SERVER_TOKEN": "Better: put it into /etc/credstore/multicam-tap.VENUE.server-token (mode 0600).",
    "TAP_OPS_TOKEN": "Better: put it into /etc/credstore/multicam-tap.VENUE.ops-token (mode 0600).",
    "TAP_INGEST_KEY": "Better: put it into /etc/credstore/multicam-tap.VENUE.ingest-key (mode 0600).",
}


def environment_text(values: Mapping[str, str], venue: str = "VENUE") -> str:
    """Every setting with its meaning and default as a comment; those in ``values`` set.

    ``values`` hold printable text without line breaks.
    """
    blocks = [_comment(_HEAD, venue)]
    for doc in setting_docs():
        name = doc.variable
        line = f"{name}={_quoted(values[name])}" if name in values else f"#{name}={doc.default}"
        blocks.append(f"{_comment(_meaning(doc), venue)}{line}\n")
    return "\n".join(blocks)


def _meaning(doc: SettingDoc) -> str:
    more = _UNDER_SYSTEMD.get(doc.variable)
    words = doc.description.replace("`", "'") + ("" if more is None else f" {more}")
    return f"{textwrap.fill(words, _WIDTH, break_long_words=False)}\nAllowed: {doc.allowed}"


def _comment(text: str, venue: str) -> str:
    return "".join(f"# {line}".rstrip() + "\n" for line in re.sub(r"\bVENUE\b", venue, text).splitlines())


def _quoted(value: str) -> str:
    if re.fullmatch(r"[\w.:/@%+,-]*", value, re.ASCII):
        return value
    escaped = re.sub(r'["\\$`]', r"\\\g<0>", value)
    return f'"{escaped}"'


if __name__ == "__main__":
    sys.stdout.write(environment_text({}))
