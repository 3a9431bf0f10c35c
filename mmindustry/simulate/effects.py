"""What moves in the scene: needles, belt, puddle, plume, lamp, bolts, a shaking machine."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.simulate.brush import SHIFT, Colour, Image, Point, fixed
from mmindustry.simulate.scenery import (
    NEEDLE_FROM_DEGREES,
    NEEDLE_SWEEP_DEGREES,
    PRESSURE_FULL_BAR,
    TACHO_FULL_RPM,
    Scene,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plume:
    """Smoke or steam: where it rises, how thick (0..1), its grey, the seed of its billows."""

    origin: Point
    strength: float
    grey: float
    seed: int


def draw_gauges(
    image: Image, scene: Scene, *, speed_rpm: float, suction_bar: float, quiver: float
) -> None:
    """Draw both needles; `quiver` in degrees smears them, as vibration does."""
    for centre, share in (
        (scene.tacho, speed_rpm / TACHO_FULL_RPM),
        (scene.suction, suction_bar / PRESSURE_FULL_BAR),
    ):
        middle = NEEDLE_FROM_DEGREES + NEEDLE_SWEEP_DEGREES * min(1.02, max(0.0, share))
        _needle(image, scene, centre, middle)
        if quiver > 1.0:
            _needle(image, scene, centre, middle + quiver)
            _needle(image, scene, centre, middle - quiver)


def _needle(image: Image, scene: Scene, centre: Point, degrees: float) -> None:
    angle = np.deg2rad(degrees)
    reach = 0.86 * scene.dial_radius
    tip = (centre[0] + reach * np.cos(angle), centre[1] + reach * np.sin(angle))
    back = (centre[0] - 0.2 * reach * np.cos(angle), centre[1] - 0.2 * reach * np.sin(angle))
    width = max(1, round(2 * scene.scale))
    cv2.line(image, fixed(back), fixed(tip), (20, 20, 180), width, cv2.LINE_AA, SHIFT)
    cv2.circle(image, fixed(centre), round(2.5 * scene.scale * 16), (30, 30, 30), -1, 16, SHIFT)


def draw_belt(image: Image, scene: Scene, *, flutter: float, phase: float) -> None:
    """Draw the belt's two strands; `flutter` in pixels bows them, blurred over its swing."""
    (x0, y0, r0), (x1, y1, r1) = scene.small_pulley, scene.large_pulley
    share = np.linspace(0, 1, 12)
    ghosts = (-1.0, -0.3, 0.4, 1.0) if flutter > 1.5 * scene.scale else (1.0,)
    for side in (-1.0, 1.0):
        straight = y0 + side * r0 + (y1 - y0 + side * (r1 - r0)) * share
        for ghost in ghosts:
            bow = ghost * flutter * np.sin(np.pi * share) * np.cos(phase + side)
            points = np.stack([x0 + (x1 - x0) * share, straight + bow], 1)
            strand = np.round(points * 2**SHIFT).astype(np.int32)
            grey = 24 if len(ghosts) == 1 else 58
            width = max(1, round((3 if len(ghosts) == 1 else 2) * scene.scale))
            cv2.polylines(
                image,
                [strand],
                isClosed=False,
                color=(grey,) * 3,
                thickness=width,
                lineType=cv2.LINE_AA,
                shift=SHIFT,
            )


def draw_bolts(image: Image, scene: Scene, *, turned_degrees: float) -> None:
    """Draw the witness marks on the base bolts; a loose one has turned."""
    for number, (x, y) in enumerate(scene.bolts):
        angle = np.deg2rad(turned_degrees if number == len(scene.bolts) - 1 else 0.0)
        reach = 5 * scene.scale
        tip = (x + reach * np.cos(angle), y + reach * np.sin(angle))
        cv2.line(image, fixed((x, y)), fixed(tip), (40, 220, 250), 1, cv2.LINE_AA, SHIFT)


def draw_lamp(image: Image, scene: Scene, *, lit: bool) -> None:
    """Draw the panel's warning lamp."""
    colour: Colour = (40, 150, 255) if lit else (46, 66, 90)
    radius = round(4 * scene.scale * 16)
    cv2.circle(image, fixed(scene.lamp), radius, colour, -1, cv2.LINE_AA, SHIFT)


