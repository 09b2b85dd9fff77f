"""A report is one page that needs nothing else, says the right numbers, and is harmless whatever a name in it says."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from itertools import combinations
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tap.core.merge import Row
from tap.history.export.rates import RATES
from tap.history.report import SessionReport, page, report_of
from tap.history.report.palette import COLOURS, TEXTURES, THEMES, contrast, ink_on, looks
from tests.history.shoots import T0 as EVENING
from tests.history.shoots import invented
from tests.history.test_timeline import T0, A, B, camera, cut, event, gap, off_air, session, still

BERLIN = ZoneInfo("Europe/Berlin")
PIXEL = "data:image/png;base64,iVBORw0KGgo="
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028\"'&\x1b[2J\u202e{{ 7*7 }}"


def reported(*rows: Row, **options: Any) -> SessionReport:
    return report_of(rows, **{"zone": BERLIN, "made_at": T0 + 200_000, **options})


def paged(*rows: Row, **options: Any) -> str:
    return page(reported(*rows, **options))


def failed(name: str, camera_id: str, why: str) -> Row:
    """A still that was asked for at second 20 and failed."""
    told = still(name, camera_id, "failed", requestedAt=20)
    told.fields["failReason"] = why
    return told


class _Words(HTMLParser):
    """The text that a person sees, and what the page is made of."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.within: list[str] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(source)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in self.inside:
            self.inside[tag].append("")
            self.within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.within and self.within[-1] == tag:
            self.within.pop()

    def handle_data(self, data: str) -> None:
        if self.within:
            self.inside[self.within[-1]][-1] += data
        else:
            self.words.append(data)


def words(*rows: Row, **options: Any) -> str:
    return _Words(paged(*rows, **options)).text


