"""Bad input, end to end: each message ends as the fault catalogue says while good ones flow on."""

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from kafka import KafkaProducer
from numpy.typing import NDArray

from deploy.local.kafka import LocalKafka
from mmindustry.clock import SystemClock
from mmindustry.codec.encode import Content, encode
from mmindustry.codec.partition import partition_of
from mmindustry.domain import Chunk, Frame
from mmindustry.store import tables
from mmindustry.stream.entry import open_publisher
from tests.journeys.bad_input import (
    AHEAD,
    ASSET,
    STRANGER,
    TALKER,
    Bad,
    Sent,
    ahead,
    bad_envelopes,
    bad_pictures,
    bad_sounds,
    bad_texts,
    few_words,
    million_templates,
    picture,
)
from tests.journeys.stack import ASSETS, START, free_port, items, page, running, until
from tests.journeys.stage import LENGTH_SECONDS, Stage, kafka_stage, local_stage
from tests.servers import TEMPLATE, fresh_database

pytest_plugins = ["tests.kafka_server"]
pytestmark = pytest.mark.slow

WARM_SECONDS, MORE_SECONDS = 24, 16
GROWTH_MIB = 50
LINE = "n/h/l"


@pytest.fixture
def production(tmp_path: Path, kafka_broker: LocalKafka, postgres_server: str) -> Iterator[Stage]:
    with fresh_database(postgres_server, TEMPLATE) as url:
        yield kafka_stage(tmp_path, kafka_broker.bootstrap_servers, url)


def test_bad_messages_end_with_their_codes_and_good_ones_flow_on(tmp_path: Path) -> None:
    stage = local_stage(tmp_path)
    bad = [*bad_envelopes(), *bad_pictures(), *bad_sounds(), *bad_texts(), *ahead()]
    with running(stage, "worker") as worker:
        stage.until_ready()
        warm = send_good(stage, 0, WARM_SECONDS)
        for burst in range(2):  # until the runtime has its room for full batches
            warm += send(stage, [("logs", message) for message in few_words(burst)])
            stage.settle(warm)
        before = resident_mib(worker.pid)
        sent = warm + send_bad(stage, bad)
        sent += send(stage, [("logs", message) for message in million_templates()])
        sent += send_good(stage, WARM_SECONDS, MORE_SECONDS)
        stage.settle(sent)
        grown = resident_mib(worker.pid) - before
        alive = worker.poll() is None

    assert alive
    check_codes(stage, bad)
    check_good(stage)
    check_ahead(stage)
    told = Counter(row["asset"] for row in stage.rows(tables.entries))
    assert told[TALKER] == 1_200
    assert grown < GROWTH_MIB
    assert stage.command("ledger").returncode == 0


@pytest.mark.kafka
@pytest.mark.postgres
def test_bad_messages_on_kafka_end_with_their_codes(production: Stage) -> None:
    stage = production
    bad = [*bad_envelopes(), *ahead()]
    with running(stage, "worker"):
        stage.until_ready()
        sent = send_bad(stage, bad)
        sent += send_good(stage, 0, WARM_SECONDS + MORE_SECONDS)
        sent += send_astray(stage)
        stage.settle(sent)

    check_codes(stage, bad)
    check_good(stage)
    assert reasons(stage)["astray"] == "wrong_partition"
    assert stage.command("ledger").returncode == 0


def send_good(stage: Stage, first: int, seconds: int) -> int:
    """Send so many seconds of two machines, the first second by itself; return the count.

    Nobody registered the machines, so a camera and a microphone are waited for once they spoke:
    both have by then, however late the microphone's topic is read.
    """
    rng = np.random.default_rng(first)

    def said(span: range) -> list[tuple[str, Sent]]:
        return [
            (topic.removeprefix("mm."), message)
            for second in span
            for asset in ASSETS
            for topic, message in items(rng, asset, START + timedelta(seconds=second))
        ]

    sent = send(stage, said(range(first, first + 1)))
    return sent + send(stage, said(range(first + 1, first + seconds)))


def send_bad(stage: Stage, bad: Sequence[Bad]) -> int:
    return send(stage, [(one.kind, one.sent(number)) for number, one in enumerate(bad)])


def send(stage: Stage, given: Sequence[tuple[str, Sent]]) -> int:
    publisher = open_publisher(stage.policy, clock=SystemClock())
    try:
        for kind in dict.fromkeys(kind for kind, _ in given):
            mine = [message for other, message in given if other == kind]
            publisher.send(getattr(stage.policy.topics, kind), mine)
    finally:
        publisher.close()
    return len(given)


def send_astray(stage: Stage) -> int:
    """Send a good line into a partition that is not its key's."""
    topics = stage.policy.topics
    away = (partition_of(ASSET.encode(), topics.partitions) + 1) % topics.partitions
    given = ((name, value) for name, value in dict(_head()).items())
    producer = KafkaProducer(bootstrap_servers=list(stage.policy.kafka.bootstrap_servers))
    try:
        producer.send(topics.logs, b"hot", ASSET.encode(), headers=list(given), partition=away).get(
            30
        )
    finally:
        producer.close()
    return 1


