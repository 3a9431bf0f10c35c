"""A plant that goes on talking while its workers die, and keeps its own list of what it said."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Self

import cv2
import numpy as np
from kafka import KafkaProducer

from mmindustry.codec.encode import Content, encode
from mmindustry.codec.partition import partition_of
from mmindustry.domain import Chunk, Frame, LogEntry, OperatingState
from mmindustry.stream.policy import StreamPolicy
from tests.codec_samples import jpeg

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
MACHINES = tuple(f"north/hall-1/line-2/pump-{n}" for n in (1, 2, 3, 4))
TALKER = "north/hall-1/line-2/office"
"""An asset of which there is nothing but text."""

RATE_HZ = 8000
SECONDS_A_BEAT = 0.25
"""Real seconds in which a second of the plant passes."""

CRACKED = "cracked"
"""The `refusal` of a picture that passes the door and can't be opened behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message as its sender remembers it; `refusal`: why it is bad, empty = it is good."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    kind: str
    asset: str
    source: str
    id: str
    time: datetime
    refusal: str = ""
    offset: int = -1

    @property
    def identity(self) -> tuple[str, str, datetime]:
        return self.source, self.id, self.time

    @property
    def position(self) -> tuple[str, int, int]:
        return self.topic, self.partition, self.offset


class Plant:
    """What is sent, second by second, drawn from a seed: good, late, twice, and bad."""

    def __init__(self, policy: StreamPolicy, rng: Random) -> None:
        self._topics = policy.topics
        self._rng = rng
        self._pictures = [picture(number) for number in range(8)]
        self._later: dict[int, list[Sent]] = {}
        self._second = 0
        self._number = 0

    def beat(self) -> list[Sent]:
        """Return what is said in the next second of the plant, in order."""
        now = START + timedelta(seconds=self._second)
        said = self._later.pop(self._second, [])
        for item in self._new(now):
            said += self._fate(item)
        self._second += 1
        return said

    def rest(self) -> list[Sent]:
        """Return what was held back and not said yet."""
        left = [item for second in sorted(self._later) for item in self._later[second]]
        self._later.clear()
        return left

    def _fate(self, item: Sent) -> list[Sent]:
        """Return the item now, twice, or not yet."""
        fate = self._rng.random()
        if item.refusal or fate > 0.12:
            return [item]
        later = self._later.setdefault(self._second + self._rng.randint(1, 12), [])
        later.append(item)
        return [] if fate < 0.05 else [item]

    def _new(self, now: datetime) -> Iterator[Sent]:
        rng = self._rng
        for asset in MACHINES:
            jitter = timedelta(milliseconds=rng.randint(0, 700))
            yield self._frame(asset, now + jitter)
            yield self._make("audio", asset, now, _chunk(rng))
            if rng.random() < 0.2:
                state = OperatingState(running=True, speed_rpm=float(rng.randint(900, 1500)))
                yield self._make("states", asset, now, state)
            if rng.random() < 0.1:
                yield self._bad(asset, now)
        asset = rng.choice((*MACHINES, TALKER))
        yield self._make("logs", asset, now, LogEntry(f"brg DE warm, greased ({self._number})"))

    def _frame(self, asset: str, time: datetime) -> Sent:
        self._number += 1
        remark = str(self._number).encode()
        payload = self._rng.choice(self._pictures)
        comment = b"\xff\xfe" + (len(remark) + 2).to_bytes(2, "big") + remark
        return self._make(
            "frames", asset, time, Frame(payload[:2] + comment + payload[2:], "image/jpeg", 96, 64)
        )

    def _make(self, kind: str, asset: str, time: datetime, content: Content) -> Sent:
        self._number += 1
        source, name = f"{asset}/{kind}", f"{kind}-{self._number}"
        made = encode(content, event_id=name, source=source, asset=asset, time=time)
        return Sent(
            topic=getattr(self._topics, kind),
            partition=partition_of(made.key, self._topics.partitions),
            key=made.key,
            value=made.value,
            headers=tuple(made.headers),
            kind=kind,
            asset=asset,
            source=source,
            id=name,
            time=time,
        )

    def _bad(self, asset: str, now: datetime) -> Sent:
        frame = self._frame(asset, now)
        state = self._make("states", asset, now, OperatingState(running=False))
        elsewhere = (frame.partition + 1) % self._topics.partitions
        nameless = tuple(header for header in frame.headers if header[0] != "ce_id")
        return self._rng.choice(
            (
                replace(frame, value=b"no picture", refusal="image_unsupported"),
                replace(frame, headers=nameless, refusal="header_missing"),
                replace(frame, partition=elsewhere, refusal="wrong_partition"),
                replace(state, value=b"{", refusal="json_invalid"),
                replace(frame, value=jpeg(96, 64), refusal=CRACKED),
            )
        )


def picture(number: int) -> bytes:
    """Return a small JPEG."""
    rng = np.random.default_rng(number)
    image = cv2.resize(rng.integers(0, 255, (8, 12, 3), np.uint8), (96, 64))
    return cv2.imencode(".jpg", image)[1].tobytes()


def _chunk(rng: Random) -> Chunk:
    pcm = np.frombuffer(rng.randbytes(2 * RATE_HZ), ">i2") // 8
    return Chunk(
        pcm.astype(">i2").tobytes(), f"audio/L16;rate={RATE_HZ};channels=1", RATE_HZ, 1, RATE_HZ
    )


class Load:
    """Sends a plant's talk on a thread of its own until it is told to stop."""

    def __init__(self, policy: StreamPolicy, rng: Random) -> None:
        self._plant = Plant(policy, rng)
        self._producer = KafkaProducer(
            bootstrap_servers=list(policy.kafka.bootstrap_servers),
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
        )
        self._stop = threading.Event()
        self._waiting: list[tuple[Sent, Any]] = []
        self._thread = threading.Thread(target=self._run, name="load")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._producer.close(timeout=10)

    @property
    def count(self) -> int:
        """How much was sent up to now."""
        return len(self._waiting)

    @property
    def runs(self) -> bool:
        """Whether it still sends."""
        return self._thread.is_alive()

    def finish(self) -> list[Sent]:
        """Send what was held back and stop; return all, each with the offset it was given."""
        self._stop.set()
        self._thread.join()
        self._send(self._plant.rest())
        self._producer.flush(timeout=60)
        return [
            replace(item, offset=answer.get(timeout=60).offset) for item, answer in self._waiting
        ]

    def _run(self) -> None:
        while not self._stop.wait(SECONDS_A_BEAT):
            self._send(self._plant.beat())

    def _send(self, items: list[Sent]) -> None:
        for item in items:
            answer = self._producer.send(
                item.topic,
                key=item.key,
                value=item.value,
                headers=list(item.headers),
                partition=item.partition,
            )
            self._waiting.append((item, answer))