def data(source: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="shoot-data">(.*?)</script>', source, re.DOTALL)
    assert found is not None
    told: dict[str, Any] = json.loads(found[1])
    return told


# ---------------------------------------------------------------------------------------------- it needs nothing else


def test_nothing_is_loaded_from_outside() -> None:
    made = _Words(paged(*invented(), pictures={}))
    assert not [tag for tag, _ in made.tags if tag in ("iframe", "object", "embed", "base", "form", "video", "audio")]
    for tag, attributes in made.tags:
        for name in ("src", "href", "data", "action", "poster", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
        assert "style" not in attributes, "the policy would refuse it"
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
    assert not re.search(
        r"url\((?!#)|@import|https?://(?!www\.w3\.org/2000/svg)", "".join(made.inside["style"] + made.inside["script"])
    )


def test_the_policy_allows_its_own_script_and_style_and_nothing_else() -> None:
    made = _Words(paged(*invented()))
    policy = next(
        a["content"] for t, a in made.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
    script = next(text for text in made.inside["script"] if not text.startswith("{"))
    assert rules.pop("script-src") == f"'sha256-{_digest(script)}'"
    assert rules.pop("style-src") == f"'sha256-{_digest(made.inside['style'][0])}'"
    assert rules == {"default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# ---------------------------------------------------------------------------------------------- bad input


def hostile() -> list[Row]:
    return [
        session(A | {"mode": HOSTILE}, title=HOSTILE, notes=HOSTILE, status="interrupted", endReason=HOSTILE),
        camera("a", name=HOSTILE, role=HOSTILE, device=HOSTILE),
        camera("b", name=HOSTILE),
        cut(10, "b", "a", trigger=HOSTILE, transition=HOSTILE),
        event("mode_change", 20, detail={"from": HOSTILE, "to": HOSTILE}),
        event(HOSTILE, 25, detail={"x": HOSTILE}),
        event("music_moment", 26, detail={"kind": HOSTILE}),
        gap(60, 10, {"programCameraId": HOSTILE}, {"programCameraId": HOSTILE}),
        failed("s1", "a", HOSTILE),
        still("s2", "b", "uploaded", capturedAt=31),
    ]


def test_a_hostile_name_is_only_ever_text() -> None:
    made = paged(*hostile())
    read = _Words(made)
    assert "alert(1)" in read.text, "it is shown as it is"
    assert len(read.inside["script"]) == 2, "no element was opened by a name"
    assert not [tag for tag, attributes in read.tags if tag == "img" or "onerror" in attributes]
    assert "49" not in re.findall(r"\{\{|\b49\b", read.text)
    told = made[made.index("shoot-data") :]
    embedded = told[told.index(">") + 1 : told.index("</script>")]
    assert not set("<>&\u2028\u2029\x1b\u202e") & set(embedded)


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\u200f", "\ud800"])
def test_control_characters_are_spelt_out(character: str) -> None:
    made = paged(session(A, title=f"a{character}b"), camera("a", name=f"c{character}d"))
    assert character not in made
    made.encode()


def test_a_title_of_ten_thousand_characters_is_bounded() -> None:
    long = "endless" * 1500
    usual = len(paged(session(A), camera("a")))
    made = paged(session(A, title=long, notes=long), camera("a", name=long, role=long), cut(10, "a", "b", trigger=long))
    assert len(made) < usual + 20_000
    assert "…" in made


def test_text_from_right_to_left_keeps_its_direction_to_itself() -> None:
    made = paged(session(A, title="ليلة الشتاء"), camera("a", name="كاميرا المسرح"))
    assert '<h1 dir="auto">ليلة الشتاء</h1>' in made
    assert "<bdi>كاميرا المسرح</bdi>" in made


def test_cameras_without_names_and_with_one_name_are_told_apart() -> None:
    told = reported(session(A), camera("a", name="Cam"), camera("b", name="Cam"), camera("c"))
    assert [one.name for one in told.cameras] == ["c", "Cam (a)", "Cam (b)"]
    long = "x" * 5000
    told = reported(session(), camera("1", name=f"{long}1"), camera("2", name=f"{long}2"))
    assert len({one.name for one in told.cameras}) == 2


def test_a_session_that_still_runs_says_so() -> None:
    made = paged(session(A, end=None), cut(40, "b", "a"))
    assert "still running: as of 12:07:20" in _Words(made).text
    assert data(made)["live"] is True


def test_a_session_that_was_interrupted_says_how() -> None:
    assert "interrupted: another session had begun" in words(session(A, status="interrupted", endReason="replaced"))


@pytest.mark.parametrize(
    "rows",
    [
        [session()],
        [session(end=0)],
        [session(end=None)],
        [session(A)],
        [cut(1, "a")],
        [session(A | {"at": T0 + 40_000}), gap(40, None, None, A)],
        [session(A, end=30 * 86_400)],
        [still("s", "a", "requested", requestedAt=1)],
    ],
    ids=[
        "nothing",
        "no length",
        "live",
        "no cuts",
        "no session row",
        "a gap over its start",
        "a month",
        "a still only",
    ],
)
def test_a_session_with_hardly_anything_in_it_has_a_page_too(rows: list[Row]) -> None:
    made = _Words(paged(*rows))
    assert "Length" in made.text
    assert not re.search(r"\b(None|nan|Undefined|inf)\b", made.text)


def test_a_gap_over_the_start_says_that_the_shoot_was_running_already() -> None:
    made = words(session(A | {"at": T0 + 40_000}), gap(40, None, None, A))
    assert "The shoot was already running when the tap first saw it." in made


def test_a_row_that_was_taken_back_does_not_show() -> None:
    gone = cut(10, "b", "a", cameraName="Never there")
    gone.retracted = {"at": T0, "reason": "rederived"}
    kept = cut(20, "c", "a", cameraName="Ben")
    made = paged(session(A), gone, kept)
    assert "Never there" not in made
    assert len(data(made)["events"]) == 1


# ---------------------------------------------------------------------------------------------- what it says


def test_the_numbers_are_told() -> None:
    told = words(
        session(A, title="Evening set"),
        camera("a", name="Anna", role="host"),
        camera("b", name="Ben", role="wide", device="iPhone 15"),
        cut(10, "b", "a", trigger="ai"),
        cut(30, "a", "b", transition="dissolve", durationMs=800),
        event("hold", 40, cameraId="a"),
        event("release", 45, durationMs=5000),
        gap(80, 20, A, B),
        still("s1", "b", "uploaded", requestedAt=11, capturedAt=12, uploadedAt=14),
        failed("s2", "b", "no space left"),
    )
    for expected in (
        "Evening set",
        "Wednesday 18 November 2026, 12:06:40 – 12:08:20 CET (Europe/Berlin)",
        "Length 1:40",
        "On air 80 % 1:20",
        "Cuts 2 1.5 a minute",
        "Longest shot 30.0 s Anna, 12:07:10",
        "Longest hold 5.0 s",
        "Stills 1 1 of 2 requested",
        "No signal 20.0 s 1 gap",
        "Failed, or requested and never taken 12:07:00 Ben failed: no space left",
        "ai 1 50 %",
        "dissolve 1 50 %",
        "Unknown: 20.0 s.",
        "On air before: Anna . After: Ben .",
    ):
        assert expected in told, expected


def test_stills_that_nobody_requested_are_not_told_as_requested() -> None:
    told = words(
        session(A),
        camera("a", name="Anna"),
        still("s1", "a", "uploaded", requestedAt=11, capturedAt=12, uploadedAt=14),
        still("s2", "a", "captured", capturedAt=20),
        still("s3", "a", "requested", requestedAt=30),
    )
    assert "Stills 2 1 of 2 requested" in told
    assert "Requested, never taken 12:07:10 Anna" in told
    assert "Taken, not uploaded 12:07:00 Anna" in told
    assert "Anna 2 2 1" in told, "in the table: requested, taken, uploaded"


def test_a_short_gap_is_told_with_tenths_of_seconds() -> None:
    """Else it would begin and end in one second."""
    told = words(session(A), gap(20.6, 0.4, A, B), gap(90, 61, B, A))
    assert "12:07:00.2 12:07:00.6 0.4 s" in told
    assert "12:07:09 12:08:10 1:01" in told


def test_the_pace_names_its_step_and_the_most_cuts_in_one() -> None:
    assert "Cuts per 10 s, at most 1" in words(session(A), cut(10, "b", "a"), cut(30, "a", "b"))


def test_times_are_those_of_the_zone_also_where_clocks_are_put_back() -> None:
    """In Berlin clocks went back at 01:00 UTC on 25 October 2026: two offsets, and the moment between them."""
    change = 1_792_890_000_000
    rows = [
        Row("hall/x", "session", "hall/x", 0, 0, {"startedAt": change - 3_600_000, "completedAt": change + 3_600_000})
    ]
    offsets = data(paged(*rows))["offsets"]
    assert offsets == [[change - 3_600_000, 7_200_000], [change, 3_600_000]]
    assert "02:00:00 CEST – 03:00:00 CET" in words(*rows)
    assert "Length 2:00:00" in words(*rows), "two hours, not one"


def test_timecode_is_time_of_day_at_the_start_and_counted_from_there() -> None:
    told = data(paged(session(A), cut(10.5, "b", "a")))
    assert told["events"][0][4] == "12:06:50:13"
    drop = data(paged(session(A), cut(10.5, "b", "a"), rate=RATES["29.97df"]))
    assert re.fullmatch(r"12:06:50;1[4-6]", drop["events"][0][4])


def test_dissolves_holds_modes_gaps_and_stills_reach_the_picture() -> None:
    told = data(
        paged(
            session(A | {"mode": "rehearsal"}),
            cut(10, "b", "a", transition="dissolve", durationMs=800),
            event("hold", 20, cameraId="b"),
            event("release", 25),
            gap(50, 20, B, A),
            still("s", "a", "uploaded", capturedAt=12),
        )
    )
    assert told["program"] == [
        [0, 10_000, 0, 0],
        [10_000, 20_000, 1, 0],
        [30_000, 20_000, -2, 0],
        [50_000, 50_000, 0, 0],
    ]
    assert told["events"][0][6] == 800
    assert told["holds"] == [[20_000, 5000, 1]]
    assert [mode[2] for mode in told["modes"]] == ["rehearsal"]
    assert told["gaps"] == [[30_000, 20_000, 0, "no signal for 20.0 s"]]
    assert told["stills"] == [[12_000, 0, "uploaded", "s", 2000, -1, ""]]


def test_pictures_are_part_of_the_page() -> None:
    shot = still("s", "a", "uploaded", capturedAt=12)
    made = _Words(paged(session(A), camera("a", name="Anna"), shot, pictures={shot.key: PIXEL}))
    assert [attributes["src"] for tag, attributes in made.tags if tag == "img"] == [PIXEL]
    assert "Still of Anna at 12:06:52" in [attributes["alt"] for tag, attributes in made.tags if tag == "img"]


def test_the_same_rows_give_the_same_page() -> None:
    rows = invented(seed=3)
    assert paged(*rows) == paged(*reversed(rows))


def test_a_page_of_ten_thousand_cuts_is_small() -> None:
    made = paged(*invented(cuts=14_000, minutes=720, cameras=12))
    assert len(data(made)["events"]) > 10_000
    assert len(made) < 1_500_000
    assert html.escape("Winter concert, second night") in made
    assert data(made)["start"] == EVENING


# ---------------------------------------------------------------------------------------------- colours

_SEEN_BY = {
    "everybody": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
"""How colours are seen, in linear RGB (Machado, Oliveira and Fernandes 2009, the severest)."""


def _oklab(colour: str, seen: tuple[tuple[float, ...], ...]) -> tuple[float, ...]:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    red, green, blue = (min(1.0, max(0.0, sum(a * b for a, b in zip(row, linear, strict=True)))) for row in seen)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


@pytest.mark.parametrize("seen", _SEEN_BY)
@pytest.mark.parametrize("theme", COLOURS)
def test_the_colour_blind_tell_the_cameras_apart(theme: str, seen: str) -> None:
    """0.02 is what a trained eye just notices; four times that is another colour to anybody."""
    views = [_oklab(colour, _SEEN_BY[seen]) for colour in COLOURS[theme]]
    nearest = min(
        sum((a - b) ** 2 for a, b in zip(one, two, strict=True)) ** 0.5 for one, two in combinations(views, 2)
    )
    assert nearest >= 0.08


@pytest.mark.parametrize("theme", COLOURS)
def test_every_colour_can_be_seen_and_what_is_written_read(theme: str) -> None:
    ground = THEMES[theme]
    for colour in COLOURS[theme]:
        assert contrast(colour, ground["card"]) >= 3
        assert contrast(colour, ink_on(colour)) >= 4.5
    for text, below in (("text", "card"), ("text", "page"), ("text", "band"), ("text", "band2"), ("text", "raised")):
        assert contrast(ground[text], ground[below]) >= 7
    for text in ("soft", "accent", "bad", "warn", "good", "gap"):
        assert contrast(ground[text], ground["card"]) >= 4.5
    assert contrast(ground["soft"], ground["page"]) >= 4.5
    assert contrast(ground["soft"], ground["raised"]) >= 4.5


def test_twenty_four_cameras_look_different() -> None:
    assert len({looks(index) for index in range(len(COLOURS["light"]) * len(TEXTURES))}) == 24
    assert looks(24) == looks(0)


# ---------------------------------------------------------------------------------------------- off air, marks, clocks


def show() -> list[Row]:
    return [
        session(A, end=25),
        camera("b", name="Ben"),
        cut(5, "b", "a"),
        off_air(10, "b", trigger="operator"),
        event("marker", 12, detail={"label": "best take", "source": "Stream Deck"}),
        cut(20, "b"),
    ]


def test_off_air_is_nothing_in_the_picture_and_a_line_in_the_table() -> None:
    told = data(paged(*show()))
    assert [(start, length, camera_at) for start, length, camera_at, _ in told["program"]] == [
        (0, 5000, 1),
        (5000, 5000, 0),
        (20_000, 5000, 0),
    ]
    kinds = {name: (label, row) for name, label, row in told["kinds"]}
    assert kinds == {"cut": ("Cut", "program"), "off_air": ("Off air", "program"), "marker": ("Marker", "marker")}
    said = [told["words"][one[5]] for one in told["events"]]
    assert said == ["from a, operator", "Ben went off, operator", "best take (Stream Deck)", "operator"]


def test_nothing_on_air_is_told_as_such_and_counts_as_no_cut() -> None:
    found = reported(*show()).figures
    assert (found.cuts, found.off_ms, found.on_air_ms, found.length_ms) == (2, 10_000, 15_000, 25_000)
    assert "Nothing on air: 10.0 s." in words(*show())


def test_a_clock_that_was_set_is_told_and_moves_nothing() -> None:
    rows = [
        session(A, end=55),
        *(cut(5, "b", "a"), cut(29, "a", "b"), cut(26, "c", "a", observed=31), cut(28, "b", "c", observed=33)),
    ]
    told = data(paged(*rows))
    assert told["length"] == 60_000
    assert [one[1] for one in told["events"]] == [5_000, 29_000, 31_000, 33_000]
    assert "The server's clock was set back by 5.0 s before 12:07:11; times here continue by the first clock." in words(
        *rows
    )
    assert "clock was set" not in words(*show())
