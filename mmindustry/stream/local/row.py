"""One message as a row: its place, its bytes, its checksum.

The place is one 63-bit number, topic (8 bits), partition (12), offset (43), so that the table's
own key orders a partition's messages side by side and no index can disagree with the rows.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from mmindustry.domain import Message, Position

OFFSET_BITS = 43
PARTITION_BITS = 12
TOPICS_MAX = 255
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NONE = 0xFFFFFFFF
_LENGTH = struct.Struct("<I")
_PLACE = struct.Struct("<qq")

Outgoing = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]
"""(key, value, headers) of a message to be written."""

Row = tuple[int, int, int, bytes | None, bytes | None, bytes]
"""(place, append time in microseconds, checksum, key, value, packed headers)."""


class TopicRow(NamedTuple):
    """A topic as it is kept."""

    id: int
    name: str
    uuid: str
    partitions: int
    max_bytes: int
    retention_us: int
    retention_bytes: int


@dataclass(frozen=True, slots=True)
class Lane:
    """Partition `partition` of the topic numbered `topic_id`: a run of places."""

    topic: str
    topic_id: int
    partition: int

    def place(self, offset: int) -> int:
        """Return the place of `offset`."""
        return ((self.topic_id << PARTITION_BITS | self.partition) << OFFSET_BITS) | offset

    @property
    def last_place(self) -> int:
        """The highest place a message of this lane could have."""
        return self.place((1 << OFFSET_BITS) - 1)

    def offset(self, place: int) -> int:
        """Return the offset of `place`."""
        return place - self.place(0)


def lane_of(place: int) -> tuple[int, int, int]:
    """Return (topic id, partition, offset) of a place."""
    offset = place & (1 << OFFSET_BITS) - 1
    partition = place >> OFFSET_BITS & (1 << PARTITION_BITS) - 1
    return place >> OFFSET_BITS + PARTITION_BITS, partition, offset


def microseconds(moment: datetime) -> int:
    """Return whole microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(append_us: int) -> datetime:
    """Return the time `append_us` microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=append_us)


def checksum(place: int, append_us: int, parts: Sequence[bytes | None]) -> int:
    """Return the CRC-32 (IEEE 802.3) over place, append time and each part with its length."""
    value = zlib.crc32(_PLACE.pack(place, append_us))
    for part in parts:
        value = zlib.crc32(_LENGTH.pack(_NONE if part is None else len(part)), value)
        value = zlib.crc32(part or b"", value)
    return value


def pack_headers(headers: Sequence[tuple[str, bytes]]) -> bytes:
    """Return headers as lengths and bytes, in their order."""
    parts: list[bytes] = []
    for name, value in headers:
        encoded = name.encode()
        parts += (_LENGTH.pack(len(encoded)), encoded, _LENGTH.pack(len(value)), value)
    return b"".join(parts)


def unpack_headers(packed: bytes) -> tuple[tuple[str, bytes], ...]:
    """Return what `pack_headers` was given.

    >>> unpack_headers(pack_headers([("ce_id", b"7")]))
    (('ce_id', b'7'),)
    """
    fields: list[bytes] = []
    at = 0
    while at < len(packed):
        (length,) = _LENGTH.unpack_from(packed, at)
        at += _LENGTH.size
        fields.append(packed[at : at + length])
        at += length
    return tuple(
        (name.decode(), value) for name, value in zip(fields[::2], fields[1::2], strict=True)
    )


def row_of(
    place: int,
    append_us: int,
    message: tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]],
) -> Row:
    """Return the row of (key, value, headers)."""
    key, value, headers = message
    packed = pack_headers(headers)
    return place, append_us, checksum(place, append_us, (key, value, packed)), key, value, packed


def is_intact(row: Sequence[object]) -> bool:
    """Return whether a row read from the file is as it was written, types and all."""
    place, append_us, check, *parts = row
    whole = [part for part in parts if part is None or isinstance(part, bytes)]
    if len(whole) < len(parts) or not isinstance(place, int) or not isinstance(append_us, int):
        return False
    return checksum(place, append_us, whole) == check


def message_of(row: Row, lane: Lane) -> Message:
    """Return the message of an intact row."""
    place, append_us, _, key, value, packed = row
    position = Position(lane.topic, lane.partition, lane.offset(place))
    return Message(position, key, value, unpack_headers(packed), moment(append_us))
