"""From what sensors give to messages as any producer would send them, and back to events."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from mmindustry.codec.content_type import l16
from mmindustry.codec.decode import decode
from mmindustry.codec.encode import Encoded, encode, modality_of
from mmindustry.codec.policy import CodecPolicy
from mmindustry.domain import (
    Chunk,
    Event,
    Frame,
    LogEntry,
    Message,
    Modality,
    OperatingState,
    Position,
)
from mmindustry.simulate.camera import Picture
from mmindustry.simulate.machine import Machine
from mmindustry.simulate.seeds import generator

Content = Frame | Chunk | LogEntry | OperatingState


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing a sensor gave: its first instant as the sensor's clock tells it, and when it
    reaches the stream."""

    machine: Machine
    content: Content
    time: datetime
    arrival: datetime
    id: str = ""

    @property
    def modality(self) -> Modality:
        """What kind of thing it is."""
        return modality_of(self.content)

    def encoded(self) -> Encoded:
        """Return key, value and headers; the id follows from source and time where none is set."""
        return encode(
            self.content,
            event_id=self.id or f"{self.time.timestamp():.6f}",
            source=self.machine.source(self.modality),
            asset=self.machine.path,
            time=self.time,
        )


def frame_of(picture: Picture) -> Frame:
    """Return a picture as a frame."""
    height, width = picture.image.shape[:2]
    return Frame(picture.jpeg, "image/jpeg", width, height)


def chunk_of(samples: NDArray[np.int16], rate_hz: int) -> Chunk:
    """Return samples as one chunk of `audio/L16`: big-endian, as RFC 2586 has it."""
    return Chunk(samples.astype(">i2").tobytes(), l16(rate_hz, 1), rate_hz, 1, len(samples))


def state_of(
    speed_rpm: float, load_ratio: float, name: str, *, running: bool = True
) -> OperatingState:
    """Return what the drive reports: speed within 0.3 %, load within 2 %."""
    rng = generator("drive", name)
    if not running:
        return OperatingState(running=False, speed_rpm=0.0, load_ratio=0.0)
    return OperatingState(
        running=True,
        speed_rpm=round(speed_rpm * float(1 + rng.normal(0, 0.003)), 1),
        load_ratio=round(min(2.0, load_ratio * float(1 + rng.normal(0, 0.02))), 3),
    )


@dataclass(slots=True)
class Reader:
    """Turns items into events by the production codec, as if read from one partition."""

    policy: CodecPolicy = field(default_factory=CodecPolicy)
    _offsets: dict[str, int] = field(default_factory=dict)

    def read(self, items: Sequence[Item]) -> tuple[Event, ...]:
        """Return the events of `items`, in order.

        Raises:
            ValueError: The simulator made something that its own codec refuses.
        """
        messages = [self._message(item) for item in items]
        events, letters = decode(messages, count=1, policy=self.policy)
        if letters:
            raise ValueError(f"{letters[0].reason}: {letters[0].detail}")
        return tuple(events)

    def _message(self, item: Item) -> Message:
        topic = self.policy.topic_of(item.modality)
        offset = self._offsets.get(topic, 0)
        self._offsets[topic] = offset + 1
        return item.encoded().at(Position(topic, 0, offset), item.arrival)


def later(start: datetime, seconds: float) -> datetime:
    """Return the moment `seconds` after `start`, to the microsecond."""
    return start + timedelta(microseconds=round(seconds * 1e6))
