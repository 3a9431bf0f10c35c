"""What comes in: messages, what they decode to, and what can't be read."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple


class Modality(StrEnum):
    """What kind of thing a source tells; the first three reach the network as modalities."""

    IMAGE = "image"
    AUDIO = "audio"
    TEXT = "text"
    STATE = "state"


class Position(NamedTuple):
    """Where a message stands in the stream."""

    topic: str
    partition: int
    offset: int

    @property
    def item(self) -> str:
        """The three as one text: what a `Marker` is told before the message is touched."""
        return f"{self.topic}/{self.partition}/{self.offset}"


Identity = tuple[str, str, str, datetime]
"""Asset, source, id and time of an event."""


@dataclass(frozen=True, slots=True)
class Message:
    """One record of the stream, untouched. `seen`: below `read_through`, it only refills memory."""

    position: Position
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    append_time: datetime
    seen: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """One camera frame: encoded bytes as they came; the header's width and height in pixels."""

    payload: bytes
    content_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """One stretch of sound: encoded bytes as they came, header facts; `frames` a channel."""

    payload: bytes
    content_type: str
    rate_hz: int
    channels: int
    frames: int


@dataclass(frozen=True, slots=True)
class Media:
    """Bytes read back from the archive, with the content type they were accepted under."""

    content_type: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line a person wrote; `precision` is how coarse its event time is (0 = exact)."""

    text: str
    author: str | None = None
    written_at: datetime | None = None
    precision: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class OperatingState:
    """The operating point. None = unknown, never zero. `speed_rpm` >= 0, `load_ratio` in 0..2."""

    running: bool | None = None
    speed_rpm: float | None = None
    load_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A decoded message. `time` is its first instant, `end` its last (sound) or the instant from
    which it counts (text: end of a coarse span, or `written_at`); elsewhere `end` = `time`.
    `message` is what it was decoded from, kept so that it can still be dead-lettered untouched."""

    id: str
    source: str
    asset: str
    modality: Modality
    time: datetime
    end: datetime
    position: Position
    append_time: datetime
    content: Frame | Chunk | LogEntry | OperatingState
    flags: tuple[str, ...] = ()
    seen: bool = False
    message: Message | None = field(default=None, compare=False, repr=False)

    @property
    def identity(self) -> Identity:
        """(asset, source, id, time): the same four twice is one event.

        Assets know nothing of each other: they may stand in partitions of different workers, who
        could not agree on which of two came first.
        """
        return self.asset, self.source, self.id, self.time

    @property
    def payload_bytes(self) -> int:
        """Bytes of media held for this event; 0 for text and states."""
        return len(self.content.payload) if isinstance(self.content, Frame | Chunk) else 0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that can't be used: why (bounded `reason`), where it was found, and a detail."""

    message: Message
    reason: str
    stage: str
    modality: Modality | None
    detail: str
