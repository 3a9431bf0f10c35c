"""What was drawn on pictures of products, and how well heat shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.fusion.texture import Plane
from mmindustry.training.pixels import aupimo
from mmindustry.training.real.products import Product, read_mask
from mmindustry.training.real.rounds import interval
from mmindustry.training.scores import average_precision

Truth = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Masks of all pictures, empty where none is; which are normal, which have a mask."""

    masks: list[Truth]
    normal: Truth
    marked: Truth

    @classmethod
    def of(cls, product: Product, truth: Truth, size: tuple[int, int]) -> "Drawn":
        """Read them at (height, width).

        Raises:
            InputError: One is empty or can't be decoded.
        """
        empty = np.zeros(size, np.bool_)
        masks = [empty if path is None else read_mask(path, size) for path in product.masks]
        return cls(masks, ~truth, np.array([path is not None for path in product.masks]))

    def precision(self, heats: Sequence[Plane]) -> float:
        """Return the average precision of pixels, over pictures of which it is known."""
        known = np.flatnonzero(self.normal | self.marked)
        told = np.stack([heats[int(k)] for k in known])
        return average_precision(told, np.stack([self.masks[int(k)] for k in known]))

    def figures(self, heats: Sequence[Plane]) -> dict[str, Any]:
        """Return how well heat shows where the defects are."""
        bad = np.flatnonzero(self.marked)
        areas = aupimo(
            [heats[int(k)] for k in np.flatnonzero(self.normal)],
            [heats[int(k)] for k in bad],
            [self.masks[int(k)] for k in bad],
        )
        areas = areas[np.isfinite(areas)]
        known = np.flatnonzero(self.normal | self.marked)
        return {
            "pixel_ap": self.precision(heats),
            "pixel_ap_chance": float(np.mean([self.masks[int(k)].mean() for k in known])),
            "aupimo": _mean(areas),
            "aupimo_interval": interval(lambda drawn: _mean(areas[drawn]), len(areas)),
        }


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
