"""The product lane: parts as they are drawn, their defects, and a mask for each defect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.simulate.brush import SHIFT, Colour, Image, Point, disc, fixed, line, polygon

Mask = NDArray[np.bool_]

GOOD = "good"
DEFECTS: tuple[str, ...] = (
    *("scratch", "dent", "stain", "missing_hole", "crack", "misprint", "short_fill"),
)
EMPTY = "empty"
"""No part is on the lane."""
PRODUCT_CLASSES: tuple[str, ...] = (GOOD, *DEFECTS, EMPTY)
"""What the lane can show, `good` first."""

PART_KINDS: tuple[str, ...] = ("washer", "gear", "bottle_cap", "board")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part: its kind, `good` or its defect, and the seed its details are drawn from."""

    kind: str
    state: str
    seed: int


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where a part is drawn: the picture, the mask of its defect, centre and radius in pixels."""

    image: Image
    mask: Image
    centre: Point
    radius: float
    turn: float
    rim: float = 0.97
    """Share of the radius at which the part surely ends or nearly so."""

    def at(self, distance: float, degrees: float) -> Point:
        """Return the point at a share of the radius and an angle turned with the part."""
        angle = np.deg2rad(degrees) + self.turn
        away = distance * self.radius
        x, y = self.centre
        return float(x + away * np.cos(angle)), float(y + away * np.sin(angle))

    def fill(self, point: Point, share: float, colour: Colour) -> None:
        """Fill a disc; `share` of the radius."""
        disc(self.image, point, share * self.radius, colour)

    def mark(self, point: Point, share: float) -> None:
        """Mark a disc as defect."""
        disc(self.mask, point, share * self.radius, (255, 255, 255))


def draw_part(rng: np.random.Generator, kind: str, defect_share: float) -> Part:
    """Return the next part on a lane of `kind`; its state knows nothing of the machine's health."""
    bad = rng.random() < defect_share
    state = DEFECTS[int(rng.integers(len(DEFECTS)))] if bad else GOOD
    return Part(kind=kind, state=state, seed=int(rng.integers(2**31)))


def paint_part(image: Image, part: Part, centre: Point, radius: float) -> Mask:
    """Draw `part` into `image` in place; return where its defect is, shape of the picture.

    Args:
        image: BGR picture, shape (height, width, 3).
        part: What to draw; the same part always looks the same.
        centre: Pixels, (x, y).
        radius: Pixels, of the circle around the part.
    """
    rng = np.random.default_rng(part.seed)
    mask = np.zeros(image.shape[:2], np.uint8)
    turn = float(rng.uniform(-0.35, 0.35))
    canvas = Canvas(image, mask, centre, radius, turn, 0.62 if part.kind == "board" else 0.97)
    shade = int(rng.integers(-12, 13))
    holes = _BODIES[part.kind](canvas, shade)
    missing = int(rng.integers(len(holes))) if part.state == "missing_hole" else -1
    for number, (point, share) in enumerate(holes):
        if number == missing:
            canvas.mark(point, share)
        else:
            canvas.fill(point, share, (34, 32, 30))
    _print(canvas, rng, spoilt=part.state == "misprint")
    if part.state in _DAMAGES:
        _DAMAGES[part.state](canvas, rng)
    return mask > 0


Holes = list[tuple[Point, float]]


def _washer(canvas: Canvas, shade: int) -> Holes:
    _shadow(canvas)
    canvas.fill(canvas.centre, 1.0, (168 + shade, 166 + shade, 162 + shade))
    canvas.fill(canvas.centre, 0.93, (190 + shade, 188 + shade, 184 + shade))
    return [(canvas.centre, 0.24), *((canvas.at(0.62, 45 + 90 * i), 0.12) for i in range(4))]


def _gear(canvas: Canvas, shade: int) -> Holes:
    _shadow(canvas)
    steps = np.arange(72)
    lengths = np.where(steps % 4 < 2, 1.0, 0.86)  # noqa: PLR2004 - half tooth, half gap
    ring = [canvas.at(float(r), 5 * float(i)) for i, r in zip(steps, lengths, strict=True)]
    polygon(canvas.image, ring, (120 + shade, 146 + shade, 158 + shade))
    canvas.fill(canvas.centre, 0.76, (136 + shade, 162 + shade, 174 + shade))
    return [(canvas.centre, 0.2), *((canvas.at(0.5, 60 * i), 0.1) for i in range(6))]


def _bottle_cap(canvas: Canvas, shade: int) -> Holes:
    _shadow(canvas)
    ring = [canvas.at(1.0 if i % 2 else 0.93, 6 * float(i)) for i in range(60)]
    polygon(canvas.image, ring, (70 + shade, 84 + shade, 176 + shade))
    canvas.fill(canvas.centre, 0.8, (86 + shade, 104 + shade, 204 + shade))
    return [(canvas.at(0.58, 30 + 120 * i), 0.1) for i in range(3)]


