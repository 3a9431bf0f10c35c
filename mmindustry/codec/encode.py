"""Events to messages, in CloudEvents binary mode: the inverse of `decode`."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from mmindustry.codec.content_type import JSON
from mmindustry.codec.rfc3339 import format_duration, format_time
from mmindustry.codec.texts import LogV1, StateV1
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
from mmindustry.errors import InputError

Content = Frame | Chunk | LogEntry | OperatingState
"""What an event may carry."""


class Encoded(NamedTuple):
    """What goes onto the wire: what `Publisher.send` takes. The partition is the key's."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    def at(self, position: Position, append_time: datetime) -> Message:
        """Return the message that a stream would make of it."""
        return Message(position, self.key, self.value, self.headers, append_time)


_TYPES: Mapping[type, tuple[bytes, Modality]] = {
    Frame: (b"io.mmindustry.frame.v1", Modality.IMAGE),
    Chunk: (b"io.mmindustry.audio.v1", Modality.AUDIO),
    LogEntry: (b"io.mmindustry.log.v1", Modality.TEXT),
    OperatingState: (b"io.mmindustry.state.v1", Modality.STATE),
}


def encode(
    content: Content,
    *,
    event_id: str,
    source: str,
    asset: str,
    time: datetime,
) -> Encoded:
    """Return key, value and headers of one event.

    Args:
        content: Frames and chunks keep their bytes; text and states become JSON.
        event_id: Unique within its source.
        source: The sensor.
        asset: site/area/line/asset; the key.
        time: Aware; the first instant.

    Raises:
        InputError: A state holds a number that is not finite; `time` has no zone.
    """
    if time.tzinfo is None:
        raise InputError(f"{source}: the time of {event_id} has no zone")
    value, content_type = _payload(content)
    return Encoded(
        asset.encode(),
        value,
        (
            ("ce_specversion", b"1.0"),
            ("ce_id", event_id.encode()),
            ("ce_source", source.encode()),
            ("ce_type", _TYPES[type(content)][0]),
            ("ce_time", format_time(time).encode()),
            ("ce_subject", asset.encode()),
            ("content-type", content_type.encode()),
        ),
    )


def encode_event(event: Event) -> Encoded:
    """Return what decodes to `event` again (its flags apart: they tell of an earlier way)."""
    return encode(
        event.content,
        event_id=event.id,
        source=event.source,
        asset=event.asset,
        time=event.time,
    )


def modality_of(content: Content) -> Modality:
    """Return the modality that `content` belongs to."""
    return _TYPES[type(content)][1]


def _payload(content: Content) -> tuple[bytes, str]:
    """Return the value and its media type."""
    if isinstance(content, Frame | Chunk):
        return content.payload, content.content_type
    if isinstance(content, LogEntry):
        precision = format_duration(content.precision) if content.precision else None
        written_at = None if content.written_at is None else format_time(content.written_at)
        entry = LogV1(content.text, content.author, written_at, precision)
        return msgspec.json.encode(entry), JSON
    for number in (content.speed_rpm, content.load_ratio):
        if number is not None and not math.isfinite(number):
            raise InputError(f"an operating state can't hold {number}: leave it out if unknown")
    state = StateV1(content.running, content.speed_rpm, content.load_ratio)
    return msgspec.json.encode(state), JSON
