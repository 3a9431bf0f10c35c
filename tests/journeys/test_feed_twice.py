"""A feed fed again, long after: nothing is added, nobody who is quiet speaks, and a recording that
is over is not missed."""

import json
import wave
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mmindustry.codec.partition import partition_of
from mmindustry.store import tables
from tests.journeys.stack import running, until
from tests.journeys.stage import WINDOWING, Row, Stage, local_stage

pytestmark = pytest.mark.slow

LINE = "north/press/line-1"
ASSET = f"{LINE}/pump-1"
BEGIN = "2026-03-01T08:00:00Z"
QUIET_SECONDS = 2
SECONDS = 12


def beside(asset: str, partitions: int) -> str:
    """Return another asset of the same partition, so of the same arrival clock."""
    names = (f"{LINE}/witness-{number}" for number in count())
    home = partition_of(asset.encode(), partitions)
    return next(name for name in names if partition_of(name.encode(), partitions) == home)


def register(stage: Stage, witness: str) -> None:
    """Import both assets: cameras that never end, and a microphone with a pause, that is silent."""
    spare = {"source": "spare", "modality": "audio"}
    sensors = {
        ASSET: [
            {"source": "cam-1", "modality": "image"},
            spare | {"valid_to": "2026-03-01T09:00:00Z"},
            spare | {"valid_from": "2026-03-01T10:00:00Z"},
        ],
        witness: [{"source": "cam-2", "modality": "image"}],
    }
    assets = [{"key": path.rsplit("/", 1)[1], "sensors": own} for path, own in sensors.items()]
    areas = [{"key": "press", "lines": [{"key": "line-1", "assets": assets}]}]
    plant = {"sites": [{"key": "north", "zone": "UTC", "areas": areas}]}
    (stage.folder / "equipment.yaml").write_text(json.dumps(plant))
    done = stage.command("plant", "import", "equipment.yaml")
    assert done.returncode == 0, done.stderr


def record(folder: Path, witness: str) -> None:
    """Write twelve seconds of pictures and sound, the plan that plays them, and the witness's."""
    rng = np.random.default_rng(3)
    (folder / "frames").mkdir()
    for second in range(SECONDS):
        picture = rng.integers(0, 255, (48, 64, 3), np.uint8)
        cv2.imwrite(str(folder / "frames" / f"{second:03d}.png"), picture)
    with wave.open(str(folder / "sound.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(rng.normal(0, 2000, 8000 * SECONDS).astype("<i2").tobytes())
    (folder / "orders.csv").write_text("Date,Text\n2026-02-27,chk brg noisy\n")
    frames: dict[str, Any] = {"kind": "frames", "path": "frames", "time": "interval", "every": "1s"}
    camera = frames | {"source": "cam-1", "asset": ASSET, "at": BEGIN}
    sound = {"kind": "audio", "source": "mic-1", "asset": ASSET, "path": "sound.wav"}
    orders = {"kind": "logs", "source": "cmms", "asset": ASSET, "path": "orders.csv"}
    plan = [
        camera,
        sound | {"time": "interval", "at": BEGIN, "chunk": "1s"},
        orders | {"columns": {"text": "Text", "time": "Date"}, "format": "%Y-%m-%d"},
    ]
    only = frames | {"source": "cam-2", "asset": witness, "at": BEGIN, "limit": 1}
    for name, sources in (("plan", plan), ("witness", [only])):
        (folder / f"{name}.json").write_text(json.dumps({"name": name, "sources": sources}))


def quiet(stage: Stage, asset: str) -> set[str]:
    """Return the sources of an asset that are quiet now."""
    gaps = [row for row in stage.rows(tables.gaps) if row["asset"] == asset]
    return {row["source"] for row in gaps if row["ended"] is None}


def facts(stage: Stage) -> dict[str, list[str]]:
    """Return all that the record keeps of the asset, as text."""
    found = dict(stage.facts())
    return {name: [row for row in rows if ASSET in row] for name, rows in found.items()}


def windows(stage: Stage) -> list[Row]:
    return [row for row in stage.rows(tables.windows) if row["asset"] == ASSET]


def test_a_second_feed_after_the_quiet_limit_changes_nothing(tmp_path: Path) -> None:
    stage = local_stage(tmp_path, windowing=WINDOWING | {"quiet_after_seconds": QUIET_SECONDS})
    witness = beside(ASSET, stage.stream.topics.partitions)
    register(stage, witness)
    record(tmp_path, witness)

    with running(stage, "worker"):
        stage.until_ready()
        sent = stage.told("feed", "plan.json", "--speed", "max")["events"]
        stage.settle(sent)
        until(lambda: quiet(stage, ASSET) == {"cam-1", "spare"}, "live sources quiet")
        before = facts(stage)
        sent += stage.told("feed", "plan.json", "--speed", "max")["events"]
        sent += stage.told("feed", "witness.json", "--speed", "max")["events"]
        stage.settle(sent)
        until(lambda: quiet(stage, witness) == {"cam-2"}, "the witness quiet, after all that")
        after = facts(stage)

    assert after == before
    assert {len(before[name]) > 0 for name in ("windows", "predictions", "gaps", "alarms")} == {
        True
    }
    assert not any("mic-1" in row for row in before["alarms"])
    assert [row["missing"] for row in windows(stage)] == [["spare"]] * (SECONDS // 4)
