"""A small plant's record, filled by hand: what the dashboard's tests and screenshots look at."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import soundfile
from sqlalchemy import Connection, Table, insert, update

from mmindustry.domain import AlarmKey, Media, Position, WindowKey
from mmindustry.store.database import Database, open_database
from mmindustry.store.policy import StorePolicy
from mmindustry.store.tables import (
    alarm_transitions,
    alarms,
    asset_state,
    assets,
    assignments,
    bundles,
    dead_letters,
    entries,
    gaps,
    labels,
    late,
    metadata,
    partition_progress,
    places,
    predictions,
    sensors,
    sites,
    states,
    windows,
)
from mmindustry.testing.archive import FakeArchive, FakeStorage

NOW = datetime(2026, 3, 3, 9, 30, tzinfo=UTC)
LENGTH = timedelta(seconds=10)
POLICY = "tumbling-10s"
BUNDLE = "builtin-2026.03"
SICK = "aachen/press-shop/line-1/pump-2"
WELL = "aachen/press-shop/line-1/pump-1"
FOREIGN = "suzhou/filling/line-3/conveyor-7"
HOSTILE = "<img src=x onerror=alert(1)>"
CLASSES = (
    *("healthy", "bearing_outer", "bearing_inner", "imbalance", "looseness", "cavitation"),
    *("seal_leak", "belt_slip", "motor_overheating"),
)
ASSETS: Mapping[str, tuple[str, bool]] = {
    WELL: ("Cooling pump 1", True),
    SICK: ("Cooling pump 2", True),
    "aachen/press-shop/line-1/press-1": ("Press 1", True),
    "aachen/press-shop/line-2/press-2": ("Press 2", True),
    "aachen/press-shop/line-2/fan-4": ("Extraction fan 4", True),
    "aachen/paint-shop/booth-1/fan-1": ("Booth fan 1", True),
    "aachen/paint-shop/booth-1/pump-9": ("Paint pump 9", True),
    "suzhou/filling/line-3/filler-1": ("灌装机 1", True),
    FOREIGN: ("输送机 7", True),
    "suzhou/filling/line-3/mixer-2": ("", False),
}
WITH_MEDIA = (SICK, WELL, FOREIGN)
FRESH = "aachen/press-shop/line-1/press-1"
"""Its newest window's evidence is not archived yet."""
STRANGE = "aachen/press-shop/line-2/press-2"
"""An unregistered camera and an unregistered microphone, quiet by now, speak of it too."""