def draw_puddle(image: Image, scene: Scene, *, area: float, seed: int, drip: float) -> None:
    """Draw a puddle of `area` (0..1 of its largest) as a darker, glossy blot; `drip` is the
    height of a falling drop between seal and floor (0..1), below 0 for none."""
    if area <= 0:
        return
    rng = np.random.default_rng(seed)
    reach = np.sqrt(area) * 62 * scene.scale
    angles = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    waves = sum(
        rng.uniform(0, 0.16 / k) * np.cos(k * angles + rng.uniform(0, 6)) for k in (2, 3, 5)
    )
    blot = np.stack([np.cos(angles), 0.42 * np.sin(angles)], 1) * (reach * (1 + waves))[:, None]
    outline = np.round((blot + scene.puddle) * 2**SHIFT).astype(np.int32)
    layer = image.copy()
    cv2.fillPoly(layer, [outline], (58, 54, 46), cv2.LINE_AA, SHIFT)
    gloss = (scene.puddle[0] - 0.3 * reach, scene.puddle[1] - 0.12 * reach)
    axes = (round(0.26 * reach * 16), round(0.06 * reach * 16))
    cv2.ellipse(layer, fixed(gloss), axes, -8, 0, 360, (216, 220, 220), -1, 16, SHIFT)
    cv2.addWeighted(layer, 0.62, image, 0.38, 0, image)
    if drip >= 0:
        y = scene.seal[1] + drip * (scene.puddle[1] - scene.seal[1])
        cv2.circle(image, fixed((scene.seal[0], y)), 20, (200, 206, 206), -1, 16, SHIFT)


def draw_plume(image: Image, plume: Plume, *, scale: float, seconds: float) -> None:
    """Blend a rising, widening cloud of billows into the picture; opacity follows strength."""
    width, height = int(120 * scale), int(130 * scale)
    left, top = int(plume.origin[0] - width / 2), int(plume.origin[1] - height)
    right, bottom = min(left + width, image.shape[1]), min(top + height, image.shape[0])
    x, y = max(left, 0), max(top, 0)
    if right <= x or bottom <= y or plume.strength <= 0:
        return
    cloud = _cloud(plume, width, height, seconds)[y - top : bottom - top, x - left : right - left]
    opacity = cloud[:, :, None] * np.float32(min(1.0, 0.35 + 0.65 * plume.strength))
    below = image[y:bottom, x:right].astype(np.float32)
    image[y:bottom, x:right] = (below + opacity * (np.float32(plume.grey) - below)).astype(np.uint8)


def _cloud(plume: Plume, width: int, height: int, seconds: float) -> NDArray[np.float32]:
    """Return opacity 0..1, shape (height, width): noise carried upwards in a widening cone."""
    rng = np.random.default_rng(plume.seed)
    field = rng.random((32, 12), dtype=np.float32)
    rows = np.mod(np.arange(10) - int(seconds * 3) % 32, 32)
    billows = cv2.resize(field[rows], (width, height), interpolation=cv2.INTER_CUBIC)
    up = np.linspace(1, 0, height, dtype=np.float32)[:, None]
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    lean = np.float32(0.35 * np.sin(seconds * 0.4 + plume.seed % 7)) * up
    spread = np.float32(0.12 + 0.16 * plume.strength) + np.float32(0.45) * up
    cone = np.exp(-(((across - lean) / spread) ** 2)) * (1 - up) ** np.float32(0.35)
    cone *= np.minimum(1, up * 9)
    return np.asarray(np.clip(cone * (0.45 + 1.5 * billows), 0, 1), np.float32)


def shake(image: Image, box: tuple[int, int, int, int], *, sway: Point, blur: float) -> None:
    """Move the machine in `box` by `sway` pixels and smear it by `blur` pixels, in place."""
    left, top, right, bottom = box
    part = image[top:bottom, left:right]
    move = np.array([[1, 0, sway[0]], [0, 1, sway[1]]], np.float32)
    size = (part.shape[1], part.shape[0])
    moved = cv2.warpAffine(part, move, size, borderMode=cv2.BORDER_REPLICATE)
    if blur > 1:
        moved = cv2.blur(moved, (1 + 2 * round(blur / 2), 1))
    image[top:bottom, left:right] = moved