def _board(canvas: Canvas, shade: int) -> Holes:
    _shadow(canvas)
    corners = [canvas.at(0.98, a) for a in (40.0, 140.0, 220.0, 320.0)]
    polygon(canvas.image, corners, (62 + shade, 116 + shade, 44 + shade))
    for degrees in (20.0, 160.0, 200.0, 340.0):
        line(canvas.image, canvas.at(0.2, degrees), canvas.at(0.7, degrees), (92, 160, 120))
    polygon(canvas.image, [canvas.at(0.3, a) for a in (45.0, 135.0, 225.0, 315.0)], (48, 46, 44))
    return [(canvas.at(0.78, a), 0.1) for a in (40.0, 140.0, 220.0, 320.0)]


_BODIES: Mapping[str, Callable[[Canvas, int], Holes]] = {
    "washer": _washer,
    "gear": _gear,
    "bottle_cap": _bottle_cap,
    "board": _board,
}


def _print(canvas: Canvas, rng: np.random.Generator, *, spoilt: bool) -> None:
    """Print a row of bars as a code below the middle; spoilt ones lean, break and smear."""
    ink = (52, 40, 40)
    for bar in range(5):
        degrees = 90 + 11.0 * (bar - 2)
        lean = float(rng.uniform(-16, 16)) if spoilt else 0.0
        ends = canvas.at(0.66, degrees), canvas.at(0.42, degrees + lean)
        line(canvas.image, *ends, ink, width=2 if bar % 2 else 1)
    if spoilt:
        _smear(canvas, canvas.at(0.54, 90), ink)


def _smear(canvas: Canvas, point: Point, ink: Colour) -> None:
    axes = (round(0.34 * canvas.radius * 2**SHIFT), round(0.17 * canvas.radius * 2**SHIFT))
    degrees = float(np.rad2deg(canvas.turn))
    ellipse = (fixed(point), axes, degrees, 0, 360)
    cv2.ellipse(canvas.mask, *ellipse, (255, 255, 255), -1, cv2.LINE_8, SHIFT)
    layer = canvas.image.copy()
    cv2.ellipse(layer, *ellipse, ink, -1, cv2.LINE_AA, SHIFT)
    cv2.addWeighted(layer, 0.5, canvas.image, 0.5, 0, canvas.image)


def _scratch(canvas: Canvas, rng: np.random.Generator) -> None:
    first = float(rng.uniform(0, 360))
    points = [canvas.at(0.8, first), canvas.at(0.15, first + rng.uniform(20, 160))]
    points.append(canvas.at(float(rng.uniform(0.5, 0.8)), first + 180 + rng.uniform(-30, 30)))
    for begin, end in pairwise(points):
        line(canvas.image, begin, end, (236, 238, 240), width=2)
        line(canvas.mask, begin, end, (255, 255, 255), width=3)


def _crack(canvas: Canvas, rng: np.random.Generator) -> None:
    degrees, distance = float(rng.uniform(0, 360)), 0.95
    begin = canvas.at(distance, degrees)
    for _ in range(6):
        distance -= float(rng.uniform(0.1, 0.16))
        degrees += float(rng.uniform(-22, 22))
        end = canvas.at(distance, degrees)
        line(canvas.image, begin, end, (18, 16, 16), width=2)
        line(canvas.mask, begin, end, (255, 255, 255), width=3)
        begin = end


def _dent(canvas: Canvas, rng: np.random.Generator) -> None:
    point, share = _somewhere(canvas, rng), float(rng.uniform(0.16, 0.26))
    x, y = point
    offset = share * canvas.radius * 0.3
    _blend(canvas, (x - offset, y - offset), share, (20, 20, 20))
    _blend(canvas, (x + offset, y + offset), share * 0.7, (245, 245, 245))
    canvas.mark(point, share * 1.1)


def _stain(canvas: Canvas, rng: np.random.Generator) -> None:
    point = _somewhere(canvas, rng)
    for _ in range(4):
        x, y = point
        reach = 0.16 * canvas.radius
        spot = (x + float(rng.uniform(-reach, reach)), y + float(rng.uniform(-reach, reach)))
        share = float(rng.uniform(0.1, 0.2))
        _blend(canvas, spot, share, (22, 44, 66))
        canvas.mark(spot, share)


def _short_fill(canvas: Canvas, rng: np.random.Generator) -> None:
    """Leave a bite out of the rim, as a mould that did not fill."""
    share = float(rng.uniform(0.26, 0.38))
    point = canvas.at(canvas.rim, float(rng.uniform(0, 360)))
    canvas.fill(point, share, (52, 52, 54))
    canvas.mark(point, share)


_DAMAGES: Mapping[str, Callable[[Canvas, np.random.Generator], None]] = {
    "scratch": _scratch,
    "crack": _crack,
    "dent": _dent,
    "stain": _stain,
    "short_fill": _short_fill,
}


def _somewhere(canvas: Canvas, rng: np.random.Generator) -> Point:
    return canvas.at(float(rng.uniform(0.35, 0.7)), float(rng.uniform(0, 360)))


def _shadow(canvas: Canvas) -> None:
    x, y = canvas.centre
    disc(canvas.image, (x + 2.5, y + 3), canvas.radius * 0.98, (30, 30, 30))


def _blend(canvas: Canvas, point: Point, share: float, colour: Colour) -> None:
    layer = canvas.image.copy()
    disc(layer, point, share * canvas.radius, colour)
    cv2.addWeighted(layer, 0.55, canvas.image, 0.45, 0, canvas.image)
