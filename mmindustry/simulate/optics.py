"""What a camera adds: light, flicker, dirt, fog, people in the way, a bumped mount, noise."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.simulate.brush import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A camera's troubles while they last, drawn without a look at the label.

    `exposure` multiplies brightness; `warmth` tints; `flicker` 0..0.15 of brightness in rolling
    bands, `beat` radians where these stand at second 0; `fog` 0..0.3; `dirt`: (x, y, radius) as
    shares of the width; `person`: left edge as a share of the width, or None; `bump`: offset in
    pixels; `noise`: grey levels.
    """

    exposure: float
    warmth: float
    flicker: float
    beat: float
    fog: float
    dirt: tuple[tuple[float, float, float], ...]
    person: float | None
    bump: tuple[float, float]
    noise: float


def draw_view(rng: np.random.Generator, beat: float) -> View:
    """Return the troubles of one stretch of time.

    `beat`: where the bands of a flickering lamp stand, radians. It has a draw of its own, since a
    labelled window begins at second 0 where a live camera has its own time.
    """
    spots = int(rng.integers(0, 5))
    return View(
        exposure=float(rng.uniform(0.72, 1.22)),
        warmth=float(rng.uniform(-0.07, 0.07)),
        flicker=float(rng.uniform(0, 0.12)) if rng.random() < 0.3 else 0.0,  # noqa: PLR2004
        beat=beat,
        fog=float(rng.uniform(0.05, 0.22)) if rng.random() < 0.15 else 0.0,  # noqa: PLR2004
        dirt=tuple(
            (float(rng.random()), float(rng.random()), float(rng.uniform(0.004, 0.016)))
            for _ in range(spots)
        ),
        person=float(rng.uniform(0.4, 0.85)) if rng.random() < 0.1 else None,  # noqa: PLR2004
        bump=(float(rng.uniform(-1.5, 1.5)), float(rng.uniform(-1.5, 1.5))),
        noise=float(rng.uniform(1.5, 5.0)),
    )


def through(
    image: Image, view: View, light: float, *, seconds: float, rng: np.random.Generator
) -> Image:
    """Return the picture as the sensor gives it; `light` is the hall's daylight, 0..1."""
    height, width = image.shape[:2]
    if view.person is not None:
        _person(image, view.person, seconds)
    small = rng.standard_normal((height // 2, width // 2), dtype=np.float32) * np.float32(
        view.noise
    )
    grain = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    gain = view.exposure * (0.72 + 0.4 * light)
    colour = np.float32(gain) * np.array([1 - view.warmth, 1, 1 + view.warmth], np.float32)
    lit = image * colour
    if view.flicker:
        bands = np.sin(np.linspace(0, 9, height) + 40 * seconds + view.beat)[:, None, None]
        lit *= (1 + view.flicker * bands).astype(np.float32)
    if view.fog:
        lit += np.float32(view.fog) * (np.float32(190) - lit)
    lit += np.asarray(grain)[:, :, None]
    return _dirty(np.clip(lit, 0, 255, out=lit).astype(np.uint8), view)


def move(image: NDArray[np.uint8], offset: tuple[float, float]) -> NDArray[np.uint8]:
    """Return the picture of a camera pushed by `offset` pixels."""
    matrix = np.array([[1, 0, offset[0]], [0, 1, offset[1]]], np.float32)
    size = (image.shape[1], image.shape[0])
    moved = cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def encode_jpeg(image: Image, quality: int) -> bytes:
    """Return the picture as a JPEG."""
    _, payload = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(payload)


def _dirty(image: Image, view: View) -> Image:
    height, width = image.shape[:2]
    for x, y, radius in view.dirt:
        reach = max(3, int(2 * radius * width))
        grid = np.linspace(-1, 1, 2 * reach, dtype=np.float32)
        spot = 1 - 0.4 * np.exp(-3 * (grid[:, None] ** 2 + grid[None, :] ** 2))
        left, top = int(x * (width - 2 * reach)), int(y * (height - 2 * reach))
        area = image[top : top + 2 * reach, left : left + 2 * reach]
        area[:] = (area * spot[:, :, None]).astype(np.uint8)
    return image


def _person(image: Image, place: float, seconds: float) -> None:
    """Draw somebody in blue who walks by in front of the machine."""
    height, width = image.shape[:2]
    x = int((place + 0.03 * np.sin(seconds * 0.7)) * width)
    half = int(0.045 * width)
    top, foot = int(0.28 * height), int(0.86 * height)
    cv2.rectangle(image, (x - half, top), (x + half, int(0.6 * height)), (120, 72, 40), -1, 16)
    for side in (-1, 1):
        middle = x + side * half // 2
        cv2.line(image, (middle, int(0.6 * height)), (middle, foot), (70, 44, 30), half, 16)
    cv2.circle(image, (x, top - half // 2), half * 2 // 3, (150, 180, 210), -1, 16)
    cv2.ellipse(image, (x, top - half), (half * 3 // 4, half // 2), 0, 180, 360, (40, 200, 240), -1)
