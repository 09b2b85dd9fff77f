"""Mapping files with mistakes in them, and texts with secrets in them; each drawn."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

_WORDS = (
    *("true", "false", "0", "1", "-1", "5", "1.5", '""', '"."', '"a.b"', '"a..b"', '"$type"', "[]", '["a"]', "{}"),
    *('"ms"', '"s"', '"iso"', '"seconds"', '"cut"', '"state"', '"snapshot"', '"boot"', '"connection"', '"nothing"'),
    *('"payload"', '["payload", "data"]', '{ a = "b" }', '{ path = "program", unit = "s" }', '"x" # y'),
)
_PART = re.compile(r'"[^"\n]*"|[A-Za-z_]+|[0-9.]+|\S')


def mistaken(mapping: str, rng: Random) -> str:
    """One to three slips: a line lost, doubled, elsewhere; a word or value that is another."""
    lines = mapping.splitlines()
    for _ in range(rng.randint(1, 3)):
        said = [at for at, line in enumerate(lines) if line.strip() and not line.startswith("#")]
        at = rng.choice(said)
        match rng.randrange(6):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[at])
            case 2:
                other = rng.choice(said)
                lines[at], lines[other] = lines[other], lines[at]
            case 3 if "=" in lines[at]:
                lines[at] = f"{lines[at].partition('=')[0]}= {rng.choice(_WORDS)}"
            case 4 if "=" in lines[at]:
                lines[at] = f"{rng.choice(lines).partition('=')[0]}={lines[at].partition('=')[2]}"
            case _:
                part = rng.choice(list(_PART.finditer(lines[at])))
                lines[at] = lines[at][: part.start()] + rng.choice(("x", *_WORDS)) + lines[at][part.end() :]
    return "\n".join(lines)


_NAMES = (
    *("password", "passwd", "pwd", "pass", "token", "api_key", "X-Api-Key", "apiKey", "auth", "Authorization", "pin"),
    *("secret", "client_secret", "otp", "bearer", "stream_key", "ice-pwd", "cookie", "credential", "sig", "signature"),
    *("name", "type", "program", "keyboard", "monkey", "passenger", "compass", "author", "spin", "tokens", "key", "to"),
    *("paßwort", "ПАРОЛЬ", "x-amz-security-token", "private_key", "pass phrase", "user", "cam", "url", "text", "value"),
)
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_JOINTS = ("=", ": ", ":", " = ", " is ", " ", "=>", '": "', "='", '="', "\\u003d", "%3D", ":\n", "[", "=[")
_FORMS = (
    *(
        "Bearer {0}",
        "Basic {0}",
        "Digest username={0}",
        "https://joe:{0}@cam/x",
        "rtmp://cam/live/{0}",
        "curl -u a:{0}",
    ),
    *("wss://cam/ws?token={0}&x=1", "/signed?X-Amz-Signature={0}", "turn:joe:{0}@x", "ghp_{0}", "xoxb-{0}", "AKIA{0}"),
    *("eyJ{0}.{0}.{0}", "-----BEGIN PRIVATE KEY-----\n{0}\n-----END PRIVATE KEY-----", "<pwd>{0}</pwd>", "--token {0}"),
    *("Cookie: a={0}; b={0}", "https://hook.example/{0}/{0}", "{0}", "mailto:{0}@x", "a=candidate {0}", "sk-{0}"),
)


def _random(rng: Random) -> str:
    kind, length = rng.randrange(5), rng.choice((3, 5, 8, 12, 20, 32, 40, 64, 200))
    if kind == 0:
        return "".join(rng.choice("0123456789abcdef") for _ in range(length))
    if kind == 1:
        return "".join(rng.choice("0123456789") for _ in range(length))
    if kind == 2:
        return "-".join(rng.choice(("wide", "close", "cam", "hall", "take", "7")) for _ in range(1 + length // 8))
    return "".join(rng.choice(_LETTERS + "-_+/=." * (kind == 4)) for _ in range(length))


def _piece(rng: Random) -> str:
    value = _random(rng)
    if rng.random() < 0.5:
        quote = rng.choice(("", "", '"', "'", "`", '\\"'))
        name = rng.choice(_NAMES)
        return f"{rng.choice((name, name.upper(), name.title()))}{rng.choice(_JOINTS)}{quote}{value}{quote}"
    return rng.choice(_FORMS).format(value)


def telling(rng: Random) -> str:
    """A text with one to four secrets, or what looks like one, or nearly."""
    return rng.choice((" ", ", ", "\n", ";", "&", " took ", "")).join(_piece(rng) for _ in range(rng.randint(1, 4)))


def framed(text: str, rng: Random) -> bytes:
    """The text somewhere in a frame."""
    said = text if rng.random() < 0.7 else rng.choice((4711, None, [text, "x"], {"a": text}))
    value: Any = {rng.choice(_NAMES): said}
    match rng.randrange(6):
        case 0:
            value = {"type": "novel", "name": rng.choice(_NAMES), "value": _random(rng), "text": text}
        case 1:
            value = [[rng.choice(_NAMES), text], value]
        case 2:
            value = {"text": json.dumps(value)}
        case 3:
            value = {"text": json.dumps({"inner": json.dumps(value)})}
        case _:
            value = {"type": "state", **value}
    data = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode()
    return data[: rng.randrange(len(data))] if rng.random() < 0.1 else data
