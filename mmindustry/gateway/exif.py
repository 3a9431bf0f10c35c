"""The moment a JPEG was taken, by its EXIF block.

Source: CIPA DC-008 (Exif 2.32), sections 4.5, 4.6.2 and 4.6.6.
"""

import struct
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo

from mmindustry.gateway.times import parse_zone, settle

_HEAD_BYTES = 256 * 1024
_EXIF_IFD, _DATE_TIME, _ORIGINAL = 0x8769, 0x0132, 0x9003
_OFFSET, _SUBSECOND = 0x9011, 0x9291
_ASCII_TYPE = 2
_INLINE_BYTES = 4
_MOST_ENTRIES = 512


def taken_at(payload: bytes, zone: tzinfo, *, doubted: Callable[[str], None]) -> datetime | None:
    """Return when the picture was taken, in UTC; None where it does not say.

    Args:
        payload: A JPEG, or its beginning.
        zone: Used where the picture names no offset.
        doubted: Told where that zone's clocks never show the time, or show it twice.
    """
    block = _find_block(payload[:_HEAD_BYTES])
    if block is None:
        return None
    try:
        return _read_block(block, zone, doubted)
    except (struct.error, ValueError, IndexError, OverflowError):
        return None


def _find_block(head: bytes) -> bytes | None:
    """Return the TIFF block of the APP1 segment."""
    position = 2
    while position + 4 <= len(head) and head[position] == 0xFF:  # noqa: PLR2004 - marker byte
        marker, length = (
            head[position + 1],
            int.from_bytes(head[position + 2 : position + 4], "big"),
        )
        if marker == 0xDA or length < 2:  # noqa: PLR2004 - the scan begins, or damage
            return None
        body = head[position + 4 : position + 2 + length]
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):  # noqa: PLR2004 - APP1
            return body[6:]
        position += 2 + length
    return None


def _read_block(block: bytes, zone: tzinfo, doubted: Callable[[str], None]) -> datetime | None:
    """Return the time told by a TIFF block."""
    order = {b"II": "<", b"MM": ">"}[block[:2]] if block[:2] in (b"II", b"MM") else ""
    if not order:
        return None
    first = struct.unpack_from(order + "I", block, 4)[0]
    entries = _entries(block, order, first)
    inner: Mapping[int, bytes] = {}
    if _EXIF_IFD in entries:
        inner = _entries(block, order, struct.unpack(order + "I", entries[_EXIF_IFD][:4])[0])
    told = inner.get(_ORIGINAL) or entries.get(_DATE_TIME)
    if told is None:
        return None
    time = datetime.strptime(_text(told), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - the zone follows
    digits = _text(inner.get(_SUBSECOND, b""))
    if digits.isdigit():
        time += timedelta(microseconds=int(digits[:6].ljust(6, "0")))
    offset = _text(inner.get(_OFFSET, b""))
    return settle(time, parse_zone(offset) if offset else zone, doubted)


def _entries(block: bytes, order: str, start: int) -> dict[int, bytes]:
    """Return the text entries of a directory, and the raw four bytes of the others, by tag."""
    count = struct.unpack_from(order + "H", block, start)[0]
    found = {}
    for index in range(min(count, _MOST_ENTRIES)):
        place = start + 2 + 12 * index
        tag, kind, size = struct.unpack_from(order + "HHI", block, place)
        value = block[place + 8 : place + 12]
        if kind == _ASCII_TYPE and size > _INLINE_BYTES:
            where = struct.unpack(order + "I", value)[0]
            value = block[where : where + size]
        found[tag] = value
    return found


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("ascii", "replace").strip()
