"""Frames for display: decoded and written anew, so that nothing of the sender's file remains."""

import cv2
import numpy as np

from mmindustry.codec.images import decode_frame
from mmindustry.codec.policy import CodecPolicy
from mmindustry.domain import Media
from mmindustry.errors import DecodeError, InputError

_QUALITY = 85
_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    1: cv2.IMREAD_COLOR,
}


def thumbnail(media: Media, *, longest: int) -> bytes:
    """Return a frame as a fresh JPEG whose longer side is at most `longest` pixels.

    The header is held to the codec's limits before anything is decoded; JPEGs are decoded at the
    smallest scale that still fills the thumbnail.

    Raises:
        InputError: The bytes are no picture that can be decoded; it says why.
    """
    try:
        frame, _ = decode_frame(media.payload, media.content_type, CodecPolicy())
    except DecodeError as error:
        raise InputError(f"this frame can't be shown: {error}") from error
    factor = next((f for f in (8, 4, 2) if max(frame.width, frame.height) >= longest * f), 1)
    try:
        pixels = cv2.imdecode(np.frombuffer(media.payload, np.uint8), _REDUCED[factor])
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
