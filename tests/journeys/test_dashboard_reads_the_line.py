"""What the worker's own ports write is what the dashboard shows, bytes and all."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from mmindustry.dashboard.app import create_app
from mmindustry.dashboard.policy import DashboardPolicy
from mmindustry.domain import (
    AlarmKey,
    AlarmTransition,
    AssetCard,
    Change,
    DeadLetter,
    Gap,
    GapKind,
    Modality,
    Position,
    Prediction,
    Priority,
    Step,
    Window,
)
from mmindustry.store.archive import open_archive
from mmindustry.store.database import open_database
from mmindustry.store.policy import ArchivePolicy, RecordPolicy, StorePolicy
from mmindustry.store.registry import named_shards
from mmindustry.telemetry.metrics import Metrics
from mmindustry.testing import ASSET, BEGINNING, HandClock, make_event, make_message, make_window
from tests.contracts.plants import register
from tests.contracts.record_world import make_step, sql_recorder
from tests.plant_record import picture, tone

ENTRY = make_event(Modality.TEXT, 3.0, offset=4, text="DE brg noisy <b>now</b>")


def make_seen_window() -> Window:
    frames = [
        make_event(Modality.IMAGE, n, offset=n, payload=picture(0.0, n, "p")) for n in range(3)
    ]
    sound = make_event(Modality.AUDIO, 0.0, offset=0, payload=tone(0.5, 0))
    torn = make_event(Modality.IMAGE, 5.0, offset=9, payload=b"\xff\xd8\xffgarbage")
    window = make_window([*frames, sound, torn], missing=["mic-2"])
    window = replace(window, cut={**window.cut, "mm.logs": 5, "mm.states": 1})
    return window.without(frozenset([torn.position]))


def make_judgement(window: Window) -> Prediction:
    return Prediction(
        window=window.key,
        end=window.end,
        bundle="fake",
        profile=None,
        faults={"healthy": 0.1, "bearing_outer": 0.9},
        risk={"1h": 0.1, "8h": 0.2, "24h": 0.7, "7d": 0.9},
        remaining_life_seconds=(3600.0, 7200.0, 86_400.0),
        product={},
        novelty={"audio": 0.001},
        terms={"image": 0.3, "audio": 2.4, "text": 0.6},
        present={"image": True, "audio": True, "text": True},
        quality={"image": 1.0, "audio": 0.8, "text": 1.0},
        findings=(("camera_blurred", "image-1"),),
    )


def make_whole_step(window: Window) -> Step:
    alarm = AlarmTransition(
        key=AlarmKey(ASSET, "bearing_outer", window.key.id),
        change=Change.RAISED,
        at=window.end,
        raised_at=window.end,
        priority=Priority.HIGH,
        score=0.9,
        window=window.key,
        bundle="fake",
        evidence={"probabilities": {"bearing_outer": 0.9}, "rule": "3 of 5"},
    )
    lost = Gap(partition=0, asset=ASSET, source="mic-2", kind=GapKind.QUIET, started=BEGINNING)
    letter = DeadLetter(
        make_message(Position("mm.frames", 0, 9)), "image_corrupt", "build", Modality.IMAGE, "torn"
    )
    return make_step(
        window,
        fields={
            "entries": (ENTRY,),
            "states": (make_event(Modality.STATE, 1.0, offset=0),),
            "predictions": (make_judgement(window),),
            "alarms": (alarm,),
            "gaps": (lost,),
            "dead_letters": (letter,),
        },
    )


@contextmanager
def line_read(url: str, folder: Path, *, sealed: bool) -> Iterator[tuple[TestClient, str]]:
    """Give a client of the dashboard over one saved step, and the window's id."""
    clock = HandClock()
    database = open_database(StorePolicy(url=url))
    register(database, ASSET, AssetCard(kind="pump", nominal_speed_rpm=1480.0))
    recorder = sql_recorder(database, RecordPolicy())
    archive = open_archive(
        ArchivePolicy(url=str(folder / "archive"), free_bytes=0),
        clock=clock,
        named=named_shards(database),
    )
    archive.restore(recorder.claim([0])[0])
    window = make_seen_window()
    archive.put([window], [], [0])
    recorder.save(make_whole_step(window))
    if sealed:
        clock.crank(61)
        recorder.save(make_step(shards=tuple(archive.put([], [], [0]))))
    metrics = Metrics(CollectorRegistry())
    app = create_app(database, archive, policy=DashboardPolicy(), clock=clock, metrics=metrics)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client, window.key.id
    database.close()


def test_a_saved_step_is_shown_in_full(database_url: str, tmp_path: Path) -> None:
    with line_read(database_url, tmp_path, sealed=True) as (client, window):
        alarm = quote(AlarmKey(ASSET, "bearing_outer", window).id, safe="")
        shown = {
            "/": ('class="tile high',),
            f"/assets/{ASSET}": ("bearing, outer race", "pump"),
            f"/windows/{window}": PAGE,
            f"/alarms/view?id={alarm}": ("3 of the last 5 windows", f"/windows/{window}"),
            "/dead-letters": ("image corrupt",),
            "/gaps?active=true": ("mic-2",),
        }
        pages = {path: client.get(path).text for path in shown}
        series = client.get(f"/api/v1/series?asset={ASSET}&hours=1").json()

    for path, texts in shown.items():
        for text in texts:
            assert text in pages[path], (path, text)
    assert series["charts"]["health"]["series"][0]["values"] == [pytest.approx(10.0)]
    assert series["times"] == [(BEGINNING + timedelta(seconds=10)).timestamp()]


PAGE = (
    *("DE brg noisy &lt;b&gt;now&lt;/b&gt;", "mic-2", "1480 rpm", "camera blurred"),
    *("3 × image", "1 × sound", "+2.4 nat", "This window raised", "2 h", "1 d"),
)


def test_sealed_evidence_is_shown_and_struck_items_are_named(
    sqlite_url: str, tmp_path: Path
) -> None:
    with line_read(sqlite_url, tmp_path, sealed=True) as (client, window):
        media = client.get(f"/windows/{window}/media").text
        shown = re.findall(r'<img src="([^"]+)"', media)
        frame = client.get(shown[0])

    pixels = cv2.imdecode(np.frombuffer(frame.content, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert len(shown) == 3
    assert "<audio" in media
    assert "it could not be read and is a dead letter" in media


def test_evidence_that_waits_for_its_shard_says_so(sqlite_url: str, tmp_path: Path) -> None:
    with line_read(sqlite_url, tmp_path, sealed=False) as (client, window):
        media = client.get(f"/windows/{window}/media").text
        frame = client.get(f"/windows/{window}/frames/1.jpg")
        page = client.get(f"/windows/{window}").text

    assert frame.status_code == 404
    assert media.count("The evidence is being archived") == 1
    assert media.count("it could not be read and is a dead letter") == 1
    assert "changed from:body" in media
    assert "being archived; until then in the worker" in page
