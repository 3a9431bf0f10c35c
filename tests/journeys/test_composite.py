"""Real recordings through the whole line, as a composite plant: real pictures, real sound and real
work orders that never belonged to one machine, laid on one time line on purpose."""

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.local.kafka import LocalKafka
from mmindustry.domain import Event, Modality
from mmindustry.store import tables
from tests.journeys.stack import running
from tests.journeys.stage import LENGTH_SECONDS, Row, Stage, kafka_stage, local_stage
from tests.promises import missing
from tests.servers import TEMPLATE, fresh_database

pytest_plugins = ["tests.kafka_server"]
pytestmark = [pytest.mark.data, pytest.mark.slow]

LINE = "composite/bench/line-1"
WITH_ALL, WITH_MEDIA, WITH_TEXT = f"{LINE}/drive-1", f"{LINE}/drive-2", f"{LINE}/digger-3"
BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)
LENGTH = timedelta(seconds=LENGTH_SECONDS)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SEQUENCE = re.compile(r"^(\d+_)(\d{12})_(\d+_\d+)_")
RECORDING = re.compile(r"^[A-Za-z]+_([A-Z]\d+)_\d+$")
SHORT = 20
"""Seconds of the stretch that is played slowly, too."""


@pytest.fixture(scope="module")
def data() -> Path:
    folder = Path(os.environ.get("MMINDUSTRY_DATA", "../shared/data"))
    if not folder.is_dir():
        missing("data", f"no folder {folder}; set MMINDUSTRY_DATA")
    return folder.resolve()


@pytest.fixture
def local(tmp_path: Path) -> Stage:
    return local_stage(tmp_path)


@pytest.fixture
def production(tmp_path: Path, kafka_broker: LocalKafka, postgres_server: str) -> Iterator[Stage]:
    with fresh_database(postgres_server, TEMPLATE) as url:
        yield kafka_stage(tmp_path, kafka_broker.bootstrap_servers, url)


@pytest.fixture(
    params=[
        "local",
        pytest.param("production", marks=[pytest.mark.kafka, pytest.mark.postgres]),
    ]
)
def stage(request: pytest.FixtureRequest) -> Stage:
    """A stage on the local log and SQLite, and one on real Kafka and PostgreSQL."""
    found: Stage = request.getfixturevalue(request.param)
    return found


def test_a_composite_plant_of_real_files_is_recorded_whole_and_once(
    stage: Stage, data: Path
) -> None:
    lay_out(data, stage.folder)
    with running(stage, "worker") as worker:
        stage.until_ready()
        first = stage.told("feed", "plan.json", "--speed", "max")
        stage.settle(first["events"])
        before, twins = stage.facts(), stage.dropped()["duplicate"]
        check_all_is_told(stage, first["events"])
        check_windows(stage.events(), stage.rows(tables.windows))
        second = stage.told("feed", "plan.json", "--speed", "max")
        stage.settle(first["events"] + second["events"])
        after, dropped = stage.facts(), stage.dropped()["duplicate"]
        balance = stage.command("ledger", "--json")
        alive = worker.poll() is None

    assert second["events"] == first["events"]
    assert after == before
    (dead,) = stage.rows(tables.dead_letters)[:1]
    letters = len(stage.rows(tables.dead_letters))
    assert (dead["reason"], letters) == ("image_corrupt", 1 + is_refused_again(stage))
    assert dropped - twins == second["events"] - is_refused_again(stage)
    assert balance.returncode == 0, balance.stdout
    assert alive


def is_refused_again(stage: Stage) -> int:
    return len(stage.rows(tables.dead_letters)) - 1


def check_all_is_told(stage: Stage, sent: int) -> None:
    """Check that every event sent is in a row, a dead letter or a count, and each window judged."""
    balances = stage.balances()
    assert all(balance.is_balanced for balance in balances)
    assert sum(balance.received for balance in balances) == sent
    assert sum(balance.accounted for balance in balances) == sent
    windows = {row["id"] for row in stage.rows(tables.windows)}
    judged = stage.rows(tables.predictions)
    assert windows == {row["window_id"] for row in judged}
    assert [row["reason"] for row in judged if row["reason"]] == []


def check_windows(events: Sequence[Event], rows: Sequence[Row]) -> None:
    """Check each window's evidence against the events themselves: nothing lacks, nothing is late.

    Every source that speaks in a window is in its evidence, so none is partial that would be
    whole at real speed.
    """
    wanted = defaultdict(set)
    for event in events:
        if event.modality in {Modality.IMAGE, Modality.AUDIO}:
            wanted[event.asset, start_of(event.time)].add((event.source, event.id))
        elif event.asset == WITH_TEXT:
            wanted[event.asset, start_of(event.end)].update()
    found = {(row["asset"], row["start"]): row for row in rows if row["evidence"]}
    found |= {(r["asset"], r["start"]): r for r in rows if r["asset"] == WITH_TEXT}
    assert {key: named(row) for key, row in found.items()} == wanted
    assert {(key, *row["missing"]) for key, row in found.items() if row["missing"]} == set()


