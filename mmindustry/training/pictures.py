"""Picture files as people keep them."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError

Picture = NDArray[np.uint8]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
"""Endings of the files that are looked at."""


def read_picture(path: Path) -> Picture:
    """Return a picture as BGR.

    Raises:
        InputError: It can't be read or decoded.
    """
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error}") from error
    picture = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    if picture is None:
        raise InputError(f"{path}: no picture that can be decoded")
    return np.asarray(picture, np.uint8)


def heat_over(picture: Picture, heat: NDArray[np.float32]) -> Picture:
    """Return a picture with heat laid over it.

    Args:
        picture: BGR, (rows, columns, 3).
        heat: Of the same rows and columns; 0 is dark, 1 and more the brightest.
    """
    tone = np.clip(heat * 255, 0, 255).astype(np.uint8)
    over = cv2.applyColorMap(tone, cv2.COLORMAP_INFERNO)
    return np.asarray(cv2.addWeighted(picture, 0.55, over, 0.45, 0), np.uint8)


def write_picture(path: Path, picture: Picture) -> None:
    """Write a picture as PNG, whatever its path's ending.

    Raises:
        InputError: It can't be written.
    """
    _, content = cv2.imencode(".png", picture)
    try:
        path.write_bytes(content.tobytes())
    except OSError as error:
        raise InputError(f"{path}: can't be written: {error}") from error
