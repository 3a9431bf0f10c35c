"""The scene that stands still: hall, pump set, gauge panel and lane, in the machine's own looks.

All places are given for a picture 320 pixels wide and scaled from there.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.simulate.brush import Colour, Image, Point
from mmindustry.simulate.machine import Machine
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.seeds import generator

BASE_WIDTH = 320
TACHO_FULL_RPM = 2500.0
"""Right end of the tachometer's scale."""
PRESSURE_FULL_BAR = 4.0
"""Right end of the suction gauge's scale."""
NEEDLE_FROM_DEGREES, NEEDLE_SWEEP_DEGREES = 135.0, 270.0
"""Clockwise from the lower left to the lower right, as dials are made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A machine's still picture (BGR) and where the things stand that move in it, in pixels."""

    still: Image
    scale: float
    tacho: Point
    suction: Point
    dial_radius: float
    lamp: Point
    small_pulley: tuple[float, float, float]
    large_pulley: tuple[float, float, float]
    machine_box: tuple[int, int, int, int]
    bolts: tuple[Point, ...]
    motor_vent: Point
    seal: Point
    puddle: Point
    lane: tuple[float, float, float]
    normal_suction_bar: float


def build_scene(machine: Machine, policy: SimulatePolicy) -> Scene:
    """Return the still scene of one machine; costly, so a camera builds it once."""
    rng = generator("scene", machine.look)
    scale = policy.frame_width / BASE_WIDTH
    move = np.array(machine.shift) * (policy.frame_width, policy.frame_height)

    def to(x: float, y: float) -> Point:
        return float(x * scale + move[0]), float(y * scale + move[1])

    paint = Paint(_hall(policy, rng), scale, (float(move[0]), float(move[1])), rng)
    paint.pump_set(belt_ratio=machine.card.belt_ratio or 0.3)
    paint.panel()
    paint.lane()
    left, top = (int(v) for v in to(138, 68))
    right, bottom = (int(v) for v in to(316, 156))
    return Scene(
        still=paint.image,
        scale=scale,
        tacho=to(41, 43),
        suction=to(93, 43),
        dial_radius=23 * scale,
        lamp=to(67, 16),
        small_pulley=(*to(206, 118), 10 * scale),
        large_pulley=(*to(262, 112), 19 * scale),
        machine_box=(max(left, 0), max(top, 0), right, bottom),
        bolts=(to(152, 146), to(214, 146), to(246, 146), to(300, 146)),
        motor_vent=to(176, 96),
        seal=to(278, 128),
        puddle=to(226 + float(rng.uniform(-14, 14)), 190 + float(rng.uniform(-8, 8))),
        lane=(*to(62, 183), 36 * scale),
        normal_suction_bar=float(rng.uniform(1.9, 2.9)),
    )


