"""Wire-true messages and media for tests: small, valid, and easy to break on purpose."""

import struct
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime

from mmindustry.codec.partition import partition_of
from mmindustry.codec.policy import CodecPolicy
from mmindustry.domain import Message, Position

ASSET = "north/press/line-2/pump-3"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
COUNT = 6
POLICY = CodecPolicy()
TYPES = {
    "mm.frames": b"io.mmindustry.frame.v1",
    "mm.audio": b"io.mmindustry.audio.v1",
    "mm.logs": b"io.mmindustry.log.v1",
    "mm.states": b"io.mmindustry.state.v1",
}


def headers(topic: str = "mm.logs", **changes: bytes | None) -> tuple[tuple[str, bytes], ...]:
    """Return good binary-mode headers; a change of None leaves the header out."""
    found: dict[str, bytes | None] = {
        "ce_specversion": b"1.0",
        "ce_id": b"id-1",
        "ce_source": b"sensor-1",
        "ce_type": TYPES[topic],
        "ce_time": b"2026-03-01T12:00:00Z",
        "ce_subject": ASSET.encode(),
        "content_type": b"text/plain",
    }
    found.update(changes)
    return tuple(
        (name.replace("content_type", "content-type"), value)
        for name, value in found.items()
        if value is not None
    )


def message(
    value: bytes | None,
    topic: str = "mm.logs",
    *,
    key: bytes | None = ASSET.encode(),
    seen: bool = False,
    changes: Mapping[str, bytes | None] | None = None,
) -> Message:
    """Return a message in the partition of its key, appended at noon."""
    return Message(
        Position(topic, partition_of(key or ASSET.encode(), COUNT), 7),
        key,
        value,
        headers(topic, **(changes or {})),
        NOON,
        seen,
    )


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, body: bytes = b"") -> bytes:
    """Return a PNG with a true header; its pixels are `body`, compressed, or black."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    if not body and width * height < 1_000_000:
        body = zlib.compress(bytes((3 * width + 1) * height))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def jpeg(
    width: int, height: int, *, marker: int = 0xC0, precision: int = 8, parts: int = 3
) -> bytes:
    """Return a JPEG's skeleton: an APP0 segment, a frame header, a scan of noise."""
    frame = struct.pack(">BHHB", precision, height, width, parts) + bytes(3 * parts)
    scan = bytes(max(width * height // 200, 16))
    return (
        b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
        + bytes((0xFF, marker))
        + struct.pack(">H", len(frame) + 2)
        + frame
        + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
        + scan
        + b"\xff\xd9"
    )


def wav(  # noqa: PLR0913 - each figure of the header can be told wrong
    frames: int = 160,
    *,
    rate: int = 16_000,
    channels: int = 1,
    code: int = 1,
    bits: int = 16,
    told: int | None = None,
) -> bytes:
    """Return a WAV of silence; `told` is the data size that its header claims."""
    data = bytes(frames * channels * bits // 8)
    block = (channels * bits // 8) & 0xFFFF
    form = struct.pack("<HHIIHH", code, channels, rate, rate * block & 0xFFFFFFFF, block, bits)
    size = len(data) if told is None else told
    body = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body


def flac_header(frames: int, *, rate: int = 16_000, channels: int = 1, bits: int = 16) -> bytes:
    """Return the beginning of a FLAC whose stream info tells these figures."""
    packed = rate << 44 | (channels - 1) << 41 | (bits - 1) << 36 | frames
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)
    return b"fLaC\x80\x00\x00\x22" + info + b"\xff\xf8" + bytes(64)
