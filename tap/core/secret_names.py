"""The names that secrets go by, in many languages, and what is looked for first, to find fast that there is none.

A name is *plain* where it is hardly ever anything else (``password``, ``api_key``), and *short* where it is a word of
its own, too (``pin``, ``auth``, ``pass``). ``secret`` looks for both in texts.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["LONGEST_NAME", "NEEDLES", "PLAIN", "PLAIN_NAME", "SHORT", "is_secret_name", "names_secret"]

_SEP = r"[\s_.\-]?"
_OF_KEYS = (
    r"api|app|access|ingest|private|stream|sign(?:ing|ature)|enc(?:ryption)?|dec(?:ryption)?|shared|licen[cs]e|master"
    r"|client|service|account|deploy|ssh|auth|admin|publish(?:ing)?|crypto|cipher|aes|hmac|root|webhook|pairing|secure"
    r"|subscription|functions?|wep|wpa|kms|host|server|storage|bot"
)
_OF_CODES = (
    r"verification|security|access|recovery|backup|pairing|login|unlock|invite|reset|auth|one[\s_.\-]?time|join|meeting"
    r"|entry|door"
)
_ELSEWHERE = (
    r"kennwort|contrase[^\s\"'=:,]{0,8}|wachtwoord|senha|has[lł]o|heslo|salasana|l[oö]senord|adgangskode|parola|[sşŞ]ifre"
    r"|[Пп]ароль|密码|密碼|暗証番号|パスワード|비밀번호"
)
"""The same in other languages."""
PLAIN = (
    r"pass(?:word|wd|phrase|code|key|wort)|pwd|secret|token|authori[sz]ation|authenticat(?:ion|e)|oauth|bearer"
    r"|credential|snmpcommunity|community[\s_.\-]string"
    rf"|cookie|signature|jwt|ufrag|usernamefragment|mnemonic|(?:seed|recovery){_SEP}phrase|[cx]srf"
    rf"|(?:{_OF_KEYS}){_SEP}key|(?:{_OF_CODES}){_SEP}(?:code|pin|pass)|phpsessid|jsessionid|connect\.sid"
    r"|(?:user|db|my|admin|wifi|root|mail|ftp|smtp|rtsp|cam|login)pass(?![a-z])"
    rf"|mot{_SEP}de{_SEP}passe|{_ELSEWHERE}"
)
SHORT = ("pass", "auth", "pin", "otp", "totp", "hotp", "mfa", "sig", "hmac", "psk", "cvv", "cvc", "sid", "nonce", "pw")

PLAIN_NAME = re.compile(PLAIN, re.IGNORECASE)
_WORDS = re.compile(r"[A-Z]++(?![a-z])|[A-Z]?[a-z]++|[0-9]++")
LONGEST_NAME = 400
_NAME_OF_A_VALUE = 60
"""Characters of the longest text that names what stands beside it."""

NEEDLES = (
    *("pass", "pw", "secret", "token", "auth", "bearer", "cred", "cookie", "jwt", "frag", "mnemonic", "phrase", "csrf"),
    *("xsrf", "key", "code", "sessid", "jsession", "connect.sid", "kennwort", "contrase", "wachtwoord", "senha"),
    *("haslo", "hasło", "heslo", "salasana", "senord", "adgangskode", "parola", "ifre", "ароль", "密码", "密碼"),
    *("暗証", "パスワ", "비밀", "\\u04", "\\u5bc6"),
    *("\\u6697", "\\u30d1", "\\ube44", "\\u0142", "\\u015f", "community", "negotiate", "ntlm"),
    *("pin", "otp", "mfa", "sig", "hmac", "psk", "cvv", "cvc", "sid", "nonce", "inline:", "wifi:", "identified"),
    *("basic", "digest", "://", ":\\/", "%3a", "%3d", "&quot;", "&#", "eyj", "\\u00", "-----begin"),
    *(
        " -u",
        '"-u',
        " -p",
        '"-p',
        " -a",
        '"-a',
        "--user",
        "--proxy",
        "turn:",
        "turns:",
        "stun:",
        "stuns:",
        "sip:",
        "sips:",
    ),
    *("k=clear", "k=base64", " -b", '"-b', "--cookie", " -c", " -w", '"-w', "net use", "age-sec", ":aa", "sq0", "-us"),
    *("akia", "asia", "aroa", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),
    *("xox", "xapp-", "aiza", "ya29.", "gocspx", "sk_", "rk_", "pk_", "sk-", "whsec_", "npm_", "pypi-", "sg.", "hf_"),
    *("live_", "dop_v", "shpat_", "shpss_", "dapi", "@", "?"),
)
"""One of these stands, in lower case, wherever there is anything that is taken here: found many times faster."""


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether what stands under a name is a secret: by a plain name in it, or a short one that is a word of it."""
    name = name[:LONGEST_NAME]
    if PLAIN_NAME.search(name):
        return True
    return any(word.lower() in SHORT for word in _WORDS.findall(name))


def names_secret(text: str) -> bool:
    """Whether a text is the name of a secret, as in ``{"name": "password", "value": …}``, and not words about one."""
    return len(text) <= _NAME_OF_A_VALUE and len(text.split()) <= 3 and is_secret_name(text)