def _head() -> tuple[tuple[str, bytes], ...]:
    one = Bad(row=77, what="astray", kind="logs", value=b"hot", reason="wrong_partition")
    return tuple((n, b"astray" if n == "x-bad" else v) for n, v in one.sent(0)[2])


def reasons(stage: Stage) -> dict[str, str]:
    """Return the mark of each message sent on purpose -> the reason in the record."""
    rows = {(r["topic"], r["partition"], r["offset"]): r for r in stage.rows(tables.dead_letters)}
    found = {}
    for message in stage.messages():
        mark = dict(message.headers).get("x-bad")
        if mark is not None and (row := rows.pop(message.position[:], None)) is not None:
            found[mark.decode()] = row["reason"]
    assert rows == {}, "only what was bad is dead-lettered"
    return found


def check_codes(stage: Stage, bad: Sequence[Bad]) -> None:
    """Check the code of each in the record, and that its letter lies in the topic, untouched."""
    wanted = {str(n): one.reason for n, one in enumerate(bad) if one.reason is not None}
    found = {mark: why for mark, why in reasons(stage).items() if mark.isdigit()}
    told = {mark: (bad[int(mark)].what, why) for mark, why in found.items()}
    assert told == {mark: (bad[int(mark)].what, why) for mark, why in wanted.items()}
    letters = {}
    for message in stage.messages(".dlq"):
        named = dict(message.headers)
        letters[named["x-bad"].decode()] = (named["mmindustry_dlq_reason"].decode(), message.value)
    for mark, why in wanted.items():
        assert letters[mark] == (why, bad[int(mark)].value), bad[int(mark)]


