"""Drawing with fractions of a pixel: discs, lines and filled outlines."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]
Point = tuple[float, float]

SHIFT = 4
"""OpenCV's fixed point: coordinates carry this many bits of fraction."""


def fixed(point: Point) -> tuple[int, int]:
    """Return a point in OpenCV's fixed point."""
    return round(point[0] * 2**SHIFT), round(point[1] * 2**SHIFT)


def disc(image: Image, point: Point, radius: float, colour: Colour) -> None:
    """Fill a disc of `radius` pixels."""
    cv2.circle(image, fixed(point), round(radius * 2**SHIFT), colour, -1, cv2.LINE_AA, SHIFT)


def line(image: Image, begin: Point, end: Point, colour: Colour, *, width: int = 1) -> None:
    """Draw a straight line."""
    cv2.line(image, fixed(begin), fixed(end), colour, width, cv2.LINE_AA, SHIFT)


def polygon(image: Image, points: list[Point], colour: Colour) -> None:
    """Fill the outline through `points`."""
    corners = np.round(np.array(points) * 2**SHIFT).astype(np.int32)
    cv2.fillPoly(image, [corners], colour, cv2.LINE_AA, SHIFT)