@dataclass(slots=True)
class PlantRecord:
    """The filled record and its evidence, with the ids the tests walk by."""

    database: Database
    storage: FakeStorage
    sick_window: str = ""
    foreign_window: str = ""
    sick_alarm: str = ""
    foreign_alarm: str = ""
    fresh_window: str = ""
    quiet_alarm: str = ""
    rows: dict[Table, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def archive(self) -> FakeArchive:
        """The archive over the evidence."""
        return FakeArchive(self.storage)

    def archive_fresh(self) -> None:
        """Seal the evidence that is not archived yet, as a worker does a little later."""
        shard: dict[Position, Media] = {}
        key = WindowKey(FRESH, POLICY, NOW - LENGTH)
        _evidence_of(key, 0.0, shard, partition=1)
        self.storage.shards["0-1-000018"] = (1, 1, shard)
        with self.database.write() as connection:
            sealed = update(windows).where(windows.c.id == key.id).values(shard="0-1-000018")
            connection.execute(sealed)
            connection.execute(update(partition_progress).values(step=9998))

    def add(self, table: Table, **values: Any) -> None:
        """Note a row to be written."""
        self.rows.setdefault(table, []).append(values)

    def write(self) -> None:
        """Write all noted rows, in the order of their tables."""
        with self.database.write() as connection:
            for table in metadata.sorted_tables:
                _insert(connection, table, self.rows.get(table, []))


def _insert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    shapes: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        shapes.setdefault(tuple(sorted(row)), []).append(row)
    for alike in shapes.values():
        connection.execute(insert(table), alike)


def make_record(folder: Path, *, windows_each: int = 12) -> PlantRecord:
    """Return a filled record in a fresh SQLite database under `folder`."""
    database = open_database(StorePolicy(url=f"sqlite:///{folder / 'record.db'}"))
    metadata.create_all(database.engine)
    return fill_record(database, windows_each=windows_each)


def fill_record(database: Database, *, windows_each: int = 12) -> PlantRecord:
    """Fill an empty record, whose tables are there, and return it."""
    record = PlantRecord(database, FakeStorage())
    _registry(record)
    for number, asset in enumerate(ASSETS):
        _history(record, asset, number, windows_each)
    _trouble(record)
    _people(record)
    record.write()
    return record


def _registry(record: PlantRecord) -> None:
    record.add(sites, site="aachen", name="Aachen", zone="Europe/Berlin")
    record.add(sites, site="suzhou", name="苏州", zone="Asia/Shanghai")
    for path, name in (
        ("aachen/press-shop", "Press shop"),
        ("aachen/paint-shop", "Paint shop"),
        ("suzhou/filling", "灌装车间"),
    ):
        record.add(places, path=path, kind="area", name=name)
    for path, name in (
        ("aachen/press-shop/line-1", "Line 1"),
        ("aachen/press-shop/line-2", "Line 2"),
        ("suzhou/filling/line-3", "三号线"),
    ):
        record.add(places, path=path, kind="line", name=name)
    card = {
        "kind": "centrifugal pump",
        "nominal_speed_rpm": 1480.0,
        "bearings": [
            {"name": "6205", "balls": 9, "ball_diameter_mm": 7.94, "pitch_diameter_mm": 39.04}
        ],
        "belt_ratio": None,
        "blades": 6,
        "line_frequency_hz": 50.0,
        "regions": {"gauge": [0.1, 0.1, 0.2, 0.2]},
    }
    for asset, (name, registered) in ASSETS.items():
        record.add(
            assets,
            asset=asset,
            asset_id=asset,
            name=name,
            registered=registered,
            partition=0,
            card=card if registered else None,
            first_seen=NOW - timedelta(days=40),
            updated_at=NOW,
        )
        if registered:
            _sensors(record, asset)


def source_of(kind: str, asset: str) -> str:
    """Return a source's name: long, as the simulator makes them, for one asset; short elsewhere."""
    return f"{asset}/{kind}-1" if asset == SICK else f"{kind}-{asset.rsplit('/', 1)[-1]}"


def _sensors(record: PlantRecord, asset: str) -> None:
    record.add(
        sensors,
        source=source_of("cam", asset),
        asset=asset,
        modality="image",
        every_seconds=2.0,
        rate_hz=None,
        mounting="bracket, 1.5 m",
        region="gauge",
    )
    record.add(
        sensors,
        source=source_of("mic", asset),
        asset=asset,
        modality="audio",
        every_seconds=1.0,
        rate_hz=16_000.0,
        sensitivity="-38 dBFS/Pa",
        mounting="housing, drive end",
        region="",
    )


def _severity(asset: str, step: int, count: int) -> float:
    share = step / max(1, count - 1)
    worse = {SICK: 0.45, "aachen/paint-shop/booth-1/pump-9": 0.7}.get(asset)
    return 0.0 if worse is None else max(0.0, (share - worse) / (1.0 - worse))


def _history(record: PlantRecord, asset: str, number: int, count: int) -> None:
    rng = np.random.default_rng(number)
    first = NOW - count * LENGTH
    for step in range(count):
        start = first + step * LENGTH
        severity = _severity(asset, step, count)
        fault = "bearing_outer" if asset == SICK else "seal_leak"
        newest = step >= count - 2 and asset in WITH_MEDIA
        key = WindowKey(asset, POLICY, start)
        _window(record, key, (severity, fault, rng), with_media=newest)
    record.add(
        asset_state,
        asset=asset,
        policy=POLICY,
        partition=0,
        frontier=NOW,
        watermark=NOW,
        sources=_heard(asset),
        text_windows=[],
        updated_at=NOW - timedelta(seconds=300 if asset.endswith("mixer-2") else 2),
    )
    stopped = asset.endswith("press-2")
    record.add(
        states,
        source=f"plc-{asset}",
        event_id="s1",
        time=NOW - timedelta(seconds=12),
        asset=asset,
        running=not stopped,
        speed_rpm=0.0 if stopped else 1476.0,
        load_ratio=0.0 if stopped else 0.82,
        flags=[],
        append_time=NOW,
        topic="mm.states",
        partition=0,
        offset=number,
        written_at=NOW,
    )


def _heard(asset: str) -> dict[str, object]:
    """Return what windowing remembers of the asset's sources: its own, and two strangers."""
    spoke = {
        "time": NOW.isoformat(),
        "heard": NOW.isoformat(),
        "set_aside": False,
        "quiet_since": None,
        "expected": None,
    }
    own: dict[str, object] = {
        source_of("cam", asset): {"modality": "image", **spoke},
        source_of("mic", asset): {"modality": "audio", **spoke},
    }
    strangers: dict[str, object] = {
        "s-1": {"modality": "audio", **spoke},
        "handheld-2": {"modality": "image", **spoke},
    }
    return own | (strangers if asset == STRANGE else {})


def _window(
    record: PlantRecord,
    key: WindowKey,
    truth: tuple[float, str, np.random.Generator],
    *,
    with_media: bool,
) -> None:
    asset, start = key.asset, key.start
    if asset == SICK:
        record.sick_window = key.id
    if asset == FOREIGN:
        record.foreign_window = key.id
    fresh = asset == FRESH and start == NOW - LENGTH
    if fresh:
        record.fresh_window = key.id
    evidence = _evidence(record, key, truth[0]) if with_media or fresh else []
    missing = [source_of("mic", asset)] if start.second == 20 and truth[0] == 0 else []
    record.add(
        windows,
        start=start,
        asset=asset,
        policy=POLICY,
        revision=0,
        id=key.id,
        end=start + LENGTH,
        partition=0,
        cut={"mm.frames": 5000, "mm.audio": 9000, "mm.logs": 100, "mm.states": 100},
        evidence=evidence,
        missing=missing,
        closed_by="waiting" if missing else "watermark",
        blind=False,
        bundle=BUNDLE,
        profile="p1",
        shard="0-1-000017" if with_media else None,
        evidence_lost=None if with_media or fresh else "retention",
        written_at=start + LENGTH,
    )
    record.add(predictions, **_prediction(key, truth))


def _prediction(key: WindowKey, truth: tuple[float, str, np.random.Generator]) -> dict[str, Any]:
    severity, fault, rng = truth
    sick = float(np.clip(severity * 0.93 + rng.normal(0.03, 0.012), 0.004, 0.985))
    rest = rng.dirichlet(np.full(len(CLASSES) - 2, 0.6)) * min(sick * 0.12, 0.06)
    faults = {"healthy": 1.0 - sick, fault: sick - float(rest.sum())}
    others = [name for name in CLASSES if name not in faults]
    faults |= {name: float(p) for name, p in zip(others, rest, strict=True)}
    leading = max(faults, key=faults.__getitem__)
    risk = {h: float(1 - math.exp(-(sick**3) * w)) for h, w in _RISKS}
    novelty = {
        "image": float(np.clip(rng.uniform(0.05, 1) * (1 - severity), 1e-3, 1)),
        "audio": float(np.clip(rng.uniform(0.05, 1) * (1 - severity) ** 4, 1e-4, 1)),
    }
    life = 30 * 86_400 * (1 - sick) ** 2 + 5400
    nats = severity * 5 + 0.2
    return {
        "start": key.start,
        "asset": key.asset,
        "policy": key.policy,
        "revision": 0,
        "bundle": BUNDLE,
        "window_id": key.id,
        "end": key.start + LENGTH,
        "profile": "p1",
        "fault": leading,
        "fault_probability": faults[leading],
        "health": 1.0 - sick,
        "risk_24h": risk["24h"],
        "novelty_p": min(novelty.values()),
        "remaining_life_p05_seconds": life * 0.4,
        "remaining_life_p50_seconds": life,
        "remaining_life_p95_seconds": life * 2.3,
        "faults": faults,
        "risk": risk,
        "product": {"good": 0.91, "scratch": 0.07, "dent": 0.02},
        "novelty": novelty,
        "terms": {"image": 0.4 * nats - 0.3, "audio": nats, "text": 0.5 * nats - 0.6},
        "present": {"image": True, "audio": True, "text": severity > 0},
        "quality": {"image": 0.96, "audio": 0.9, "text": 1.0},
        "findings": [["camera_blurred", source_of("cam", SICK)]] if key.asset == SICK else [],
        "registered": True,
        "running": True,
        "written_at": key.start + LENGTH,
    }


_RISKS = (("1h", 0.35), ("8h", 1.2), ("24h", 2.4), ("7d", 5.0))


def _evidence(record: PlantRecord, key: WindowKey, severity: float) -> list[dict[str, Any]]:
    if key.asset == FRESH:
        return _evidence_of(key, severity, {}, partition=1)  # in no shard yet
    shard = record.storage.shards.setdefault("0-1-000017", (0, 1, {}))[2]
    return _evidence_of(key, severity, shard, partition=0)


def _evidence_of(
    key: WindowKey, severity: float, shard: dict[Position, Media], *, partition: int
) -> list[dict[str, Any]]:
    short = key.asset.rsplit("/", 1)[-1]
    items: list[dict[str, Any]] = []
    for n in range(5):
        at = key.start + timedelta(seconds=2 * n)
        media = Media("image/jpeg", picture(severity, n, short))
        items.append(_item(shard, source_of("cam", key.asset), at, media=media, part=partition))
    for n in range(10):
        at = key.start + timedelta(seconds=n)
        media = Media("audio/wav", tone(severity, n))
        items.append(_item(shard, source_of("mic", key.asset), at, media=media, part=partition))
    return items


def _item(
    shard: dict[Position, Media], source: str, at: datetime, *, media: Media, part: int
) -> dict[str, Any]:
    modality = media.content_type.split("/")[0]
    topic = "mm.frames" if modality == "image" else "mm.audio"
    position = Position(topic, part, len(shard))
    shard[position] = media
    return {
        "source": source,
        "id": f"{modality}-{at:%H%M%S}",
        "time": at.isoformat(),
        "modality": modality,
        "topic": topic,
        "partition": part,
        "offset": position.offset,
    }


@lru_cache(maxsize=256)
def picture(severity: float, step: int, name: str) -> bytes:
    """Return a JPEG of a machine whose smoke grows with severity."""
    rng = np.random.default_rng(step)
    pixels: Any = np.full((480, 640, 3), 96, np.uint8)
    pixels[360:] = (84, 88, 92)
    cv2.rectangle(pixels, (180, 200), (430, 360), (120, 132, 120), -1)
    cv2.circle(pixels, (250, 280), 60, (150, 160, 150), -1)
    cv2.circle(pixels, (520, 120), 60, (225, 225, 225), -1)
    angle = math.radians(200 - 150 * (0.4 + 0.4 * severity))
    tip = (int(520 + 48 * math.cos(angle)), int(120 - 48 * math.sin(angle)))
    cv2.line(pixels, (520, 120), tip, (20, 20, 20), 4)
    cv2.putText(pixels, name, (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (235, 235, 235), 2)
    smoke = pixels.copy()
    for _ in range(int(40 * severity)):
        x, y = int(rng.normal(300, 60)), int(rng.normal(150 - 8 * step, 50))
        cv2.circle(smoke, (x, y), int(rng.uniform(15, 50)), (190, 190, 190), -1)
    smoke = cv2.GaussianBlur(smoke, (0, 0), 14)
    mixed = cv2.addWeighted(pixels, 1 - 0.6 * severity, smoke, 0.6 * severity, 0)
    noisy = np.clip(mixed + rng.normal(0, 4, mixed.shape), 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", noisy)[1].tobytes()


@lru_cache(maxsize=256)
def tone(severity: float, step: int, rate: int = 16_000) -> bytes:
    """Return one second of a machine's sound as WAV; a sick bearing knocks 90 times a second."""
    rng = np.random.default_rng(100 + step)
    t = np.arange(rate) / rate
    sound = 0.05 * np.sin(2 * np.pi * 24.6 * t) + 0.03 * np.sin(2 * np.pi * 100 * t)
    sound += 0.012 * rng.normal(size=rate)
    knock = np.exp(-((t * 89.7) % 1.0) * 9.0) * np.sin(2 * np.pi * 3400 * t)
    sound += 0.25 * severity * knock
    target = io.BytesIO()
    soundfile.write(target, sound.astype(np.float32), rate, format="WAV", subtype="PCM_16")
    return target.getvalue()


def _trouble(record: PlantRecord) -> None:
    record.sick_alarm = _alarm(record, SICK, "bearing_outer high", minutes=3)
    record.foreign_alarm = _alarm(record, FOREIGN, "sensor_quality low", minutes=4)
    _alarm(record, "aachen/paint-shop/booth-1/pump-9", "seal_leak medium", minutes=2)
    _alarm(record, WELL, "imbalance medium", minutes=30, cleared=20)
    record.quiet_alarm = _quiet(record, STRANGE, "s-1")
    for source, kind, ended in (
        ("mic-fan-4", "quiet", None),
        ("cam-fan-4", "quiet", NOW - timedelta(minutes=50)),
    ):
        record.add(
            gaps,
            partition=0,
            asset="aachen/press-shop/line-2/fan-4",
            source=source,
            kind=kind,
            started=NOW - timedelta(minutes=55),
            ended=ended,
            written_at=NOW,
        )
    record.add(
        gaps,
        partition=0,
        asset="",
        source="mm.audio",
        kind="data_gap",
        started=NOW - timedelta(hours=6),
        ended=NOW - timedelta(hours=6) + timedelta(seconds=41),
        first_offset=7000,
        last_offset=7410,
        written_at=NOW,
    )
    for n, (reason, stage, key, detail) in enumerate(_LETTERS):
        record.add(
            dead_letters,
            era=0,
            topic="mm.frames",
            partition=0,
            offset=100 + n,
            reason=reason,
            stage=stage,
            modality="image",
            detail=detail,
            key=key,
            value_bytes=118_000 + n,
            append_time=NOW - timedelta(minutes=n),
            written_at=NOW - timedelta(minutes=n),
        )
    record.add(
        late,
        start=NOW - LENGTH,
        asset=SICK,
        policy=POLICY,
        source=source_of("mic", SICK),
        event_id="late-1",
        time=NOW - timedelta(seconds=4),
        modality="audio",
        topic="mm.audio",
        partition=0,
        offset=8999,
        written_at=NOW,
    )


def _quiet(record: PlantRecord, asset: str, source: str) -> str:
    """Add what the silence of a source leaves: a gap that lasts and its alarm; return its id."""
    at = NOW - timedelta(minutes=6)
    told = {"source": source, "started": at.isoformat()}
    key = AlarmKey(asset, "quiet", f"{source}@{at.isoformat()}")
    record.add(
        gaps, partition=0, asset=asset, source=source, kind="quiet", started=at, written_at=NOW
    )
    record.add(
        alarms,
        id=key.id,
        asset=asset,
        fault="quiet",
        window=key.window,
        source=source,
        priority="low",
        raised_at=at,
        cleared_at=None,
        score=1.0,
        bundle="",
        late=False,
        evidence=told,
        written_at=at,
    )
    record.add(
        alarm_transitions,
        alarm_id=key.id,
        change="raised",
        at=at,
        priority="low",
        score=1.0,
        bundle="",
        evidence=told,
        written_at=at,
    )
    return key.id


_LETTERS = (
    ("image_too_large", "decode", SICK, "65535 x 65535 pixels, at most 40000000"),
    ("time_zone_missing", "decode", WELL, "ce_time 2026-03-03T09:00:00"),
    ("wrong_partition", "decode", FOREIGN, "partition 0, its key belongs to 3"),
    ("image_corrupt", "build", f"{SICK}/{HOSTILE}", f"begins with {HOSTILE}"),
)


def _alarm(
    record: PlantRecord, asset: str, what: str, *, minutes: int, cleared: int | None = None
) -> str:
    fault, priority = what.split()
    at = NOW - timedelta(minutes=minutes)
    start = at - LENGTH
    window = WindowKey(asset, POLICY, start)
    key = AlarmKey(asset, fault, window.id)
    evidence = {
        "probabilities": {fault: 0.91, "healthy": 0.07, "looseness": 0.02},
        "risk": {"1h": 0.12, "8h": 0.44, "24h": 0.81, "7d": 0.97},
        "terms": {"image": 1.1, "audio": 3.9, "text": 0.8},
        "quality": {"image": 0.96, "audio": 0.9, "text": 1.0},
        "novelty": {"image": 0.3, "audio": 0.0004},
        "present": {"image": True, "audio": True, "text": False},
        "remaining_life_seconds": [3100.0, 8200.0, 19_000.0],
        "findings": [["camera_blurred", source_of("cam", SICK)]],
        "rule": "3 of 5",
        "threshold": 0.6,
    }
    record.add(
        alarms,
        id=key.id,
        asset=asset,
        fault=fault,
        window=window.id,
        source="cam-conveyor-7" if fault == "sensor_quality" else "",
        priority=priority,
        raised_at=at,
        cleared_at=None if cleared is None else NOW - timedelta(minutes=cleared),
        score=0.91,
        bundle=BUNDLE,
        late=False,
        evidence=evidence,
        window_start=start,
        window_policy=POLICY,
        window_revision=0,
        written_at=at,
    )
    moments = [("raised", at)]
    if cleared is not None:
        moments.append(("cleared", NOW - timedelta(minutes=cleared)))
    for change, moment in moments:
        record.add(
            alarm_transitions,
            alarm_id=key.id,
            change=change,
            at=moment,
            priority=priority,
            score=0.91,
            bundle=BUNDLE,
            evidence=evidence,
            written_at=moment,
        )
    return key.id


ENTRIES: tuple[tuple[int, str, str | None, float, list[str]], ...] = (
    (900, "DE brg noisy, greased. chk again nxt shift", "K. Weber", 0.0, []),
    (400, "轴承异响，驱动端，已加油脂", "李工", 0.0, []),
    (120, f"{HOSTILE} </script> {{{{7*7}}}} javascript:alert(1)", HOSTILE, 0.0, []),
    (
        60,
        "red\x1b[31m and \u202eright-to-left\u202c, NUL \ufffd",
        None,
        0.0,
        ["control_characters"],
    ),
    (86_400, "Weekly check done, no remarks", "shift B", 86_400.0, []),
)


def _people(record: PlantRecord) -> None:
    for n, (ago, text, author, precision, flags) in enumerate(ENTRIES):
        at = NOW - timedelta(seconds=ago)
        for asset in (SICK, FOREIGN):
            record.add(
                entries,
                source=f"cmms-{asset.split('/')[0]}",
                event_id=f"e{n}",
                time=at,
                asset=asset,
                end=at,
                text=text,
                author=author,
                precision_seconds=precision,
                flags=flags,
                append_time=at,
                topic="mm.logs",
                partition=0,
                offset=n,
                written_at=at,
            )
    record.add(
        labels,
        asset=WELL,
        start=NOW - timedelta(minutes=31),
        end=NOW - timedelta(minutes=20),
        fault="imbalance",
        verdict="rejected",
        author="=HYPERLINK(0)",
        written_at=NOW - timedelta(minutes=15),
        alarm_id=None,
        comment="@SUM(1+1) wash-down, not the machine",
    )
    record.add(
        bundles,
        bundle=BUNDLE,
        parent=None,
        uri="builtin",
        sha256="9f" * 32,
        card={"metrics": {"macro_f1": {"fused": 0.87, "audio": 0.64}}, "made_by": "train"},
        created_at=NOW - timedelta(days=2),
    )
    record.add(assignments, path="", role="champion", bundle=BUNDLE, assigned_at=NOW)
    record.add(
        partition_progress,
        partition=0,
        epoch=3,
        step=4711,
        arrival=NOW,
        topics={},
        received=20_412,
        in_flight=38,
        dropped={"duplicate": 12},
        updated_at=NOW,
    )