def start_of(time: datetime) -> datetime:
    return EPOCH + (time - EPOCH) // LENGTH * LENGTH


def named(row: Row) -> set[tuple[str, str]]:
    return {(item["source"], item["id"]) for item in row["evidence"]}


def test_a_feed_at_full_speed_leaves_the_windows_of_a_slow_one(tmp_path: Path, data: Path) -> None:
    windows = {}
    for speed in ("10", "max"):
        (folder := tmp_path / speed).mkdir()
        stage = local_stage(folder)
        lay_out(data, folder, frames=SHORT // 2, chunks=SHORT, years=False)
        with running(stage, "worker"):
            stage.until_ready()
            told = stage.told("feed", "plan.json", "--speed", speed)
            stage.settle(told["events"])
        windows[speed] = {
            (row["asset"], row["start"]): (named(row), row["missing"])
            for row in stage.rows(tables.windows)
            if row["evidence"]
        }

    assert len(windows["10"]) > 2 * SHORT // LENGTH_SECONDS
    assert windows["max"] == windows["10"]
    assert {tuple(gone) for _, gone in windows["10"].values()} == {()}


def lay_out(
    data: Path, folder: Path, *, frames: int = 40, chunks: int = 80, years: bool = True
) -> None:
    """Write the plan into `folder`, made of whatever is in the data folder.

    With `years` a machine of which nothing but work orders is known comes along, at its own pace.
    """
    kinds = sequences(data / "images" / "bsdata")
    motors = recordings(data / "audio" / "bldc")
    (table,) = sorted((data / "text" / "nestor").glob("*.csv"))[:1]
    for name in ("audio", "text"):
        (folder / name).symlink_to(data / name)
    (folder / "frames").mkdir()
    sources: list[dict[str, Any]] = []
    for number, (asset, at) in enumerate(((WITH_ALL, 0.0), (WITH_MEDIA, 7.3))):
        own = folder / "frames" / str(number)
        own.mkdir()
        for path in kinds[number % len(kinds)]:
            (own / path.name).symlink_to(path)
        begin = (BEGIN + timedelta(seconds=at)).isoformat()
        sources += [
            _frames(asset, f"frames/{number}", begin) | {"limit": frames},
            _sound(asset, motors[number % len(motors)], begin) | {"limit": chunks},
        ]
    damage(folder / "frames" / "0")
    day_before = (BEGIN - timedelta(days=1)).isoformat()
    orders = _orders(WITH_ALL, table.relative_to(data))
    sources.append(orders | {"at": day_before, "every": "3s", "limit": frames // 2})
    if years:
        orders = _orders(WITH_TEXT, table.relative_to(data))
        sources.append(orders | {"shift": "1000d", "limit": chunks})
    (folder / "plan.json").write_text(json.dumps({"name": "composite", "sources": sources}))


def sequences(folder: Path) -> list[list[Path]]:
    """Return the pictures of each run to failure."""
    found = defaultdict(list)
    for path in sorted(folder.glob("*.jpg")):
        if matched := SEQUENCE.match(path.stem):
            found[matched[3]].append(path)
    return [found[name] for name in sorted(found)]


def recordings(folder: Path) -> list[str]:
    """Return a pattern of the recordings of each motor."""
    matched = (RECORDING.match(path.stem) for path in folder.glob("*.flac"))
    return [f"*_{motor}_*.flac" for motor in sorted({m[1] for m in matched if m})]


def damage(folder: Path) -> None:
    """Put one more picture in: a real one whose second half is lost."""
    paths = sorted(folder.iterdir())
    before, after = paths[3], paths[4]
    whole = before.read_bytes()
    taken = SEQUENCE.sub(lambda m: f"{m[1]}{int(m[2]) + 1:012d}_{m[3]}_", before.name)
    assert before.name < taken < after.name
    (folder / taken).write_bytes(whole[: len(whole) // 2])


def _frames(asset: str, path: str, begin: str) -> dict[str, Any]:
    return {
        "kind": "frames",
        "source": f"cam-{asset[-1]}",
        "asset": asset,
        "path": path,
        "pattern": r"^\d+_(\d{12})_",
        "format": "%y%m%d%H%M%S",
        "at": begin,
        "every": "2s",
    }


def _sound(asset: str, glob: str, begin: str) -> dict[str, Any]:
    return {
        "kind": "audio",
        "source": f"mic-{asset[-1]}",
        "asset": asset,
        "path": "audio/bldc",
        "glob": glob,
        "time": "interval",
        "at": begin,
        "chunk": "1s",
    }


def _orders(asset: str, path: Path) -> dict[str, Any]:
    return {
        "kind": "logs",
        "source": f"orders-{asset[-1]}",
        "asset": asset,
        "path": str(path),
        "columns": {"text": "OriginalShorttext", "time": "BscStartDate"},
        "format": "%Y-%m-%d",
        "time_precision": "1d",
        "bad_rows": "skip",
    }
