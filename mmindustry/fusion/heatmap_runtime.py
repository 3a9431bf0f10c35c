"""Heat maps on CPU by ONNX Runtime: one thread, no torch."""

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import BundleError
from mmindustry.fusion.onnx_runtime import open_session

PICTURES, LOGITS = "pictures", "logits"
"""Names of the model's input and output."""

STRIDE = 4
"""Sides of a picture are multiples of this: pixels of the network's coarsest cell, each way."""

Pictures = NDArray[np.uint8]
Heat = NDArray[np.float32]
_BATCH = 32


class HeatmapRuntime:
    """An exported heat map network; `side`: of the square pictures it reads, in pixels."""

    def __init__(self, model: bytes) -> None:
        self._session = open_session(model)
        found = [entry.name for entry in self._session.get_inputs()]
        if found != [PICTURES]:
            raise BundleError(f"the heat map model reads {found}; it must read {PICTURES!r} alone")
        self.side = int(self._session.get_inputs()[0].shape[2])

    def heat(self, given: Heat) -> Heat:
        """Return the logit of each pixel to belong to a defect, shape (n, side, side).

        Args:
            given: `planes` of pictures, shape (n, 3, side, side); any n.
        """
        found = np.empty((len(given), *given.shape[2:]), np.float32)
        for begin in range(0, len(given), _BATCH):
            part = slice(begin, begin + _BATCH)
            found[part] = self._session.run([LOGITS], {PICTURES: given[part]})[0][:, 0]
        return found


def planes(pictures: Pictures) -> Heat:
    """Return pictures as the network reads them: (n, 3, side, side), RGB 0..1."""
    scaled = pictures.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(scaled)
