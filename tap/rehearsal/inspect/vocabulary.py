"""The words by which people who write servers call things. A name alone never makes a guess sure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tap.rehearsal.inspect.paths import tokens

__all__ = [
    "CAMERA",
    "CAMERA_FIELDS",
    "EVENTS",
    "FIELDS",
    "HOLD",
    "IDS",
    "MODE",
    "MODES",
    "PREVIEW",
    "PROGRAM",
    "PROPOSALS",
    "SESSION",
    "TELEMETRY",
    "TRANSITIONS",
    "TRIGGERS",
    "meant",
    "says",
]


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


CAMERA = _set("camera cameras cam cams device devices input inputs source sources client clients angle angles")
PROGRAM = _set("program pgm live air onair main current active take aired")
PREVIEW = _set("preview pvw next upnext standby cue cued staged prv")
SESSION = _set("session shoot job show production gig take recording sitting booking run")
MODE = _set("mode phase md runmode stage state status regime")
HOLD = _set("hold held holding lock locked pin pinned freeze frozen latch latched")
STILL = _set("still pic photo picture snap")
IDS = ("id", "uid", "uuid", "no", "number", "ref", "key", "num", "c", "name")
MODES = _set("idle rehearsal photoshoot performance ghost live standby off on setup show")
PROPOSALS = _set("pending proposal proposed propose hint suggest suggestion suggested proposals")
TELEMETRY = _set(
    "heartbeat keepalive ping pong pose poses stat stats statistics vitals meter meters level levels telemetry metrics "
    "ice offer answer candidate sdp signal signalling health battery vu gyro imu tick alive"
)

CAMERA_FIELDS: Mapping[str, frozenset[str]] = {
    "name": _set("name label title display displayname nm caption alias nickname"),
    "role": _set("role job rl purpose duty function"),
    "device": _set("device model hardware hw make phone body"),
    "lens": _set("lens glass ln optics objective"),
    "placement": _set("placement place spot pos position location where mount"),
    "online": _set("online connected attached up alive present reachable available"),
}

FIELDS: Mapping[str, frozenset[str]] = {
    "title": _set("title name headline subject label"),
    "notes": _set("notes note memo remarks remark comment comments description"),
    "started_at": _set("started start began begin since beganat startedat t0 opened from"),
    "reason": _set("reason why cause because"),
    "by": _set("by who user initiator operator actor author"),
    "trigger": _set("trigger by initiator source origin cause who"),
    "transition": _set("transition effect fx style wipe kind"),
    "duration_ms": _set("duration length len ms seconds secs frames rate time"),
    "from": _set("from was previous prev old before"),
    "width": _set("width w"),
    "height": _set("height h"),
    "bytes": _set("bytes size length"),
    "storage_key": _set("storage key file path object location filename"),
    "kind": _set("kind what type sort"),
    "confidence": _set("confidence sure probability score certainty"),
    "version": _set("version ver release"),
    "server": _set("server product app software"),
    "boot": _set("boot lifetime life instance epoch run bootid"),
}

_SESSIONS = "session shoot job show production gig sitting booking"
_CAMERAS = "camera cam device input source client"
_STILLS = "still photo picture pic snap shot image"
_STARTS = "start started begin began open opened on new created go"
_ENDS = "end ended finish finished stop stopped close closed off done complete completed over"
_EDITS = "update updated edit edited change changed txt rename renamed title info details"

EVENTS: Mapping[str, tuple[frozenset[str], ...]] = {
    name: tuple(_set(group) for group in groups)
    for name, groups in {
        "hello": ("hello welcome boot greeting identify ready",),
        "session_started": (_SESSIONS, _STARTS),
        "session_ended": (_SESSIONS, _ENDS),
        "session_updated": (_SESSIONS, _EDITS),
        "camera_joined": (_CAMERAS, "join joined attach attached connect connected online on add added up new arrived"),
        "camera_left": (_CAMERAS, "left leave detach detached disconnected offline off remove removed gone lost down"),
        "camera_updated": (_CAMERAS, _EDITS),
        "cut": ("cut switch switched take pgm program live aired",),
        "hold": ("hold lock pin engaged held",),
        "release": ("release released unlock unpin unhold",),
        "mode_changed": ("mode phase",),
        "still_requested": (_STILLS, "request requested ask asked order ordered trigger triggered wanted"),
        "still_captured": (_STILLS, "capture captured taken took got shot exposed"),
        "still_uploaded": (_STILLS, "upload uploaded store stored save saved delivered"),
        "still_failed": (_STILLS, "fail failed lost err error timeout missed"),
        "music_moment": ("music beat cue moment drop phrase bar",),
    }.items()
}
"""For each thing that can be emitted, the groups of words of which its type's name has one each."""

TRIGGERS: Mapping[str, frozenset[str]] = {
    "operator": _set("operator human manual user person director hand"),
    "ai": _set("ai auto automatic assistant algorithm bot machine"),
    "ghost_approved": _set("ghost approved approval accepted approvedproposal"),
}
TRANSITIONS: Mapping[str, frozenset[str]] = {
    "cut": _set("cut hard hardcut straight instant take none"),
    "dissolve": _set("dissolve fade mix crossfade cross auto"),
}


def says(name: str, words: Iterable[str]) -> bool:
    """Whether a name has one of the words in it, also where it is written without a break."""
    parts, whole = tokens(name), name.lower()
    leaf = whole.rpartition(".")[2]
    return any(word in parts or word == leaf or (len(word) >= 5 and word in whole) for word in words)


def meant(word: str, meanings: Mapping[str, frozenset[str]]) -> str | None:
    """Which of our words a server's word stands for; None where it does not say."""
    found = [ours for ours, theirs in meanings.items() if says(word, theirs)]
    return found[-1] if found else None
