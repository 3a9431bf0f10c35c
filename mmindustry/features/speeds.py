"""Where nobody tells the shaft's speed: fault orders at many speeds, and the dial that shows one.

A rate of impacts names a race only together with the speed. Sound hands on what stands out at each
order for every speed it might be; the picture hands on how the tachometer looks where its needle
would be at that speed. The network brings the two together.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import AssetCard
from mmindustry.features.orders import lines
from mmindustry.features.picture import Picture, cut
from mmindustry.features.spec import ORDERS, Recipe

Array = NDArray[np.float32]

_PLAIN = "line_"
_HERTZ_RPM = 60.0
_RING_FROM, _RING_TO = 0.3, 0.8
"""Share of the dial's half side between which a needle is looked for: beyond hub, within ticks."""


@lru_cache(maxsize=8)
def speeds_rpm(recipe: Recipe) -> Array:
    """Return the speeds in rpm, shape (speeds,), in even ratios, read-only.

    >>> speeds_rpm(Recipe(speeds=3, speed_low_rpm=500, speed_high_rpm=2000)).round().tolist()
    [500.0, 1000.0, 2000.0]
    """
    ladder = np.geomspace(recipe.speed_low_rpm, recipe.speed_high_rpm, recipe.speeds)
    found: Array = ladder.astype(np.float32)
    found.flags.writeable = False
    return found


def speed_orders(
    envelope: Array, amplitude: Array, card: AssetCard | None, recipe: Recipe
) -> Array:
    """Return what stands out at each order if the shaft turned at each speed, (speeds, orders).

    The spectra's mean over the segments is looked at, so that what is no noise stands out more.
    Natural logarithm over the floor, 0 where nothing stands out or the card does not tell.

    Args:
        envelope: Whitened envelope spectra, (segment, bin).
        amplitude: Spectra over their floor, (segment, bin).
        card: Geometry; None = nothing can be computed.
        recipe: Gives speeds, tolerance and bin width.
    """
    found = np.zeros((recipe.speeds, len(ORDERS)), np.float32)
    where = lines(card, _HERTZ_RPM)  # the rates of a shaft that turns once a second
    tables = {True: _Highest(envelope.mean(axis=0)), False: _Highest(amplitude.mean(axis=0))}
    shafts = speeds_rpm(recipe) / np.float32(60.0)
    for column, name in enumerate(ORDERS):
        for line in where.get(name, ()):
            turning = np.float32(1.0) if name.startswith(_PLAIN) else shafts
            at = line.hz * turning * np.float32(recipe.segment_seconds) * np.ones_like(shafts)
            peak = tables[line.envelope].around(at, recipe.order_tolerance)
            found[:, column] = np.maximum(found[:, column], np.log(np.maximum(peak, 1.0)))
    return found


class _Highest:
    """The highest value in any span of a row, by a table of spans of doubling length."""

    def __init__(self, row: Array) -> None:
        self._levels = [row]
        while 2 ** len(self._levels) <= len(row):
            last, step = self._levels[-1], 2 ** (len(self._levels) - 1)
            self._levels.append(np.maximum(last[:-step], last[step:]))

    def around(self, at: Array, tolerance: float) -> Array:
        """Return the highest within `tolerance` (a share, one bin at least) of each place; 0
        where that lies beyond the row."""
        reach = np.maximum(1.0, at * tolerance)
        first = np.maximum(np.ceil(at - reach), 1).astype(np.intp)
        last = np.floor(at + reach).astype(np.intp)
        inside = (last < len(self._levels[0])) & (last >= first)
        first, last = np.where(inside, first, 1), np.where(inside, last, 1)
        level = np.log2(last - first + 1).astype(np.intp)
        found = np.empty(len(at), np.float32)
        for one in np.unique(level):
            mine = level == one
            table, step = self._levels[one], 2**one
            found[mine] = np.maximum(table[first[mine]], table[last[mine] - step + 1])
        return np.where(inside, found, np.float32(0.0))


def dial(picture: Picture, card: AssetCard | None, recipe: Recipe) -> Array | None:
    """Return how the dial looks where its needle would stand at each speed; None where it is not
    in the picture.

    Args:
        picture: BGR, shape (height, width, 3).
        card: Names the region that bounds the dial.
        recipe: Gives the speeds and how the dial is made.

    Returns:
        (speeds, 3 rings): each ring's colour less its median over the scale, -1..1.
    """
    box = card.regions.get(recipe.dial_region) if card else None
    part = cut(picture, box) if box else None
    if part is None or min(part.shape[:2]) < recipe.dial_rings:
        return None
    across, down = _places(recipe)
    height, width = part.shape[:2]
    seen = cv2.remap(
        part,
        (across + 1) * np.float32(width / 2) - np.float32(0.5),
        (down + 1) * np.float32(height / 2) - np.float32(0.5),
        cv2.INTER_LINEAR,
    )  # (speeds, rings, 3)
    shown = np.asarray(seen, np.float32) / np.float32(255.0)
    shown -= np.median(shown, axis=0, keepdims=True)
    return shown.reshape(recipe.speeds, -1)


@lru_cache(maxsize=8)
def _places(recipe: Recipe) -> tuple[Array, Array]:
    """Return where to look, in halves of the dial's sides from its middle: 2 x (speeds, rings)."""
    turned = recipe.dial_sweep_degrees * speeds_rpm(recipe) / recipe.dial_full_rpm
    angle = np.deg2rad(recipe.dial_from_degrees + turned)[:, None]
    rings = np.linspace(_RING_FROM, _RING_TO, recipe.dial_rings)[None, :]
    across, down = rings * np.cos(angle), rings * np.sin(angle)
    return across.astype(np.float32), down.astype(np.float32)
