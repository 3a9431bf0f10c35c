"""Regions found on heat maps, and how they meet those that are true."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""

ENOUGH = 0.5
"""Intersection over union from which two boxes are of one region."""
_NEIGHBOURS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From which heat a region is one (`peak`), and how far it reaches (`edge`, not above it).

    Two thresholds, as Canny's (IEEE PAMI 8 (1986) 679-698): what is surely a defect is followed to
    where it ends.
    """

    peak: float
    edge: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A connected part of a plane; `peak` (x, y) is where the heat is highest, `score` how high."""

    box: Box
    area: int
    peak: tuple[int, int]
    score: float


@dataclass(frozen=True, slots=True)
class TrueRegions:
    """Connected parts of a mask: `numbers` (rows, columns) from 1, 0 outside; their boxes."""

    numbers: NDArray[np.int32]
    boxes: tuple[Box, ...]


def regions_of(heat: Plane, limits: Limits) -> list[Region]:
    """Return the connected parts of heat at the edge and above whose peak is high enough, the
    hottest first."""
    solid = (heat >= limits.edge).astype(np.uint8)
    count, numbers, parts, _ = cv2.connectedComponentsWithStats(solid, connectivity=_NEIGHBOURS)
    found = []
    for number in range(1, count):
        left, top, width, height, area = (int(value) for value in parts[number])
        inside = slice(top, top + height), slice(left, left + width)
        own = np.where(numbers[inside] == number, heat[inside], -np.inf)
        score = float(own.max())
        if score >= limits.peak:
            down, right = divmod(int(own.argmax()), width)
            peak, box = (left + right, top + down), (left, top, width, height)
            found.append(Region(box=box, area=area, peak=peak, score=score))
    return sorted(found, key=lambda region: -region.score)


def mask_of(heat: Plane, limits: Limits) -> Mask:
    """Return the pixels of all regions that `regions_of` finds."""
    count, numbers = cv2.connectedComponents(
        (heat >= limits.edge).astype(np.uint8), connectivity=_NEIGHBOURS
    )
    peaks = np.full(count, -np.inf, np.float32)
    np.maximum.at(peaks, np.asarray(numbers, np.int32).ravel(), heat.ravel())
    kept = peaks >= limits.peak
    kept[0] = False
    return np.asarray(kept[numbers], np.bool_)


def true_regions(mask: Mask) -> TrueRegions:
    """Return the connected parts of a mask."""
    _, numbers, parts, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=_NEIGHBOURS
    )
    boxes = tuple((int(p[0]), int(p[1]), int(p[2]), int(p[3])) for p in parts[1:])
    return TrueRegions(np.asarray(numbers, np.int32), boxes)


def hits(found: Sequence[Region], truth: TrueRegions) -> tuple[int, int]:
    """Return how many found regions peak in a true one, and how many true ones were met so."""
    met = [int(truth.numbers[region.peak[1], region.peak[0]]) for region in found]
    return sum(1 for number in met if number), len({number for number in met if number})


def overlaps(found: Sequence[Region], truth: TrueRegions) -> int:
    """Return how many pairs of a found and a true region share `ENOUGH` of their boxes.

    Each is in one pair at most, the hottest choose first.
    """
    free = list(truth.boxes)
    pairs = 0
    for region in found:
        best = max(free, key=lambda box: box_overlap(region.box, box), default=None)
        if best is not None and box_overlap(region.box, best) >= ENOUGH:
            free.remove(best)
            pairs += 1
    return pairs


def box_overlap(one: Box, other: Box) -> float:
    """Return the intersection of two boxes over their union.

    >>> box_overlap((0, 0, 4, 4), (2, 0, 4, 4))
    0.3333333333333333
    """
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(across, 0) * max(down, 0)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)