def check_good(stage: Stage) -> None:
    """Check that each whole window of the good machines is judged, all its media in it."""
    judged = {(r["asset"], r["start"]): r["reason"] for r in stage.rows(tables.predictions)}
    held = {(r["asset"], r["start"]): r["evidence"] for r in stage.rows(tables.windows)}
    for step in range((WARM_SECONDS + MORE_SECONDS) // LENGTH_SECONDS):
        for asset in ASSETS:
            key = asset, START + timedelta(seconds=step * LENGTH_SECONDS)
            assert judged[key] is None
            good = [item for item in held[key] if item["source"].startswith(asset)]
            assert len(good) == 2 * LENGTH_SECONDS


def check_ahead(stage: Stage) -> None:
    rows = [row for row in stage.rows(tables.entries) if "clock_ahead" in row["flags"]]
    (entry,) = rows
    assert entry["text"] == "from the future"
    assert entry["time"] == entry["append_time"]
    states = {row["asset"]: row for row in stage.rows(tables.asset_state)}
    reached = START + timedelta(seconds=WARM_SECONDS + MORE_SECONDS)
    assert states[ASSET]["watermark"] <= reached
    came = {event.position: event for event in stage.events() if event.asset == AHEAD}
    assert len(came) == 2
    assert all("clock_ahead" in event.flags for event in came.values())
    kept = {
        (item["topic"], item["offset"]): datetime.fromisoformat(item["time"])
        for row in stage.rows(tables.windows)
        if row["asset"] == AHEAD
        for item in row["evidence"]
    }
    late = [row for row in stage.rows(tables.late) if row["asset"] == AHEAD]
    kept |= {(row["topic"], row["offset"]): row["time"] for row in late}
    assert kept == {(p.topic, p.offset): event.append_time for p, event in came.items()}
    assert states[AHEAD]["watermark"] <= max(event.append_time for event in came.values())


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


FROZEN = picture()


def shot(second: int, *, level: float, noise: float) -> Content:
    """Return a frame of even grey, its noise another one each second."""
    rng = np.random.default_rng(second)
    pixels = np.clip(rng.normal(level, noise, (240, 320, 3)), 0, 255).astype(np.uint8)
    return Frame(cv2.imencode(".jpg", pixels)[1].tobytes(), "image/jpeg", 320, 240)


def heard(samples: NDArray[np.floating[Any]]) -> Content:
    """Return a second of sound, full scale = 1."""
    pcm = np.clip(samples * 32_767, -32_768, 32_767).astype(">i2").tobytes()
    return Chunk(pcm, "audio/L16;rate=16000;channels=1", 16_000, 1, 16_000)


SPOILT: dict[str, Callable[[int], Content]] = {
    "frozen": lambda _: Frame(FROZEN, "image/jpeg", 320, 240),
    "black": lambda second: shot(second, level=0, noise=0),
    "white": lambda second: shot(second, level=255, noise=0.5),
    "blocked": lambda second: shot(second, level=90, noise=1),
    "silent": lambda _: heard(np.zeros(16_000)),
    "clipped": lambda _: heard(np.ones(16_000)),
    "offset": lambda _: heard(np.full(16_000, 0.3)),
}
"""What each machine's one sensor tells in a second of its spoilt life; its other one is sound."""


def test_spoilt_sensors_raise_sensor_quality_and_never_pass_for_healthy(tmp_path: Path) -> None:
    stage = local_stage(tmp_path)
    (tmp_path / "equipment.json").with_suffix(".yaml").write_text(json.dumps(equipment()))
    assert stage.command("plant", "import", "equipment.yaml").returncode == 0
    with running(stage, "worker"):
        stage.until_ready()
        stage.settle(send(stage, list(spoilt_items())))

    alarms = stage.rows(tables.alarms)
    raised = {(row["asset"], row["source"]) for row in alarms if row["fault"] == "sensor_quality"}
    assert raised == {(f"{LINE}/{name}", f"bad-{name}") for name in SPOILT}
    judged = [row for row in stage.rows(tables.predictions) if row["reason"] is None]
    assert len(judged) >= 4 * len(SPOILT)
    assert {row["fault"] for row in judged} & {"healthy"} == set()
    assert {row["health"] for row in judged if row["fault"] == "unknown"} <= {None}
    assert all(min(row["quality"]["image"], row["quality"]["audio"]) < 0.5 for row in judged)


def equipment() -> dict[str, Any]:
    assets = [
        {"key": name, "sensors": [{"source": f"bad-{name}", "modality": modality_of(tell(0))}]}
        for name, tell in SPOILT.items()
    ]
    line = {"key": "l", "assets": assets}
    return {"sites": [{"key": "n", "areas": [{"key": "h", "lines": [line]}]}]}


def modality_of(content: Content) -> str:
    return "image" if isinstance(content, Frame) else "audio"


def spoilt_items() -> Iterator[tuple[str, Sent]]:
    """Return 28 seconds of the machines: one sensor of each spoilt, the other one sound."""
    rng = np.random.default_rng(3)
    for second in range(28):
        time = START + timedelta(seconds=second)
        for name, tell in SPOILT.items():
            content, asset = tell(second), f"{LINE}/{name}"
            kind = "frames" if isinstance(content, Frame) else "audio"
            made = encode(content, event_id=f"{name}-{second}", source=f"bad-{name}",
                          asset=asset, time=time)  # fmt: skip
            yield kind, (made.key, made.value, made.headers)
            wanted = "mm.audio" if kind == "frames" else "mm.frames"
            for topic, message in items(rng, asset, time):
                if topic == wanted:
                    yield topic.removeprefix("mm."), message


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl: install it (Debian: curl)")
def test_what_curl_posts_to_the_gateway_arrives_in_the_record(tmp_path: Path) -> None:
    port = free_port()
    stage = local_stage(tmp_path, gateway={"port": port})
    (tmp_path / "frame.jpg").write_bytes(picture())
    sound = np.random.default_rng(1).normal(0, 3_000, 16_000).astype(">i2").tobytes()
    (tmp_path / "chunk.raw").write_bytes(sound)
    with running(stage, "worker"), running(stage, "gateway"):
        stage.until_ready()
        until(lambda: page(port, "/readyz")[0] == 200, "the gateway is ready")
        answers = [
            curl(stage, port, "frame", "cam", "image/jpeg", "@frame.jpg"),
            curl(stage, port, "audio", "mic", "audio/L16;rate=16000;channels=1", "@chunk.raw"),
            curl(stage, port, "log", "cmms", "text/plain", "bearing runs hot"),
            curl(stage, port, "state", "plc", "application/json", '{"running": true}'),
        ]
        stage.settle(len(answers))

    assert [answer["kept"] for answer in answers] == ["stream"] * 4
    items_held = [item for row in stage.rows(tables.windows) for item in row["evidence"]]
    assert sorted(item["source"] for item in items_held) == ["cam", "mic"]
    assert [row["text"] for row in stage.rows(tables.entries)] == ["bearing runs hot"]
    assert [row["running"] for row in stage.rows(tables.states)] == [True]


def curl(stage: Stage, port: int, *what: str) -> Any:
    """Post one event; return the gateway's answer."""
    kind, source, content_type, data = what
    head = {
        "ce-specversion": "1.0",
        "ce-id": f"{kind}-1",
        "ce-source": source,
        "ce-subject": STRANGER,
        "ce-type": f"io.mmindustry.{kind}.v1",
        "ce-time": datetime.now(UTC).isoformat(),  # noqa: TID251 - what a sender's clock says
        "content-type": content_type,
    }
    told = [word for name, value in head.items() for word in ("-H", f"{name}: {value}")]
    done = subprocess.run(
        ["curl", "-sS", "-X", "POST", f"http://127.0.0.1:{port}/v1/events", *told,
         "--data-binary", data],
        cwd=stage.folder, capture_output=True, text=True, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
