"""Frames for display: decoded and written anew, so that nothing of the sender's file remains."""

import cv2
import numpy as np

from mmindustry.errors import InputError

_QUALITY = 85
_MARKER = 0xFF
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    1: cv2.IMREAD_COLOR,
}


def thumbnail(payload: bytes, *, longest: int, width: int, height: int) -> bytes:
    """Return a frame as a fresh JPEG whose longer side is at most `longest` pixels.

    Args:
        payload: JPEG or PNG bytes, as archived.
        longest: Wanted longer side in pixels.
        width: Width the header names, in pixels; with `height` it picks the decoding scale.
        height: Height the header names, in pixels.

    Raises:
        InputError: The bytes are no picture that can be decoded.
    """
    factor = next((f for f in (8, 4, 2) if max(width, height) >= longest * f), 1)
    try:
        pixels = cv2.imdecode(np.frombuffer(payload, np.uint8), _REDUCED[factor])
    except cv2.error as error:
        raise InputError(f"this frame can't be decoded: {error.err}") from error
    if pixels is None:
        raise InputError("this frame can't be decoded; download the original to look into it")
    scale = longest / max(pixels.shape[:2])
    if scale < 1.0:
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise InputError("this frame can't be written as JPEG")
    return encoded.tobytes()


def picture_size(payload: bytes) -> tuple[int, int] | None:
    r"""Return (width, height) in pixels from a JPEG's or PNG's header; None where it has none.

    >>> import struct
    >>> picture_size(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 64, 48))
    (64, 48)
    """
    if payload[:8] == b"\x89PNG\r\n\x1a\n" and payload[12:16] == b"IHDR":
        return int.from_bytes(payload[16:20]), int.from_bytes(payload[20:24])
    return _jpeg_size(payload) if payload[:2] == b"\xff\xd8" else None


def _jpeg_size(payload: bytes) -> tuple[int, int] | None:
    """Walk the segments to the frame header (ITU-T T.81, B.2.2)."""
    place = 2
    while place + 9 <= len(payload) and payload[place] == _MARKER:
        marker = payload[place + 1]
        if marker in _FRAME_HEADERS:
            height = int.from_bytes(payload[place + 5 : place + 7])
            width = int.from_bytes(payload[place + 7 : place + 9])
            return (width, height)
        place += 2 + int.from_bytes(payload[place + 2 : place + 4])
    return None
