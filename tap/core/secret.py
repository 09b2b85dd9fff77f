"""What a secret looks like in a text: what stands under its names (``secret_names``), and shapes of its own.

A name is *plain* where it is hardly ever anything else (``password``, ``api_key``), and *short* where it is a word of
its own, too (``pin``, ``auth``, ``pass``): a title says "Pin the pass", and a camera is called "Auth desk". Of a text
that the history keeps (``sparing``) only what can hardly be meant otherwise is taken; of all else, all that may be one.

A server may send 32 MB of what nearly fits. So that no pattern takes more than linear time on it, whatever can repeat
is possessive (++), and either bounded or kept from beginning again inside the same run; what has to be looked for
further on is looked for once.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import unquote

from tap.core.secret_names import LONGEST_NAME, NEEDLES, PLAIN, PLAIN_NAME, SHORT, is_secret_name

__all__ = ["REDACTED", "clean_text", "clean_url_text", "may_hold"]

REDACTED = "[redacted]"

# ---------------------------------------------------------------------------------------------- addresses

_URL = re.compile(r"\b([a-z][a-z0-9+.\-]{1,15}://)([^\s\"'<>\\]*+)", re.IGNORECASE)
_ENCODED_URL = re.compile(r"\b[a-z][a-z0-9+.\-]{1,15}%3a%2f%2f[^\s\"'<>\\]*+", re.IGNORECASE)
# With a value in it: "Cut / hold?" asks something.
_QUERY = re.compile(r"(?<![\w/.:?\-])(\.{0,2}/[^\s\"'<>?#\\]*+)\?[^\s\"'<>=\\]*+=[^\s\"'<>\\]*+")
_USERINFO = re.compile(r"(?<![\w/@:.%+\-])([\w.%+\-]{1,64}+):([^\s@/\"'<>\\,]{1,200}+)@(?=[\w\[])")
_CALL_USERINFO = re.compile(r"\b((?:turn|stun|sip)s?):([^\s@/\"'<>\\,]{1,200}+)@(?=[\w\[])", re.IGNORECASE)
_HOOKS = re.compile(r"(/(?:services|webhooks?|webhookb2|hooks?)/)([^/\s].*)", re.IGNORECASE)
_BOT = re.compile(r"/bot[0-9]{5,}:[\w\-]+", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_BEFORE_SECRET = frozenset(("key", "keys", "invite", "reset", "verify", "magic", "join", "signed", "session"))
_BROADCAST = ("rtmp://", "rtmps://", "rtmpt://", "rtmpe://")
_LONG = 24
"""Characters of a part of a path that is nothing but random."""


def clean_url_text(text: str) -> str:
    """``text`` without the query, fragment and userinfo of its URLs: for fields that the dialect maps, which keep all
    else.
    """
    if "://" in text:
        text = _URL.sub(lambda match: match[1] + _without_query(match[2]), text)
    if "?" in text and text[:1] in "/.":
        text = _QUERY.sub(r"\1", text)
    return text


def _without_query(rest: str) -> str:
    """An address behind its scheme, without userinfo, query and fragment.

    A password may hold a slash: what looks like a port and is no number tells that the authority goes on behind it.
    """
    rest = rest.split("?", 1)[0].split("#", 1)[0]
    authority, slash, path = rest.partition("/")
    if "@" in path and ":" in authority and not authority.rpartition(":")[2].rstrip("]").isdigit():
        authority, slash, path = path.rpartition("@")[2].partition("/")  # a password with a slash in it
    return authority.rpartition("@")[2] + slash + path


def _clean_urls(text: str, *, sparing: bool) -> str:
    """Each URL of a text: as ``_without_query``, and its path without what may be a secret."""

    def clean(match: re.Match[str]) -> str:
        authority, slash, path = _without_query(match[2]).partition("/")
        return match[1] + authority + _clean_path(slash + path, match[1].lower(), sparing=sparing)

    return _URL.sub(clean, text)


def _clean_path(path: str, scheme: str, *, sparing: bool) -> str:
    """A path without what may be a secret in it.

    Where a stream is sent to (rtmp), all behind the application is its key. Elsewhere a part is taken that stands
    behind the name of a secret, of a web hook or a bot; and, unless ``sparing``, one that is nothing but random.
    """
    if len(path) < 2:
        return path
    if scheme in _BROADCAST:  # rtmp://host/application/key
        head, slash, key = path[1:].partition("/")
        return f"/{head}{slash}{REDACTED if key else ''}"
    path = _BOT.sub(f"/{REDACTED}", _HOOKS.sub(rf"\1{REDACTED}", path))
    parts = path.split("/")
    for at in range(1, len(parts)):
        part, before = parts[at], parts[at - 1]
        if len(part) < 4 or part == REDACTED:
            continue
        plainly = before and PLAIN_NAME.search(before[:LONGEST_NAME]) and not sparing
        named = before and (is_secret_name(before) or before.lower() in _BEFORE_SECRET) and _is_mixed(part)
        if plainly or named or (not sparing and _is_random(part)):
            parts[at] = REDACTED
    return "/".join(parts)


def _is_mixed(part: str) -> bool:
    """Whether a part of a path, behind a name that promises one, may be a secret: long, or letters and digits."""
    return len(part) >= 16 or (len(part) >= 5 and any(map(str.isdigit, part)) and any(map(str.isalpha, part)))


def _is_random(part: str) -> bool:
    """Whether a part of a path is random by itself: long, with digits, and either hexadecimal or in both cases."""
    if len(part) < _LONG or "." in part or _UUID.fullmatch(part) or not any(map(str.isdigit, part)):
        return False
    hexadecimal = all(character in "0123456789abcdefABCDEF" for character in part)
    if hexadecimal:
        return len(part) >= 32
    return any(map(str.isupper, part)) and any(map(str.islower, part))


def _clean_encoded_url(match: re.Match[str]) -> str:
    """A URL that is itself part of another, percent-encoded: decoded only if there was something to take."""
    plain = unquote(match[0])
    clean = _clean_urls(plain, sparing=False)
    return match[0] if clean == plain else clean


# ---------------------------------------------------------------------------------------------- shapes

_WEB_TOKEN = re.compile(r"(?<![\w\-])([\w\-]{3,}+)\.[\w\-]{4,}+\.[\w\-]*+")
_WEB_TOKEN_BEGIN = re.compile(r"\beyJ[\w\-]{8}")
_ENCODED_JSON = re.compile(r"(?<![\w\-+/])eyJ[\w\-+/]{20,}+={0,2}")
_KNOWN = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:AKIA|ASIA|AROA)[A-Z0-9]{12,}+"
    r"|(?:gh[pousr]_|github_pat_|glpat-|xox[a-z]-|xapp-|ya29\.|GOCSPX-|[srp]k_(?:live|test)_|whsec_|npm_|pypi-|hf_"
    r"|dop_v[0-9]_|shp(?:at|ss)_|dapi|tapkey_|sk-|sq0[a-z]{3}-|AGE-SECRET-KEY-|live_[0-9]{5,12}_)[\w\-.~+/]{12,}+"
    r"|[0-9]{8,10}:AA[\w\-]{30,}+|key-[0-9a-f]{32}(?![0-9a-f])|[0-9a-f]{32}-us[0-9]{1,2}(?![0-9a-z])"
    r"|AIza[\w\-]{30,}+|SG\.[\w\-]{16,}+\.[\w\-]{16,}+)"
)
_BEARER = re.compile(r"\b(bearer)(?:\s++|\s*+,\s*+)(?!tokens?\b)([\w.~+/=\-]{4,}+)", re.IGNORECASE)
_BASIC = re.compile(r"\b(basic)\s++([A-Za-z0-9+/_\-]{4,}+={0,2})", re.IGNORECASE)
_DIGEST = re.compile(
    r"\b(digest)\s++(?:[\w\-]{1,40}+=(?:\\*+\"[^\"\\]*+\\*+\"?|[^\s,\"]++)\s*+,?\s*+){1,40}+", re.IGNORECASE
)
_CRYPTO_LINE = re.compile(r"\b(inline:)[\w+/=|:]{16,}+", re.IGNORECASE)
_UFRAG = re.compile(r"\b(ufrag)\s++\S++", re.IGNORECASE)
_NEGOTIATED = re.compile(r"\b(negotiate|ntlm)\s++[\w+/=\-]{12,}+", re.IGNORECASE)
_KEY_LINE = re.compile(r"(?:\b|(?<=\\n))(k=(?:clear|base64):|key-mgmt:\w{1,20}\s)\s*+[^\s\"\\]++", re.IGNORECASE)
_INPUT = re.compile(r"<input\b[^<>]{0,400}+>", re.IGNORECASE)
_INPUT_VALUE = re.compile(r"(\bvalue\s{0,3}=\s{0,3}\\*+[\"']?)[^\"'\\<>]++", re.IGNORECASE)
_SHARE = re.compile(r"\b(net\s++use\s++(?:\w:\s++)?\\++[^\s]{1,200}+\s++)(?![/*])[^\s\"]++", re.IGNORECASE)
_SECURE_STRING = re.compile(
    r"\b(convertto-securestring\s++(?:-string\s++)?)(?:\\*+[\"'][^\"'\\]*+|[^\s\"'\\-]\S*+)", re.IGNORECASE
)
_AS_IT = re.compile(
    rf"\b((?:use|enter|type|with|is)\s++)(\S{{6,100}}+)(?=\s++as\s++(?:the\s++|your\s++|a\s++)?(?:{PLAIN}))",
    re.IGNORECASE,
)
_DIGITS_OF_IT = re.compile(
    r"\b((?:pin|otp|totp|passcode|code)(?:[\s\-]?(?:code|number))?\s++(?:(?:is|was|ist|lautet)\s++)?)[0-9]{4,}+",
    re.IGNORECASE,
)
_COOKIE_OPTION = re.compile(r"(?<![\w\-])((?:-b|--cookie)[ =]{1,2}+(?:\\*+[\"'])?)[^'\"\\\s][^'\"\\]*+")
_PATH = re.compile(r"(?<![\w/:.?=\-])(?:/[\w.~%\-]{1,120}+){2,20}+")
_WIFI = re.compile(r"\bWIFI:[^\n\"]{0,200}+", re.IGNORECASE)
_WIFI_SECRET = re.compile(r"((?:^|[;:])P:)[^;]++", re.IGNORECASE)
_IDENTIFIED = re.compile(r"\b(identified\s++by\s++)(?:'[^']*+'?|\"[^\"]*+\"?)", re.IGNORECASE)
_PEM_BEGIN = re.compile(r"-----BEGIN", re.IGNORECASE)
_PEM_END = re.compile(r"-----END[^\-\n]{0,60}+(?:-----)?", re.IGNORECASE)


_SIMPLE = (
    ("digest", _DIGEST, " "),
    ("inline:", _CRYPTO_LINE, ""),
    ("ufrag", _UFRAG, " "),
    ("identified", _IDENTIFIED, ""),
    ("negotiate", _NEGOTIATED, " "),
    ("ntlm", _NEGOTIATED, " "),
    ("k=", _KEY_LINE, ""),
    ("key-mgmt", _KEY_LINE, ""),
    ("net use", _SHARE, ""),
    ("securestring", _SECURE_STRING, ""),
)
"""Where the first stands, what the second finds is taken but for its first group."""


def _clean_shapes(text: str, lower: str, *, sparing: bool) -> str:
    """What is known to be a secret by its own look, whatever it is called: tokens of known services, JSON web tokens,
    keys in PEM, headers.

    Args:
        lower: ``text`` in lower case, to find fast whether there is any.
    """
    if "-----begin" in lower:
        text = _clean_pem(text)
    if "eyJ" in text:
        text = _ENCODED_JSON.sub(REDACTED, _WEB_TOKEN.sub(_clean_web_token, text))
    text = _KNOWN.sub(REDACTED, text)
    if "bearer" in lower:
        text = _BEARER.sub(lambda match: _clean_bearer(match, sparing=sparing), text)
    if "basic" in lower:
        text = _BASIC.sub(lambda match: _clean_basic(match, sparing=sparing), text)
    if "<input" in lower:
        text = _INPUT.sub(_clean_input, text)
    if "wifi:" in lower:
        text = _WIFI.sub(lambda match: _WIFI_SECRET.sub(rf"\1{REDACTED}", match[0]), text)
    for needle, pattern, space in _SIMPLE:
        if needle in lower:
            text = pattern.sub(rf"\1{space}{REDACTED}", text)
    return text


def _clean_input(match: re.Match[str]) -> str:
    """A field of a form whose type or name is that of a secret."""
    tag = match[0]
    return _INPUT_VALUE.sub(rf"\1{REDACTED}", tag) if PLAIN_NAME.search(tag) else tag


def _clean_pem(text: str) -> str:
    """Private keys, from their first line to their last; one without a last line to the end of the text."""
    parts, at = [], 0
    while (begin := _PEM_BEGIN.search(text, at)) is not None:
        parts += [text[at : begin.start()], REDACTED]
        end = _PEM_END.search(text, begin.end())
        if end is None:
            return "".join(parts)
        at = end.end()
    return "".join([*parts, text[at:]])


def _clean_web_token(match: re.Match[str]) -> str:
    """A JSON web token is three parts with dots, the first of which begins as JSON in Base64 does."""
    begun = _WEB_TOKEN_BEGIN.search(match[1])
    return match[0] if begun is None else match[1][: begun.start()] + REDACTED


def _clean_bearer(match: re.Match[str], *, sparing: bool) -> str:
    # "The ring bearer enters" says nothing secret.
    """The token behind "bearer"; sparing, not a plain word: "The ring bearer enters" says nothing secret."""
    if sparing and match[2].isalpha() and len(match[2]) < 20:
        return match[0]
    return f"{match[1]} {REDACTED}"


def _clean_basic(match: re.Match[str], *, sparing: bool) -> str:
    # "Basic lighting" is no header: what that holds is a name, a colon and a password.
    """The credentials behind "basic"; "Basic lighting" has none.

    What such a header holds is a name, a colon and a password in Base64; unless ``sparing``, whatever is long enough
    counts.
    """
    value = match[2].rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
    try:
        held = base64.b64decode(value + "=" * (-len(value) % 4)).decode()
    except ValueError:
        held = ""
    surely = ":" in held and held.isprintable()
    return f"{match[1]} {REDACTED}" if surely or (not sparing and len(value) >= 12) else match[0]


# ---------------------------------------------------------------------------------------------- names and values

_QUOTE = r"(?:\\*+[\"']|%22|%27|&quot;|&\#3[49];)"
_EQUALS = r"(?:=>|:=|[=:：]|%(?:25){0,3}3[ad])"
_PAIR = re.compile(rf"(?:{PLAIN})[\w.\-]{{0,40}}+(?:\[\w{{0,40}}+\])?{_QUOTE}?\s*+({_EQUALS})\s*+")
"""For text in lower case."""
_SHORTS, _SHORT_TITLES = "|".join(SHORT), "|".join(name.title() for name in SHORT)
_SHORT_NAME = rf"(?:(?<![A-Za-z0-9])(?i:{_SHORTS})|(?<=[a-z0-9])(?:{_SHORT_TITLES}))(?![a-z])"
_SHORT_PAIR = re.compile(rf"{_SHORT_NAME}[\w.\-]{{0,40}}+{_QUOTE}?\s*+({_EQUALS}|%3[AD])\s*+")
_SURELY = r"(?=[^\s\d]{0,60}+\d)(?:(?=\d{4})|(?=\S{6}))"
_SHORT_PAIR_SURELY = re.compile(
    rf"{_SHORT_NAME}[\w\-]{{0,40}}+{_QUOTE}?(?:=(?=\S)|\s*+({_EQUALS})\s*+{_QUOTE}?{_SURELY})"
)
"""What stands under it has to look like one: "Pass: take 2" says nothing secret."""
_NAME_WORDS = "name|key|field|header|param(?:eter)?|var(?:iable)?|option|k|id|type|kind|label"
_NAMED_PAIR = re.compile(
    rf"{_QUOTE}(?:{_NAME_WORDS}){_QUOTE}\s*+:\s*+{_QUOTE}"
    rf"(?:[\w .\-]{{0,40}}?(?:{PLAIN})|(?:[\w .\-]{{0,40}}?[ _.\-])?(?:{_SHORTS}))[\w .\-]{{0,20}}+{_QUOTE}\s*+,\s*+"
    rf"{_QUOTE}(?:value|val|v|contents?|data|text|string){_QUOTE}\s*+:\s*+"
)
"""For text in lower case; so is this: the name of a secret before it in a list."""
_LISTED_PAIR = re.compile(
    rf"(?:\[\s*+{_QUOTE}|{_QUOTE}--?)"
    rf"(?:[\w .\-]{{0,40}}?(?:{PLAIN})|(?:[\w .\-]{{0,40}}?[ _.\-])?(?:{_SHORTS}))[\w .\-]{{0,20}}+{_QUOTE}\s*+,\s*+"
)
_OPTION = re.compile(
    rf"(?<![\w\-])--?(?:[\w\-]{{0,40}}?(?:{PLAIN})|(?:[\w\-]{{0,40}}?-)?(?:{_SHORTS})(?![a-z]))[\w\-]{{0,40}}+\s++(?!-)"
)
"""For text in lower case."""
_USER_OPTION = re.compile(
    r"(?<![\w\-])(-u|-a|-U|--user|--proxy-user|--auth)((?:\\*+[\"'])?[ =,]{0,3}+(?:\\*+[\"'])?)"
    r"([^\s:'\"=/,\\]{1,100}+:)[^\s'\"\\]++"
)
_PASS_OPTION = re.compile(
    r"(?<![\w\-])((?:(?:sshpass|mysql\w*+|redis-cli)\b[^\n]{0,80}?\s-[pa]|(?:mosquitto_\w++|unzip|zip|7z)\b[^\n]{0,80}?\s-[Pp]"
    r"|ldap\w++\b[^\n]{0,120}?\s-w|snmp\w++\b[^\n]{0,80}?\s-[cAX])\s?)(?!-)\S++"
)
_PASS_COMMANDS = ("pass", "sql", "redis", "mosquitto", "zip", "7z", "ldap", "snmp")
_SAID_OF_IT = (
    "not?|an?|the|set|found|needed|wrong|missing|invalid|expired|required|refused|accepted|ok|empty|too|in|of|for|kept"
)
_SAID = re.compile(rf"\b(?:{PLAIN})\w{{0,10}}+\s++(?:is|was|ist|lautet|est)\s++(?!(?:{_SAID_OF_IT})\b)")
_LOGIN = re.compile(r"\bpassword\s++")
_ELEMENT = re.compile(
    rf"<(?:[\w:.\-]{{0,60}}?(?:{PLAIN})[\w:.\-]{{0,60}}+|(?:[\w.\-]{{0,60}}?[:.\-_])?(?:{_SHORTS})(?=[\s>]))"
    r"(?:\s[^<>]{0,200}+)?>(?=[^<]|<!\[cdata\[)"
)
_NEW_LINE = r"(?:\r?\n|(?:\\++r)?\\++n)"
"""Also as JSON spells it."""
_LISTED_ELEMENT = re.compile(rf"<key>[^<>]{{0,40}}?(?:{PLAIN})[^<>]{{0,40}}+</key>\s*+<string>(?=[^<])")
_PART = re.compile(
    rf"\bname=(?:\\*+[\"'])?[\w.\-]{{0,40}}?(?:{PLAIN}|(?<![a-z])(?:{_SHORTS})(?![a-z]))[\w.\-]{{0,40}}+(?:\\*+[\"'])?"
    rf"[^\r\n\\]{{0,120}}+(?:{_NEW_LINE}){{2}}"
)
"""A field of a form that is sent in parts."""
_NAMED_LINE = re.compile(
    rf"\b(?:{_NAME_WORDS}):\s*+(?:\\*+[\"'])?[\w .\-]{{0,40}}?(?:{PLAIN})[\w.\-]{{0,20}}+(?:\\*+[\"'])?[ \t]*+"
    rf"{_NEW_LINE}\s*+"
    r"(?:value|val|v|contents?|data|text|string):\s*+"
)
"""Both for text in lower case."""
_HEADER = re.compile(r"(?:proxy-)?authori[sz]ation|(?:set-)?cookie2?|www-authenticate")
_PHRASE = re.compile(r"passphrase|mnemonic|(?:seed|recovery)[\s_.\-]?phrase")
_OPENING = re.compile(r"(\\*+)([\"'`])|%22|%27|&quot;|&\#3[49];", re.IGNORECASE)
_TO_LINE_END = re.compile(r"[^\r\n\"'\\<>]*+")
_TO_PHRASE_END = re.compile(r"[^\r\n\"'\\<>,;&}]*+")
_BARE = re.compile(r"[^\s,;&}\"'<>]++")
_BRACKET = re.compile(r"[\[\]{}]")
_TO_TAG = re.compile(r"[^<]++")
_OUR_SETTING = re.compile(r"['`]?TAP_[A-Z_]{2,40}+(?!\w)")
_OUR_BEGINNING = re.compile(r"(?<!\w)TAP_[A-Z_]*+$")
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
"""Unlike ``str.lower``, it leaves every character where it is."""


def _clean_pairs(text: str, *, sparing: bool) -> str:
    """Values that stand under the name of a secret, in all the ways in which a text pairs the two."""
    if "=" in text or ":" in text or "：" in text or "%3" in text or "%25" in text:
        text = _clean_values(text, _lower(text), _PAIR)
        text = _clean_values(text, text, _SHORT_PAIR_SURELY if sparing else _SHORT_PAIR)
    if "-" in text:
        text = _clean_options(text, sparing=sparing)
    if "<" in text:
        text = _clean_values(text, _lower(text), _ELEMENT, _tag_end)
        text = _clean_values(text, _lower(text), _LISTED_ELEMENT, _tag_end)
    return text if sparing else _clean_words(text)


def _clean_options(text: str, *, sparing: bool) -> str:
    """Options of command lines: ``--password x``, ``-u name:password``, and those of known commands."""
    lower = _lower(text)
    text = _clean_values(text, lower, _OPTION)
    if not sparing or "curl" in lower or "wget" in lower:
        text = _USER_OPTION.sub(rf"\1\2\3{REDACTED}", text)
    if "curl" in lower:
        text = _COOKIE_OPTION.sub(rf"\1{REDACTED}", text)
    return _PASS_OPTION.sub(rf"\1{REDACTED}", text) if any(one in lower for one in _PASS_COMMANDS) else text


def _clean_words(text: str) -> str:
    """What is named in other ways than by a pair."""
    if "," in text:
        text = _clean_values(text, _lower(text), _NAMED_PAIR)
        text = _clean_values(text, _lower(text), _LISTED_PAIR)
    if "\n" in text or "\\n" in text:
        text = _clean_values(text, _lower(text), _PART)
        text = _clean_values(text, _lower(text), _NAMED_LINE)
    if "/" in text:
        text = _PATH.sub(lambda match: _clean_path(match[0], "", sparing=False), text)
    if " " in text:
        lower = _lower(text)
        text = _DIGITS_OF_IT.sub(rf"\1{REDACTED}", _AS_IT.sub(rf"\1{REDACTED}", _clean_values(text, lower, _SAID)))
        if "login" in lower or "machine" in lower:
            text = _clean_values(text, _lower(text), _LOGIN)
    return text


def _lower(text: str) -> str:
    """``text`` in lower case, ASCII only: every character stays where it is, so that places found in it hold."""
    return text.translate(_LOWER)


def _clean_values(
    text: str,
    searched: str,
    names: re.Pattern[str],
    span: Callable[[str, re.Match[str]], tuple[int, int]] | None = None,
) -> str:
    """``text`` without the values of what ``names`` finds.

    Args:
        searched: The text to look in: ``text`` itself, or the same in lower case.
        span: From where to where the value goes that a match names; by default ``_value``.
    """
    parts, end = [], 0
    for match in names.finditer(searched):
        if match.start() < end or _is_ours(text, match):
            continue
        begin, stop = (span or _value)(text, match)
        if stop > begin and text[begin:stop] != REDACTED:
            parts += [text[end:begin], _blank(text[begin:stop], match)]
            end = stop
    return "".join([*parts, text[end:]]) if parts else text


def _is_ours(text: str, match: re.Match[str]) -> bool:
    """Whether it is the name of a setting of ours that stands there, or before it: ``TAP_INGEST_KEY: is not set``."""
    if _OUR_SETTING.match(text, match.end()):
        return True
    begin = match.start()
    return _OUR_BEGINNING.search(text[max(0, begin - 40) : begin]) is not None and match[0].rstrip()[-1:] == ":"


def _blank(value: str, match: re.Match[str]) -> str:
    # Scheme and credentials, each of them.
    """What stands in the place of a value; a header with scheme and credentials keeps its two words."""
    many = _HEADER.search(_lower(match[0])) is not None and len(value.split()) > 1
    return f"{REDACTED} {REDACTED}" if many else REDACTED


def _value(text: str, match: re.Match[str]) -> tuple[int, int]:
    """From where to where the value stands behind a name.

    To the closing quote or bracket where it opens with one; else to the end of the line for a header, to the end of the
    phrase for a phrase of words, and to the next blank for all others.
    """
    begin = match.end()
    opening = _OPENING.match(text, begin)
    if opening is not None:
        return begin, _closing(text, opening)
    if text[begin : begin + 1] in ("[", "{"):
        return begin, _bracket_end(text, begin)
    name = _lower(match[0])
    run = _TO_LINE_END if _HEADER.search(name) else _TO_PHRASE_END if _PHRASE.search(name) else _BARE
    found = run.match(text, begin)
    return begin, begin if found is None else begin + len(found[0].rstrip())


def _closing(text: str, opening: re.Match[str]) -> int:
    """Where a quoted value ends: behind the same quote, with as many backslashes as before the first."""
    slashes, quote = opening[1], opening[2] or opening[0]
    at = opening.end()
    while (found := text.find(quote, at)) >= 0:
        before = found
        while before > opening.end() and text[before - 1] == "\\":
            before -= 1
        if slashes is None or found - before == len(slashes):
            return found + len(quote)
        at = found + 1
    return len(text)


def _bracket_end(text: str, begin: int) -> int:
    """Where a list or an object ends that stands behind a name; what is blanked already is a list of one."""
    levels = 0
    for bracket in _BRACKET.finditer(text, begin):
        levels += 1 if bracket[0] in "[{" else -1
        if not levels:
            return bracket.end()
    return len(text)


def _tag_end(text: str, match: re.Match[str]) -> tuple[int, int]:
    """From where to where the content of an element goes."""
    if text.startswith("<!", match.end()):
        end = text.find("]]>", match.end())
        return match.end(), len(text) if end < 0 else end + 3
    found = _TO_TAG.match(text, match.end())
    return match.end(), match.end() if found is None else found.end()


# ---------------------------------------------------------------------------------------------- a whole text

_ESCAPED = re.compile(r"\\+u([0-9a-fA-F]{4})|\\+/")


def clean_text(text: str, *, sparing: bool = False) -> str:
    """``text`` without what may be a secret in it.

    Args:
        sparing: Take only what can hardly be anything else: for a text that the history keeps.
    """
    if not may_hold(text):
        return text
    lower = _lower(text)
    if "\\u" in lower or "\\/" in lower:
        plain = _ESCAPED.sub(_unescaped, text)
        clean = _clean(plain, _lower(plain), sparing=sparing)
        if clean != plain:
            return clean
    return _clean(text, lower, sparing=sparing)


def _unescaped(match: re.Match[str]) -> str:
    """What an escape of JSON stands for, unless that is a control character, a surrogate, or a quote."""
    if match[1] is None:
        return "/"
    code = int(match[1], 16)
    character = chr(code)
    return match[0] if code < 0x20 or 0xD800 <= code < 0xE000 or character in "\"\\'\x7f" else character


_ENOUGH = 200


def may_hold(text: str) -> bool:
    """Whether there is anything in a text for which it has to be looked through: one of the ``NEEDLES``.

    Short texts are remembered, for names and words come again and again.
    """
    return _short_may_hold(text) if len(text) <= _ENOUGH else _may_hold(text)


def _may_hold(text: str) -> bool:
    lower = _lower(text)
    return any(needle in lower for needle in NEEDLES)


_short_may_hold = lru_cache(maxsize=4096)(_may_hold)
"""Names and words come again and again."""


def _clean(text: str, lower: str, *, sparing: bool) -> str:
    """All of it, in the order in which one may hide another: addresses first, then shapes, then pairs."""
    if "://" in lower:
        text = _clean_urls(text, sparing=sparing)
    if "%3a%2f%2f" in lower:
        text = _ENCODED_URL.sub(_clean_encoded_url, text)
    if "?" in text and "/" in text:
        text = _QUERY.sub(r"\1", text)
    if "@" in text:
        text = _CALL_USERINFO.sub(rf"\1:{REDACTED}@", text)
        if not sparing:
            text = _USERINFO.sub(_clean_userinfo, text)
    text = _clean_shapes(text, lower, sparing=sparing)
    return _clean_pairs(text, sparing=sparing)


def _clean_userinfo(match: re.Match[str]) -> str:
    """A name and a password before an @; an address for mail has no password."""
    return match[0] if match[1].lower() == "mailto" else f"{match[1]}:{REDACTED}@"
