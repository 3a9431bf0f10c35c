"""One picture: decoded at the smallest scale that will do, fitted, cut, and looked at.

A damaged body is refused here; sizes and types were checked from the header by the codec.
"""

import re
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import Frame
from mmindustry.errors import FeatureError
from mmindustry.features.policy import FeaturePolicy
from mmindustry.features.spec import Recipe

Picture = NDArray[np.uint8]

_REDUCED = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)
_SCAN = re.compile(rb"\xff\xda")
"""An expression finds it twice as fast as `bytes.count`."""
_MARKER, _START_OF_SCAN = 0xFF, 0xDA
_SEQUENTIAL = (0xC0, 0xC1)
"""Start of a frame that is coded in sequence: baseline, extended."""
_ALIKE_MEAN = 0.05
_SHARP_VARIANCE = 20.0
_BLURRED_VARIANCE = 2.0
_BLURRED_QUALITY = 0.3
_DARKEST, _BRIGHTEST = 3, 252
"""The grey levels between these, both included, are neither burnt in nor out."""


def is_whole(payload: bytes) -> bool:
    """Return whether a JPEG or PNG holds its end marker: cheap, so every frame is asked."""
    if payload.startswith(b"\xff\xd8"):
        return payload.rfind(b"\xff\xd9") > 0
    return payload.rfind(b"IEND") > 0


def decode(frame: Frame, least: int, policy: FeaturePolicy) -> Picture:
    """Return the picture as BGR, EXIF orientation applied, at the smallest scale that will do.

    Args:
        frame: JPEG or PNG of any depth and colour space; header limits hold already.
        least: Pixels the shorter side must keep; the scale is 1, 1/2, 1/4 or 1/8.
        policy: Limits of decoding.

    Raises:
        FeatureError: `image_corrupt`, or `image_too_complex` for too many scans.
    """
    _check_scans(frame, policy)
    data = np.frombuffer(frame.payload, np.uint8)
    try:
        picture = cv2.imdecode(data, _flag(frame, least))
    except cv2.error as error:
        raise FeatureError("image_corrupt", str(error.err)) from error
    if picture is None or picture.size == 0:
        raise FeatureError("image_corrupt", f"{len(frame.payload)} bytes can't be decoded")
    return np.asarray(picture, np.uint8)


def fit(picture: Picture, width: int, height: int) -> Picture:
    """Return the picture at (height, width); LINEAR, or AREA where it shrinks over twofold.

    LINEAR from far above aliases (26 dB against 34), after a scaled decode it is enough.
    """
    far = picture.shape[1] > 2 * width or picture.shape[0] > 2 * height
    method = cv2.INTER_AREA if far else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)


def look(grey: Picture, recipe: Recipe) -> tuple[str, float]:
    """Return (finding or "", quality 0..1) of one fitted grey frame, by exposure and sharpness."""
    if finding := _exposed(grey, recipe):
        return finding, 0.0
    sharpness = _spread(cv2.Laplacian(grey, cv2.CV_16S)) ** 2
    if sharpness < _BLURRED_VARIANCE:
        return "camera_blurred", _BLURRED_QUALITY
    burnt = 1.0 - cv2.countNonZero(cv2.inRange(grey, _DARKEST, _BRIGHTEST)) / grey.size
    return "", float(min(1.0, max(0.3, sharpness / _SHARP_VARIANCE)) * (1.0 - 0.7 * burnt))


def grey_of(picture: Picture) -> Picture:
    """Return the picture in grey, shape (height, width)."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def is_alike(first: Picture, second: Picture) -> bool:
    """Return whether two fitted frames are one picture encoded anew: live noise moves more."""
    if cv2.norm(first, second, cv2.NORM_INF) > 1:
        return False
    return bool(cv2.norm(first, second, cv2.NORM_L1) < _ALIKE_MEAN * first.size)


def cut(picture: Picture, box: tuple[float, float, float, float]) -> Picture | None:
    """Return the part inside (x, y, width, height) as fractions; None where nothing is left."""
    height, width = picture.shape[:2]
    left, top = round(box[0] * width), round(box[1] * height)
    right, bottom = round((box[0] + box[2]) * width), round((box[1] + box[3]) * height)
    part = picture[max(top, 0) : bottom, max(left, 0) : right]
    return part if part.size else None


def _flag(frame: Frame, least: int) -> int:
    shorter = min(frame.width, frame.height)
    for factor, flag in _REDUCED:
        if shorter // factor >= least:
            return flag
    return cv2.IMREAD_COLOR


def _check_scans(frame: Frame, policy: FeaturePolicy) -> None:
    scans = _scans(frame.payload) if frame.payload.startswith(b"\xff\xd8") else 1
    work = scans * frame.width * frame.height
    if scans > 1 and work > policy.scan_pixels:
        detail = f"{scans} scans of {frame.width}x{frame.height}; at most {policy.scan_pixels} px"
        raise FeatureError("image_too_complex", detail)


def _scans(payload: bytes) -> int:
    """Return how many scans a JPEG may make a decoder run (ITU-T T.81, annex B).

    One where a sequential frame's first scan holds all its components: decoders stop after it.
    Else every start-of-scan marker counts: within coded data 0xFF is always stuffed.
    """
    at, components = 2, 0
    while at + 9 < len(payload) and payload[at] == _MARKER:
        kind, size = payload[at + 1], int.from_bytes(payload[at + 2 : at + 4])
        if kind in _SEQUENTIAL:
            components = payload[at + 9]
        if kind == _START_OF_SCAN:
            if components and payload[at + 4] == components:
                return 1
            break
        at += 2 + size
    return len(_SCAN.findall(payload))


def _spread(plane: NDArray[Any]) -> float:
    """Return the standard deviation over all pixels."""
    return float(cv2.meanStdDev(plane)[1].item())


def _exposed(grey: Picture, recipe: Recipe) -> str:
    level, contrast = cv2.mean(grey)[0] / 255.0, _spread(grey) / 255.0
    if level < recipe.black_level and contrast < 2 * recipe.flat_contrast:
        return "camera_black"
    if level > recipe.white_level and contrast < 2 * recipe.flat_contrast:
        return "camera_white"
    return "camera_blocked" if contrast < recipe.flat_contrast else ""
