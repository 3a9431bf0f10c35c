"""JPEG and PNG headers: size and limits, before anything is decoded.

Sources: ITU-T T.81 (JPEG) annex B; W3C PNG 3rd edition, sections 5 and 11.2.1.
"""

import zlib
from typing import NamedTuple

from mmindustry.codec.content_type import JPEG, PNG, parse_content_type
from mmindustry.codec.policy import CodecPolicy
from mmindustry.domain import Frame
from mmindustry.errors import DecodeError

_JPEG_MAGIC = b"\xff\xd8\xff"
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_START_OF_SCAN = b"\xff\xda"
_SOF_DECODABLE = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive; Huffman, 8 bit
_SOF_OTHER = {0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_SOF_PROGRESSIVE = 0xC2
_BARE = {0x01, *range(0xD0, 0xD8)}
_MOST_SEGMENTS = 4096
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
_DEFLATE_MOST = 1032
"""Deflate can't pack better than 1032 : 1 (zlib technical details)."""
_JPEG_MOST = 256
"""A sequential 8 x 8 block takes a code for DC and one for AC: 2 bits at least, 64 pixels."""


class _Header(NamedTuple):
    """What a picture's header says, in pixels."""

    content_type: str
    width: int
    height: int


def decode_frame(
    payload: bytes, content_type: str | None, policy: CodecPolicy
) -> tuple[Frame, tuple[str, ...]]:
    """Return the frame by what its bytes truly are, and flags; the pixels stay encoded.

    Raises:
        DecodeError: One of the `image_` reasons.
    """
    if payload.startswith(_JPEG_MAGIC):
        header = _jpeg(payload, policy)
    elif payload.startswith(_PNG_MAGIC):
        header = _png(payload, policy)
    else:
        raise DecodeError("image_unsupported", f"begins with {payload[:12]!r}")
    declared = None if content_type is None else parse_content_type(content_type).essence
    lies = declared not in (None, header.content_type)
    frame = Frame(payload, header.content_type, header.width, header.height)
    return frame, ("content_type_corrected",) if lies else ()


def _jpeg(payload: bytes, policy: CodecPolicy) -> _Header:
    """Return what the start-of-frame segment says."""
    position, end = 2, len(payload)
    for _ in range(_MOST_SEGMENTS):
        if position + 4 > end or payload[position] != 0xFF:  # noqa: PLR2004 - the marker's byte
            raise DecodeError("image_corrupt", f"no JPEG segment at byte {position}")
        marker = payload[position + 1]
        if marker == 0xFF:  # noqa: PLR2004 - a fill byte
            position += 1
        elif marker in _BARE:
            position += 2
        elif marker in _SOF_DECODABLE:
            return _start_of_frame(payload, position, policy)
        elif marker in _SOF_OTHER:
            raise DecodeError("image_unsupported", f"JPEG process 0x{marker:02X}")
        else:
            position += 2 + _segment_length(payload, position)
    raise DecodeError("image_corrupt", f"more than {_MOST_SEGMENTS} JPEG segments before the frame")


def _segment_length(payload: bytes, position: int) -> int:
    """Return the length of the segment whose marker stands at `position`."""
    marker = payload[position + 1]
    length = int.from_bytes(payload[position + 2 : position + 4], "big")
    if marker in (0xD8, 0xD9, 0xDA, 0x00) or length < 2:  # noqa: PLR2004 - its own two bytes
        raise DecodeError("image_corrupt", f"JPEG marker 0x{marker:02X} before the frame's size")
    return length


def _start_of_frame(payload: bytes, position: int, policy: CodecPolicy) -> _Header:
    """Return the size that the segment at `position` tells, held to the limits."""
    body = payload[position + 4 : position + 10]
    if len(body) < 6:  # noqa: PLR2004 - precision, height, width, components
        raise DecodeError("image_corrupt", "the JPEG ends in its start of frame")
    precision, components = body[0], body[5]
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    if precision != 8 or components not in (1, 3, 4):  # noqa: PLR2004 - bits; grey, YCC, CMYK
        raise DecodeError("image_unsupported", f"JPEG of {components} x {precision} bit")
    _check_size(width, height, policy)
    rest = len(payload) - position
    if payload[position + 1] == _SOF_PROGRESSIVE:
        scans = payload.count(_START_OF_SCAN, position)
        if scans > policy.image_scans:
            raise DecodeError("image_too_complex", f"{scans} scans, at most {policy.image_scans}")
    elif rest * _JPEG_MOST < width * height:
        raise DecodeError("image_corrupt", f"{rest} bytes can't hold {width} x {height} pixels")
    return _Header(JPEG, width, height)


def _png(payload: bytes, policy: CodecPolicy) -> _Header:
    """Return what the IHDR chunk says, held to the limits."""
    chunk = payload[8:33]
    if len(chunk) < 25 or chunk[:8] != b"\x00\x00\x00\rIHDR":  # noqa: PLR2004 - its length
        raise DecodeError("image_corrupt", "no IHDR at the PNG's beginning")
    if zlib.crc32(chunk[4:21]) != int.from_bytes(chunk[21:25], "big"):
        raise DecodeError("image_corrupt", "the checksum of the PNG's IHDR is wrong")
    width, height = int.from_bytes(chunk[8:12], "big"), int.from_bytes(chunk[12:16], "big")
    depth, colour = chunk[16], chunk[17]
    if depth not in _PNG_DEPTHS.get(colour, ()):
        raise DecodeError("image_corrupt", f"PNG colour type {colour} of {depth} bit")
    _check_size(width, height, policy)
    raw_bytes = height * (1 + (width * depth * _PNG_CHANNELS[colour] + 7) // 8)
    if raw_bytes > len(payload) * _DEFLATE_MOST:
        raise DecodeError(
            "image_corrupt", f"{len(payload)} bytes can't hold {width} x {height} pixels"
        )
    return _Header(PNG, width, height)


def _check_size(width: int, height: int, policy: CodecPolicy) -> None:
    """Refuse a picture without pixels or with too many."""
    if width < 1 or height < 1:
        raise DecodeError("image_corrupt", f"{width} x {height} pixels")
    if width * height > policy.image_pixels or max(width, height) > policy.image_side_pixels:
        raise DecodeError(
            "image_too_large",
            f"{width} x {height} pixels; at most {policy.image_pixels} "
            f"and {policy.image_side_pixels} a side",
        )
