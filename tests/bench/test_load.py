"""The load is what a control WebSocket carries, and the same for everybody, always."""

from __future__ import annotations

from collections import Counter
from itertools import chain, pairwise

import orjson

from bench.load import Load, frames

TELEMETRY = {"pose", "device_stats", "preview_stats", "heartbeat", "hero_feed_ice"}
COUNT = 20_000


def test_it_is_the_same_each_time() -> None:
    assert list(frames(2_000)) == list(frames(2_000))


def test_it_is_95_parts_telemetry_4_snapshots_and_1_control() -> None:
    types = Counter(orjson.loads(frame)["type"] for frame in frames(COUNT))
    telemetry = sum(count for kind, count in types.items() if kind in TELEMETRY) / COUNT
    snapshots = types["state"] / COUNT
    assert 0.945 < telemetry < 0.955
    assert 0.035 < snapshots < 0.045
    assert 0.008 < 1 - telemetry - snapshots < 0.012


def test_a_telemetry_frame_has_400_bytes_to_4_kilobytes() -> None:
    sizes = [len(frame) for frame in Load().telemetry(COUNT)]
    assert min(sizes) >= 400
    assert max(sizes) <= 4_500


def test_one_telemetry_frame_in_a_hundred_has_its_type_elsewhere() -> None:
    """Looking at the beginning is not enough."""
    elsewhere = sum(not frame.startswith(b'{"type":') for frame in Load().telemetry(COUNT))
    assert 0.002 < elsewhere / COUNT < 0.03


def test_sections_are_one_shoot() -> None:
    """No cut is told twice, and the sequence goes on."""
    told = [orjson.loads(frame) for frame in Load().sections([("cuts", 300), ("telemetry", 50), ("cuts", 300)])]
    cuts = [frame for frame in told if frame["type"] == "cut"]
    assert len({cut["cut_id"] for cut in cuts}) == 600
    assert [cut["seq"] for cut in cuts] == sorted({cut["seq"] for cut in cuts})
    assert all(before["to"] == after["from"] for before, after in pairwise(cuts))


def test_the_mixed_section_is_the_load() -> None:
    assert list(Load().sections([("mixed", 500)])) == list(frames(500))


def test_a_snapshot_tells_of_every_camera() -> None:
    (one,), (many,) = (list(Load(cameras).snapshots(1)) for cameras in (1, 50))
    assert [len(orjson.loads(frame)["cameras"]) for frame in chain([one], [many])] == [1, 50]


def test_a_busy_shoot_has_a_cut_in_25_frames_and_not_at_even_distances() -> None:
    """Else all of them would meet a listener at the same moment of what it does at even distances."""
    told = [orjson.loads(frame)["type"] for frame in Load().busy(2_500)]
    quiet = [orjson.loads(frame)["type"] for frame in Load().mixed(2_500)]
    blocks = [told[at : at + 25] for at in range(0, 2_500, 25)]
    assert all("cut" in block for block in blocks)
    assert 95 < told.count("cut") - quiet.count("cut") < 110
    assert len({block.index("cut") for block in blocks}) > 15
