"""Of a long list of secrets, wherever a frame may hold them, none reaches a tape; what a dialect reads does."""

from __future__ import annotations

import ast
import base64
import json
import string
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from tap.adapters.dialects import load_dialect
from tap.core.mapping import parse_mapping
from tap.core.model import Entry, Frame, Opened, Stamp
from tap.core.pipeline import Pipeline
from tap.core.redact import redact_bytes, redact_json, redact_text
from tap.core.secret import clean_text
from tap.core.secret_names import NEEDLES
from tests.service.test_logs import ROOT

HUSH = "hUsh7Zq9xK2w"
"""What is secret, where its form is free."""
LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits
RANDOM = "".join(LETTERS[(7 * number * number + 3 * number) % 62] for number in range(64))
"""Upper case, lower case and digits."""
HEX = "9f86d081884c7d659a2feaa0c55ad0153f1b2c4d"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodXNoIn0.c2lnbmF0dXJlLWh1c2g"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\nMIIEow{RANDOM}\n{RANDOM[::-1]}\n-----END RSA PRIVATE KEY-----"
ENCODED = base64.b64encode(json.dumps({"password": HUSH}).encode()).decode()
BASIC = base64.b64encode(f"director:{HUSH}".encode()).decode()

NAMES = [
    *(
        "password",
        "passwd",
        "passphrase",
        "passcode",
        "passkey",
        "pass",
        "userpass",
        "pwd",
        "secret",
        "client_secret",
        "token",
    ),
    *("access_token", "refreshToken", "id-token", "X-Auth-Token", "auth", "authorization", "Proxy-Authorization"),
    *("api_key", "apikey", "api-key", "X-Api-Key", "x.api.key", "accessKey", "aws_secret_access_key", "private_key"),
    *("stream_key", "streamKey", "stream-key", "encryption-key", "signing_key", "licenseKey", "account-key", "ssh_key"),
    *("pin", "PIN", "user_pin", "doorPin", "otp", "otp_code", "totp", "mfa", "sig", "X-Amz-Signature", "hmac", "psk"),
    *("bearer", "credential", "credentials", "cookie", "Set-Cookie", "jwt", "csrf_token", "X-XSRF-TOKEN", "sid", "pw"),
    *("ice-pwd", "icePwd", "ice_ufrag", "usernameFragment", "verification_code", "securityCode", "backup-code"),
    *("mnemonic", "seed phrase", "cvv", "nonce", "Passwort", "contraseña", "mot_de_passe"),
]
"""Names under which a field holds a secret."""