class Paint:
    """A brush that knows the scale: draws the parts of the still scene."""

    def __init__(self, image: Image, scale: float, move: Point, rng: np.random.Generator) -> None:
        self.image = image
        self._scale = scale
        self._move = move
        self._rng = rng

    def pump_set(self, *, belt_ratio: float) -> None:
        """Draw base frame, motor with fins, guard, pump with its pipes."""
        body = _paintwork(self._rng)
        pump = _paintwork(self._rng)
        self._box((140, 140, 312, 152), (58, 60, 64))
        self._box((232, 66, 246, 100), _darker(pump))
        self._box((244, 66, 318, 76), _darker(pump))
        self._disc(284, 112, 30, pump)
        self._disc(284, 112, 22, _darker(pump))
        self._disc(284, 112, 9, pump)
        self._box((146, 98, 198, 140), body)
        for fin in range(7):
            self._box((148 + 7 * fin, 100, 150 + 7 * fin, 138), _darker(body))
        self._box((160, 90, 184, 99), _darker(body))
        self._box((198, 112, 204, 124), (90, 92, 96))
        self._disc(206, 118, 10, (48, 50, 52))
        self._disc(262, 112, 19, (44, 46, 48))
        self._disc(262, 112, 14 - 10 * belt_ratio, (96, 98, 102))
        for x in (152, 214, 246, 300):
            self._disc(x, 146, 3.6, (150, 152, 156))

    def panel(self) -> None:
        """Draw the gauge panel: two dials with their scales, the lamp's socket."""
        self._box((11, 9, 123, 74), _tint(self._rng, (86, 80, 74), 22))
        self._box((13, 11, 121, 72), _tint(self._rng, (104, 98, 92), 22))
        for x in (41, 93):
            self._disc(x, 43, 26, (40, 40, 42))
            self._disc(x, 43, 23, (232, 236, 236))
            for tick in range(11):
                angle = np.deg2rad(NEEDLE_FROM_DEGREES + NEEDLE_SWEEP_DEGREES * tick / 10)
                direction = np.array([np.cos(angle), np.sin(angle)])
                begin, end = np.array([x, 43]) + 17 * direction, np.array([x, 43]) + 21 * direction
                self._line(tuple(begin), tuple(end), (60, 60, 60))
        self._write("rpm", 33, 61)
        self._write("bar", 85, 61)
        self._disc(67, 16, 5, (50, 50, 50))

    def lane(self) -> None:
        """Draw the product lane from above: belt, rails, light stripes of wear."""
        self._box((12, 136, 112, 238), (96, 98, 104))
        self._box((16, 138, 108, 238), (50, 50, 52))
        for stripe in range(5):
            x = 24 + 18 * stripe
            self._line((x, 138), (x + 2, 238), (58, 58, 60))

    def _box(self, edges: tuple[float, float, float, float], colour: Colour) -> None:
        corners = (self._place(*edges[:2]), self._place(*edges[2:]))
        cv2.rectangle(self.image, corners[0], corners[1], colour, -1, cv2.LINE_AA)

    def _disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        size = round(radius * self._scale * 16)
        centre = tuple(v * 16 for v in self._place(x, y))
        cv2.circle(self.image, centre, size, colour, -1, cv2.LINE_AA, 4)

    def _line(self, begin: tuple[float, ...], end: tuple[float, ...], colour: Colour) -> None:
        first, last = self._place(begin[0], begin[1]), self._place(end[0], end[1])
        cv2.line(self.image, first, last, colour, 1, cv2.LINE_AA)

    def _write(self, text: str, x: float, y: float) -> None:
        size = 0.28 * self._scale
        place = self._place(x, y)
        cv2.putText(
            self.image, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, (60, 60, 60), 1, cv2.LINE_AA
        )

    def _place(self, x: float, y: float) -> tuple[int, int]:
        return round(x * self._scale + self._move[0]), round(y * self._scale + self._move[1])


def _hall(policy: SimulatePolicy, rng: np.random.Generator) -> Image:
    """Return wall, floor and pipes: gradients, texture, a yellow walkway line."""
    width, height = policy.frame_width, policy.frame_height
    wall = np.array(_tint(rng, (150, 156, 150), 30), np.float32)
    floor = np.array(_tint(rng, (112, 116, 120), 22), np.float32)
    horizon = int(0.6 * height)
    rows = np.linspace(1.08, 0.86, height, dtype=np.float32)[:, None, None]
    image = np.empty((height, width, 3), np.float32)
    image[:horizon] = wall
    image[horizon:] = floor
    image *= rows
    image += _texture(height, width, rng)[:, :, None]
    hall = np.clip(image, 0, 255).astype(np.uint8)
    cv2.line(hall, (0, horizon), (width, horizon), (70, 70, 70), 1, cv2.LINE_AA)
    for _ in range(int(rng.integers(1, 4))):
        y = int(rng.uniform(0.04, 0.3) * height)
        pipe = _tint(rng, (140, 150, 150), 40)
        cv2.line(hall, (0, y), (width, y + int(rng.integers(-6, 7))), pipe, 4, cv2.LINE_AA)
    walkway = (int(0.38 * width), height - int(rng.integers(4, 12)))
    cv2.line(hall, walkway, (width, int(0.93 * height)), (60, 190, 210), 2, cv2.LINE_AA)
    return hall


def _texture(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    coarse = rng.standard_normal((height // 16, width // 16), dtype=np.float32)
    fine = rng.standard_normal((height // 3, width // 3), dtype=np.float32)
    size = (width, height)
    large = np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC), np.float32)
    small = np.asarray(cv2.resize(fine, size, interpolation=cv2.INTER_LINEAR), np.float32)
    return 5 * large + 3 * small


def _tint(rng: np.random.Generator, colour: Colour, spread: int) -> Colour:
    """Return the colour made lighter or darker by up to `spread`, its hue changed by a third."""
    change = rng.integers(-spread, spread + 1) + rng.integers(-spread // 3, spread // 3 + 1, 3)
    changed = np.clip(np.array(colour) + change, 20, 235)
    return int(changed[0]), int(changed[1]), int(changed[2])


def _paintwork(rng: np.random.Generator) -> Colour:
    """Return one of the colours that machines are painted in, faded."""
    colours = ((150, 110, 60), (96, 130, 70), (120, 124, 128), (60, 130, 190), (90, 96, 150))
    return _tint(rng, colours[int(rng.integers(len(colours)))], 24)


def _darker(colour: Colour) -> Colour:
    return int(colour[0] * 0.7), int(colour[1] * 0.7), int(colour[2] * 0.7)
