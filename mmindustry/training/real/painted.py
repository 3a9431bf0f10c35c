"""Damage painted pixel by pixel, as tools write it into JSON: COCO's run lengths, labelme's PNG."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

_FIRST = 48
_PAYLOAD, _MORE, _NEGATIVE = 0x1F, 0x20, 0x10
_BITS = 5


def painted_by_runs(told: Mapping[str, Any]) -> Mask:
    """Return a COCO mask, (height, width): runs of background and damage in turn, by columns.

    Args:
        told: `size` [height, width] and `counts`, a list or COCO's compressed text.

    Raises:
        ValueError, KeyError, TypeError: It is none, or its runs don't fill the picture.
    """
    height, width = (int(side) for side in told["size"])
    counts = told["counts"]
    runs = _unpacked(counts) if isinstance(counts, str) else [int(run) for run in counts]
    if min(runs, default=0) < 0 or sum(runs) != height * width:
        raise ValueError(f"its runs hold {sum(runs)} pixels of {height} x {width}")
    damaged = np.arange(len(runs)) % 2 == 1
    return np.repeat(damaged, runs).reshape(width, height).T


def _unpacked(text: str) -> list[int]:
    """Return the run lengths of COCO's text: five bits a character, the least first; from the
    fourth on a run is told as what it is longer than the one two before.

    >>> _unpacked("52203")
    [5, 2, 2, 2, 5]
    """
    runs: list[int] = []
    value = place = 0
    for letter in text:
        code = ord(letter) - _FIRST
        if not 0 <= code <= _PAYLOAD | _MORE:
            raise ValueError(f"{letter!r} is no part of run lengths")
        value |= (code & _PAYLOAD) << (_BITS * place)
        place += 1
        if code & _MORE:
            continue
        if code & _NEGATIVE:
            value -= 1 << (_BITS * place)
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))  # noqa: PLR2004 - COCO's rule
        value = place = 0
    if place:
        raise ValueError("its run lengths break off")
    return runs


def painted_in_box(shape: Mapping[str, Any], size: tuple[float, float]) -> Mask:
    """Return a labelme mask at its picture's (width, height), as (height, width).

    Args:
        shape: `points` are the corners of a box, `mask` a PNG of it in base64.
        size: Of the picture.

    Raises:
        ValueError, KeyError, TypeError: It is none, or lies outside the picture.
    """
    try:
        packed = np.frombuffer(base64.b64decode(shape["mask"], validate=True), np.uint8)
    except binascii.Error as error:
        raise ValueError(f"a mask that is no base64: {error}") from error
    part = cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE) if len(packed) else None
    if part is None:
        raise ValueError("a mask that is no PNG")
    whole = np.zeros((round(size[1]), round(size[0])), np.bool_)
    left, top = (round(float(number)) for number in shape["points"][0])
    place = whole[max(top, 0) : top + part.shape[0], max(left, 0) : left + part.shape[1]]
    if min(left, top) < 0 or place.shape != part.shape:
        raise ValueError(f"a mask at {left}, {top} that reaches beyond its picture")
    place[:] = part > 0
    return whole
