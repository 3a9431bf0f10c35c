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