TEXTS = {
    "pair with =": f"user=joe password={HUSH} next",
    "pair with :": f"the api key: {HUSH}, then",
    "pair with spaces": f"stream key = {HUSH}",
    "short name with =": f"pin={HUSH}",
    "short name with :": f"Auth: {HUSH}",
    "short name in a query": f"a=1&otp={HUSH}&b=2",
    "quoted pair": f'"pwd": "{HUSH} and more {HUSH}"',
    "single quotes": f"{{'pass': '{HUSH}'}}",
    "arrow": f"'secret' => '{HUSH}'",
    "Go": f'Token:="{HUSH}"',
    "environment": f"export DB_PASSWORD={HUSH}\nexport X=1",
    "properties": f"spring.datasource.password={HUSH}",
    "YAML": f"login:\n  passphrase: {HUSH} {HUSH}\n  user: joe",
    "XML": f"<camera><password type='plain'>{HUSH}</password></camera>",
    "XML attribute": f"<auth user='joe' password='{HUSH}'/>",
    "entities": f"&quot;password&quot;:&quot;{HUSH}&quot;",
    "percent": f"%22token%22%3A%22{HUSH}%22",
    "form": f"user%3Djoe%26password%3D{HUSH}",
    "bearer": f"Authorization: Bearer {HUSH}",
    "bearer alone": f"bearer {HUSH}",
    "basic": f"Authorization: Basic {BASIC}",
    "basic alone": f"Basic {BASIC}",
    "digest": f'Digest username="joe", realm="r", nonce="{HUSH}", uri="/", response="{HUSH}"',
    "digest header": f'Authorization: Digest username="joe", response="{HUSH}"',
    "other scheme": f"Authorization: Hawk {HUSH} {HUSH}",
    "header": f"X-Api-Key: {HUSH}\r\nHost: x",
    "private header": f"PRIVATE-TOKEN: {HUSH}",
    "cookies": f"Cookie: theme=dark; session={HUSH}; path=/",
    "set cookie": f"Set-Cookie: JSESSIONID={HUSH}; Secure",
    "curl -u": f"curl -s -u joe:{HUSH} http://cam/",
    "curl --user": f"curl --user 'joe:{HUSH}' http://cam/",
    "curl -H": f"curl -H 'X-Auth-Token: {HUSH}' http://cam/",
    "option": f"obs --websocket_password {HUSH} --startrecording",
    "short option": f"tool --pin {HUSH}",
    "sshpass": f"sshpass -p {HUSH} ssh cam",
    "mysql": f"mysql -u joe -p{HUSH} shoot",
    "netrc": f"machine cam login joe password {HUSH}",
    "sql": f"ALTER USER joe IDENTIFIED BY '{HUSH}'",
    "words": f"the password is {HUSH}",
    "userinfo": f"rtsp://joe:{HUSH}@10.0.0.5:554/stream",
    "user without a scheme": f"joe:{HUSH}@10.0.0.5:8554/stream",
    "password with a slash": f"redis://:{HUSH}/{HUSH}@cache:6379/0",
    "database": f"postgres://joe:{HUSH}@db/shoot",
    "connection string": f"Server=db;User Id=joe;Password={HUSH};Encrypt=yes",
    "storage account": f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={HUSH}{RANDOM}==;EndpointSuffix=x",
    "jdbc": f"jdbc:postgresql://db/shoot?user=joe&password={HUSH}",
    "query": f"https://cdn.example/x.jpg?X-Amz-Signature={HUSH}&X-Amz-Expires=60",
    "fragment": f"https://app.example/cb#access_token={HUSH}",
    "path": f"https://api.example/v1/token/{HUSH}/stills",
    "random path": f"https://live.example/ingest/{RANDOM[:40]}",
    "hex path": f"wss://live.example/in/{HEX}",
    "rtmp": f"rtmp://live.example/app/{HUSH}",
    "slack hook": f"https://hooks.slack.com/services/T024BE7LH/B024BE7LJ/{HUSH}{HUSH}",
    "discord hook": f"https://discord.com/api/webhooks/1234567890/{HUSH}",
    "telegram": f"https://api.telegram.org/bot1234567890:{HUSH}/sendMessage",
    "relative": f"/stills/x.jpg?sig={HUSH}&expires=9",
    "relative with dots": f"../x.jpg?token={HUSH}",
    "encoded address": f"next=https%3A%2F%2Fjoe%3A{HUSH}%40cam%2F",
    "turn": f"turn:joe:{HUSH}@turn.example:3478",
    "sdp": f"v=0\r\na=ice-ufrag:{HUSH}\r\na=ice-pwd:{HUSH}\r\nm=video",
    "sdp crypto": f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{RANDOM[:40]}",
    "candidate": f"candidate:1 1 udp 1 10.0.0.1 9 typ host ufrag {HUSH} network-cost 50",
    "pem": PEM,
    "pem, torn": PEM[: len(PEM) // 2],
    "jwt": TOKEN,
    "JSON in base64": ENCODED,
    "aws": "AKIA" + RANDOM[:16].upper(),
    "aws temporary": "ASIA" + RANDOM[:16].upper(),
    "github": f"ghp_{RANDOM[:36]}",
    "github app": f"ghs_{RANDOM[:36]}",
    "github fine": f"github_pat_{RANDOM[:60]}",
    "gitlab": f"glpat-{RANDOM[:20]}",
    "slack": "xoxb-" + f"123456789012-{RANDOM[:24]}",
    "google": f"AIza{RANDOM[:35]}",
    "google oauth": f"ya29.{RANDOM}",
    "stripe": "sk_live_" + RANDOM[:24],
    "stripe hook": f"whsec_{RANDOM[:32]}",
    "npm": f"npm_{RANDOM[:36]}",
    "sendgrid": f"SG.{RANDOM[:22]}.{RANDOM[:43]}",
    "hugging face": f"hf_{RANDOM[:34]}",
    "ours": f"tapkey_{RANDOM[:43]}",
    "wifi": f"WIFI:S:set;T:WPA;P:{HUSH};;",
    "otpauth": f"otpauth://totp/joe?secret={HUSH}",
}
"""Texts that hold one."""

OBJECTS: dict[str, Any] = {
    "name and value": {"name": "password", "value": HUSH},
    "key and value": {"key": "X-Api-Key", "value": HUSH},
    "header and content": {"header": "Authorization", "content": HUSH},
    "a number": {"name": "pin", "value": 4711_0815},
    "a pair in a list": [["Host", "cam"], ["X-Auth", HUSH]],
    "arguments": ["curl", "-u", f"joe:{HUSH}", "http://cam/"],
    "an option": ["tool", "--token", HUSH],
    "a key line by line": PEM.splitlines(),
    "lines of a header": ["Host: cam", f"Cookie: a={HUSH}"],
    "an ICE server": {"urls": ["turn:turn.example"], "username": "joe", "credential": HUSH},
    "in a name": {f"https://joe:{HUSH}@cam/": True},
    "a pair as a name": {f"password={HUSH}": 1},
    "an object under it": {"credentials": {"user": "joe", "word": HUSH}},
    "a list under it": {"tokens": [HUSH]},
}

SECRETS = (
    HUSH,
    ENCODED[8:24],
    RANDOM[:16],
    RANDOM[:16].upper(),
    RANDOM[::-1][:16],
    HEX,
    BASIC,
    TOKEN[:30],
    "47110815",
    PEM[40:60],
)
Place = Callable[[Any], bytes]


def frame(**fields: Any) -> bytes:
    return json.dumps({"type": "novel", **fields}, ensure_ascii=False).encode()


def _in_strings(levels: int) -> Place:
    def place(value: Any) -> bytes:
        for _ in range(levels):
            value = json.dumps({"inner": value})
        return frame(text=value)

    return place


def _escaped(value: Any) -> bytes:
    """Every letter spelt out, as JSON may."""
    whole = json.dumps({"type": "novel", "field": value})
    out, inside = [], False
    for at, character in enumerate(whole):
        quote = character == '"' and whole[at - 1] != "\\"
        inside = inside != quote
        plain = not inside or quote or not character.isalpha() or whole[at - 1] == "\\"
        out.append(character if plain or "\\u" in whole[max(0, at - 5) : at] else f"\\u{ord(character):04x}")
    return "".join(out).encode()


PLACES: dict[str, Place] = {
    "a field": lambda value: frame(field=value),
    "deep": lambda value: frame(a={"b": [{"c": {"d": value}}]}),
    "a list": lambda value: frame(items=["x", value, 5]),
    "a batch": lambda value: json.dumps({"events": [{"type": "novel", "field": value}]}).encode(),
    "the frame": lambda value: json.dumps(value).encode(),
    "within what is known": lambda value: frame(type="state", session={"id": "s", "extra": value}, program="c1"),
    "JSON in a text": _in_strings(1),
    "JSON in JSON in a text": _in_strings(2),
    "JSON in JSON in JSON in a text": _in_strings(3),
    "behind words": lambda value: frame(text=value if isinstance(value, str) else f"took {json.dumps(value)}"),
    "escapes": _escaped,
    "a torn frame": lambda value: frame(field=value)[:-1],
    "torn, in a text": lambda value: _in_strings(1)(value)[:-2],
}


def held(data: bytes) -> list[str]:
    """What of the secrets can be read in there: as it stands, and with its escapes undone."""
    text = data.decode()
    plain = text.replace("\\", "")
    with suppress(ValueError):
        plain += json.dumps(json.loads(text), ensure_ascii=False)
    return [secret for secret in SECRETS if secret in text or secret in plain]


CLEAN = load_dialect("multicam/1").clean


def planted() -> Iterator[tuple[str, Any]]:
    yield from ((f"name {name}", {name: HUSH}) for name in NAMES)
    yield from ((f"NAME {name}", {name.upper(): HUSH}) for name in NAMES if name.upper() not in (name, "DOORPIN"))
    yield from ((f"text {name}", text) for name, text in TEXTS.items())
    yield from ((f"object {name}", value) for name, value in OBJECTS.items())


# Written down later, by somebody who had not looked at what is recognised: other tools, tongues, forms and vendors.
IDENT = "5f2b8c1e-9d34-4a6b-8f70-1c2d3e4f5a6b"
FRESH: dict[str, Any] = {
    "k and v": {"k": "passwd", "v": HUSH},
    "id and val": {"id": "password", "val": HUSH},
    "field and data": {"field": "api-key", "data": HUSH},
    "label and text": {"label": "Stream key", "text": HUSH},
    "key value list": {"headers": [{"key": "Cookie", "value": HUSH}]},
    "input": f'<input type="password" value="{HUSH}">',
    "openssh": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{RANDOM}\n-----END OPENSSH PRIVATE KEY-----",
    "pgp": f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{RANDOM}\n-----END PGP PRIVATE KEY BLOCK-----",
    "age": "AGE-SECRET-KEY-1" + RANDOM[:58].upper(),
    "sas": f"https://a.blob.core.windows.net/c/x.jpg?sv=2022&sig={HUSH}",
    "telegram alone": f"1234567890:AA{RANDOM[:33]}",
    "discord bot": f"MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.{RANDOM[:27]}",
    "openai": f"sk-proj-{RANDOM[:48]}",
    "anthropic": f"sk-ant-api03-{RANDOM[:60]}",
    "do": "dop_v1_" + HEX + HEX[:24],
    "shopify": "shpat_" + HEX[:32],
    "databricks": "dapi" + HEX[:32],
    "square": f"sq0atp-{RANDOM[:22]}",
    "mailgun": "key-" + HEX[:32],
    "mailchimp": HEX[:32] + "-us12",
    "heroku": f"HEROKU_API_KEY={IDENT}",
    "cloudflare": f"CF_API_TOKEN: {HUSH}",
    "ntlm": f"Authorization: NTLM {BASIC}",
    "negotiate": f"WWW-Authenticate: Negotiate {BASIC}",
    "aws4": f"AWS4-HMAC-SHA256 Credential=AKIA{RANDOM[:16].upper()}/20261128/x, SignedHeaders=host, Signature={HEX}",
    "sshpass joined": f"sshpass -p{HUSH} ssh cam",
    "mysql long": f"mysql --password={HUSH} shoot",
    "wget": f"wget --http-user=joe --http-password={HUSH} x",
    "ftp": f"ftp://joe:{HUSH}@nas/x",
    "smb": f"smb://STUDIO;joe:{HUSH}@nas/share",
    "net use": f"net use \\\\nas\\share {HUSH} /user:joe",
    "mount": f"mount -o username=joe,password={HUSH} //nas/x /mnt",
    "srt": f"srt://host:9000?mode=caller&passphrase={HUSH}",
    "rist": f"rist://host:5000?secret={HUSH}",
    "wsse": f'<wsse:Password Type="#PasswordDigest">{HUSH}</wsse:Password><wsse:Nonce>{HUSH}</wsse:Nonce>',
    "challenge": f'WWW-Authenticate: Digest realm="cam", nonce="{HUSH}", qop="auth"',
    "sdp k": f"v=0\r\nk=clear:{HUSH}\r\nm=video",
    "sdp mikey": f"a=key-mgmt:mikey {RANDOM}",
    "youtube": f"rtmp://a.rtmp.youtube.com/live2/{HUSH}",
    "twitch": f"live_123456789_{RANDOM[:30]}",
    "facebook": f"rtmps://live-api-s.facebook.com:443/rtmp/FB-123-0-{HUSH}",
    "json5": f"{{password:'{HUSH}', user:'joe'}}",
    "toml": f'[login]\npassword = "{HUSH}"',
    "ini": f"[cam]\npwd={HUSH}\nuser=joe",
    "python": f"Settings(password='{HUSH}', user='joe')",
    "rust": f'Config {{ password: "{HUSH}", user: "joe" }}',
    "java": f"Config[password={HUSH}, user=joe]",
    "ruby": f':password => "{HUSH}"',
    "php": f"$password = '{HUSH}';",
    "powershell": f"New-Cam -Password {HUSH} -User joe",
    "secure string": f'ConvertTo-SecureString "{HUSH}" -AsPlainText',
    "cmd": f"set PASSWORD={HUSH}",
    "docker": f"docker run -e DB_PASSWORD={HUSH} cam",
    "double percent": f"password%253D{HUSH}",
    "numeric entities": f"&#34;password&#34;:&#34;{HUSH}&#34;",
    "multipart": f'Content-Disposition: form-data; name="password"\r\n\r\n{HUSH}\r\n--x',
    "cdata": f"<password><![CDATA[{HUSH}]]></password>",
    "namespace": f"<ns:pwd>{HUSH}</ns:pwd>",
    "plist": f"<key>password</key><string>{HUSH}</string>",
    "yaml list": f"- name: password\n  value: {HUSH}",
    "german": f"Das Passwort lautet {HUSH}",
    "french": f"mot de passe : {HUSH}",
    "spanish": f"contraseña: {HUSH}",
    "russian": f"пароль: {HUSH}",
    "chinese": f"密码：{HUSH}",
    "japanese": f"パスワード: {HUSH}",
    "pin in words": "the PIN is 47110815",
    "other way round": f"use {HUSH} as the password",
    "session token": {"session_token": HUSH},
    "subscription": {"Ocp-Apim-Subscription-Key": HUSH},
    "functions": {"x-functions-key": HUSH},
    "vault": {"X-Vault-Token": HUSH},
    "authKey": {"authKey": HUSH},
    "joinCode": {"joinCode": HUSH},
    "meeting": {"meetingPassword": HUSH},
    "wep": {"wep_key": HUSH},
    "community": {"snmpCommunity": HUSH},
    "senha": {"senha": HUSH},
    "haslo": {"hasło": HUSH},
    "heslo": {"heslo": HUSH},
    "salasana": {"salasana": HUSH},
    "losenord": {"lösenord": HUSH},
    "adgangskode": {"adgangskode": HUSH},
    "parola": {"parola": HUSH},
    "sifre": {"şifre": HUSH},
    "cn": {"密码": HUSH},
    "jp": {"パスワード": HUSH},
    "kr": {"비밀번호": HUSH},
    "ru": {"пароль": HUSH},
    "shared access": {"sharedAccessSignature": HUSH},
    "app id": {"appSecret": HUSH},
    "hash": {"passwordHash": HEX},
    "enc key": {"encKey": HUSH},
    "whip": {"whip": {"url": "https://w.example/whip", "bearerToken": HUSH}},
    "logged url": f"GET /api/v1/token/{HUSH} HTTP/1.1",
    "magic link": f"https://app.example/magic/{HUSH}{HUSH}",
    "websocket protocol": {"Sec-WebSocket-Protocol": f"bearer, {HUSH}"},
    "x-forwarded auth": {"X-Forwarded-Access-Token": HUSH},
    "cookie list": {"cookies": [{"name": "sid", "value": HUSH}]},
    "curl cookie": f"curl -b 'session={HUSH}' http://cam/",
    "curl long data": f"curl -d 'user=joe&password={HUSH}' http://cam/",
    "git remote": f"https://x-access-token:{HUSH}@github.com/a/b.git",
    "mqtt": f"mosquitto_pub -u joe -P {HUSH}",
    "ldap": f"ldapsearch -D cn=joe -w {HUSH}",
    "redis cli": f"redis-cli -a {HUSH}",
    "openssl": f"openssl enc -pass pass:{HUSH}",
    "zip": f"unzip -P {HUSH} x.zip",
    "snmp": f"snmpget -v2c -c {HUSH} switch",
}
"""What else may hold one."""


@pytest.mark.parametrize("place", ["a field", "deep", "JSON in a text", "behind words", "the frame", "a torn frame"])
def test_of_a_second_list_at_most_one_reaches_a_tape(place: str) -> None:
    """Over a hundred shapes; the one that does is a token that is known by its form alone."""
    planted = (*SECRETS, IDENT, HEX[:32], RANDOM[:22])
    leaks = []
    for name, value in FRESH.items():
        clean = CLEAN(PLACES[place](value)).decode()
        if any(secret in clean or secret in clean.replace("\\", "") for secret in planted):
            leaks.append(name)
    assert len(FRESH) >= 100
    assert leaks in ([], ["discord bot"])


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_reaches_a_tape(place: str) -> None:
    """Whatever its name or shape, wherever it stands, and however the frame is written."""
    leaks = []
    for name, value in planted():
        data = PLACES[place](value)
        assert held(data) or place == "escapes", (name, data)
        if held(CLEAN(data)):
            leaks.append((name, CLEAN(data)))
    assert leaks == []


def test_they_are_many() -> None:
    assert len(NAMES) + len(TEXTS) + len(OBJECTS) >= 150


@pytest.mark.parametrize("place", ["notes", "title", "a name"])
def test_a_text_that_the_history_keeps_loses_what_can_hardly_be_meant_otherwise(place: str) -> None:
    """Of one in eight of these shapes a title could be made up that means something else: they stay."""
    stay = []
    for name, text in TEXTS.items():
        data = {
            "notes": frame(type="session_started", session={"id": "s", "notes": text}),
            "title": frame(type="session_started", session={"id": "s", "title": text}),
            "a name": frame(type="camera_joined", camera={"id": "c", "name": text}),
        }[place]
        if held(CLEAN(data)):
            stay.append(name)
    assert len(stay) <= len(TEXTS) // 8, stay
    assert not set(stay) & {
        "pair with =",
        "bearer",
        "basic",
        "userinfo",
        "query",
        "pem",
        "jwt",
        "aws",
        "github",
        "stripe",
    }


def test_no_secret_reaches_the_history_or_the_samples() -> None:
    """Neither by a field that is read, nor by what people are shown of a frame that cannot be."""
    for name, value in planted():
        if name.startswith("text"):
            continue
        pipeline = Pipeline(load_dialect("multicam/1"), venue="v", tap="t")
        pipeline.feed(Opened(Stamp(0, 0), 1))
        entries: list[Entry] = []
        for number, fields in enumerate(({"session": {"id": "s"}, "mode": value}, {"type": "novel", "x": value})):
            entries += pipeline.feed(Frame(frame(**({"type": "state"} | fields)), Stamp(number, number), 1, number + 1))
        assert pipeline.tally.unknown == {"novel": 1}
        assert not held(json.dumps([str(entry) for entry in entries]).encode()), name
        assert not held(json.dumps([sample.text for sample in pipeline.tally.samples]).encode()), name


# ---------------------------------------------------------------------------------------------- what stays

TITLES = [
    *("Pin the pass", "Auth desk", "Token ring", "Secret garden, take 2", "Pass: take 2", "Pin: left", "Key light"),
    *("Basic lighting", "Basic introduction", "Digest of the day", "The ring bearer enters", "Cookie monster", "Otp"),
    *("Code red", "The password is lost", "Cut / hold?", "A/B? Both!", "Sig: Hansen", "Auth: main desk", "SIDE A, pw"),
    *(
        "MFA show",
        "Session 5: the key",
        "Bypass",
        "C:\\\\shows\\\\token",
        "pin, otp & psk",
        "#3 (key)",
        "50 % key",
        "-u turn",
    ),
    *(
        "mail: joe@example.com",
        "Author: P. Assante",
        "Asia tour",
        "1:30",
        "Monkey=business?",
        "<b>Pass</b>",
        "curl -up",
    ),
]
IDS = [
    "pin",
    "auth",
    "pass",
    "token-1",
    "password=x",
    "secret",
    "Bearer abcdef123",
    "AKIA" + "A" * 16,
    "key: 5",
    "sid=7",
]
HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def history(frames: list[dict[str, Any]], *, dialect: str = "multicam/1") -> list[Entry]:
    """What a tape of these frames makes of them."""
    pipeline = Pipeline(load_dialect(dialect), venue="v", tap="t")
    pipeline.feed(Opened(Stamp(1_795_000_000_000, 0), 1))
    entries: list[Entry] = []
    for number, fields in enumerate(frames):
        data = CLEAN(json.dumps({"ts": 1_795_000_000_000 + number, **fields}).encode())
        entries += pipeline.feed(Frame(data, Stamp(1_795_000_000_000 + number, number), 1, number + 1))
    return entries


@pytest.mark.parametrize("title", TITLES)
def test_titles_and_names_stay(title: str) -> None:
    """Whatever secret their words might be the name of elsewhere."""
    camera = dict.fromkeys(("name", "role", "device", "lens"), title) | {"id": "c1", "online": True}
    entries = history(
        [
            {"type": "state", "session": None, "cameras": [camera]},
            {"type": "session_started", "session": {"id": "s", "title": title, "notes": title}},
            {"type": "cut", "to": "c1", "cut_id": "k"},
            {"type": "hold", "camera_id": "c1", "by": title, "reason": title},
            {"type": "still_failed", "still_id": "x", "camera_id": "c1", "reason": title},
        ]
    )
    session = [entry.fields for entry in entries if entry.op == "session"][-1]
    assert (session["title"], session["notes"]) == (title, title)
    told = [entry.fields for entry in entries if entry.op == "camera"][-1]
    assert {told[name] for name in ("name", "role", "device", "lens")} == {title}
    assert title in [entry.fields.get("failReason") for entry in entries]


@pytest.mark.parametrize("name", IDS)
def test_ids_keys_and_sums_stay(name: str) -> None:
    """They are what rows are known by."""
    still = {"still_id": name, "camera_id": name}
    entries = history(
        [
            {"type": "state", "session": {"id": name}, "cameras": [{"id": name, "online": True}], "token": "hush"},
            {"type": "still_requested", "still_id": name, "camera_ids": [name, "pin-2"], "pwd": "hush"},
            {"type": "still_uploaded", **still, "storage_key": name, "sha256": HASH, "url": "https://c/x.jpg?sig=hush"},
            {"type": "cut", "to": name, "from": "pin", "cut_id": name, "auth": "hush"},
        ]
    )
    rows = [entry.fields for entry in entries if entry.op == "still" and entry.fields["cameraId"] == name]
    assert rows[-1]["stillId"] == name
    assert (rows[-1]["storageKey"], rows[-1]["sha256"], rows[-1]["url"]) == (name, HASH, "https://c/x.jpg")
    assert [entry.fields["sessionId"] for entry in entries if entry.op == "session"][-1] == name
    marker = next(entry.fields for entry in entries if entry.fields.get("kind") == "still_marker")
    assert marker["detail"]["cameraIds"] == [name, "pin-2"]
    assert "hush" not in str(entries)


def test_what_a_mapping_reads_stays_whatever_its_name() -> None:
    """A server may call its program ``pass``, and its camera's label ``auth_name``."""
    text = """
dialect = "odd/1"
language = 1
[frame]
type = ["token"]
time = ["auth_time"]
[session]
id = ["secret_id"]
[camera]
id = ["key"]
name = ["auth_name"]
[[rule]]
when.token = "state"
emit = "snapshot"
session = ["pass.session"]
program = ["pass.pin"]
mode = ["password_mode"]
cameras = ["credentials"]
"""
    dialect = parse_mapping(text, "odd")
    said = {
        "token": "state", "auth_time": 1_795_000_000_000, "pass": {"session": {"secret_id": "s1"}, "pin": "c1"},
        "password_mode": "photoshoot", "credentials": [{"key": "c1", "auth_name": "Left", "pwd": "hush"}],
    }  # fmt: skip
    clean = json.loads(dialect.clean(json.dumps(said).encode()))
    assert clean["credentials"][0].pop("pwd") == "[redacted]"
    del said["credentials"][0]["pwd"]  # type: ignore[index]
    assert {name: value for name, value in clean.items() if name != "token"} == {
        name: value for name, value in said.items() if name != "token"
    }


def test_a_whole_shoot_stays_byte_for_byte() -> None:
    """Of the recorded shoots no frame loses anything but what is a secret by the made-up server's own word."""
    for tape in sorted((ROOT / "fixtures" / "multicam-1").glob("*.tape.jsonl")):
        for line in tape.read_text().splitlines():
            data = json.loads(line).get("data")
            if data is not None and CLEAN(data.encode()) != data.encode():
                assert "?" in data or "://" in data, data


def test_words_of_our_own_are_no_secrets() -> None:
    """Where a setting's name should stand, it stands: in every text of the tap's, whoever cleans it."""
    lost = []
    for path in sorted((ROOT / "tap").rglob("*.py")):
        if path.name in ("secret.py", "secret_names.py", "redact.py"):
            continue
        texts = _texts(ast.parse(path.read_text("utf-8")))
        lost += [
            text
            for text in texts
            if redact_text(text, sparing=True) != text and ".invalid/" not in text and text != "Bearer …"
        ]
    assert lost == []


def _texts(tree: ast.AST) -> Iterator[str]:
    """Every text in a module but its docstrings; what is put into one is said to be …"""
    docs = [
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docs:
            yield node.value


@pytest.mark.parametrize("text", ["TAP_INGEST_KEY: is not set", "password: TAP_SERVER_TOKEN", "token=TAP_OPS_TOKEN"])
def test_the_name_of_a_setting_stays(text: str) -> None:
    assert redact_text(text) == text
    assert HUSH not in redact_text(f"TAP_SERVER_TOKEN={HUSH}")
    assert HUSH not in redact_text(f"{text} password={HUSH}")


# ---------------------------------------------------------------------------------------------- what it costs


def baits() -> Iterator[str]:
    """Texts that nearly hold a secret."""
    for needle in NEEDLES:
        yield from (needle, f"{needle} ", f"{needle}:", f'"{needle}"', f"-{needle}", f"/{needle}", f"<{needle} x")
        yield from (f"{needle}\\", f'\\"{needle}', f'["{needle}",', f'"name":"{needle}","value":', f"{needle}=[{{")
    for text in TEXTS.values():
        yield from (text[: len(text) * part // 4] for part in (1, 2, 3))


@pytest.mark.timeout(1200)
def test_no_text_takes_more_than_linear_time() -> None:
    """A pattern that is quadratic would take hours over these, and the test would never end."""
    for bait in baits():
        text = bait * (10_000 // len(bait))
        clean_text(text)
        clean_text(text, sparing=True)


@pytest.mark.parametrize("bait", ['x"token":', "<auth", "- -a", "a://u:p@h?q ", '{"pin":{'])
def test_a_frame_is_looked_into_up_to_a_bound(bait: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 32 MB of what nearly holds a secret, 4 MB; what is not looked into is blanked, and ids stay all the same."""
    looked = 0

    def counted(text: str, *, sparing: bool = False) -> str:
        nonlocal looked
        looked += len(text)
        return text

    monkeypatch.setattr("tap.core.redact.clean_text", counted)
    texts = [f"{number}{bait * (1_600 // len(bait))}" for number in range(20_000)]
    clean = redact_json({"texts": texts, "id": "token=5", "name": "token=5"}, {"id"}, {"name"})
    assert 3 * 2**20 < looked <= 4 * 2**20
    assert (clean["texts"][0], clean["texts"][-1]) == (texts[0], "[redacted]")
    assert (clean["id"], clean["name"]) == ("token=5", "token=5")
    looked = 0
    torn = redact_bytes(("{" + bait * (8 * 2**20 // len(bait))).encode())
    assert looked == 4 * 2**20
    assert torn.endswith(b"[redacted]")


def test_json_in_json_without_end_is_looked_into_once() -> None:
    """However many layers: each costs what it is long, and what lies too deep is blanked."""
    value: Any = {"password": HUSH}
    for _ in range(13):
        value = json.dumps({"i": value})
    assert HUSH not in json.dumps(redact_json({"text": value}))
