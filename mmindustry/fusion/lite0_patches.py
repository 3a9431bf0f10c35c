"""Feature maps of EfficientNet-Lite0. Needs the extras `torch` and `weights`."""

import numpy as np
import torch
from numpy.typing import NDArray

from mmindustry.fusion.encoders.efficientnet import (
    MAP_WIDTHS,
    EfficientNetLite0,
    normalised,
    pretrained_lite0,
)

_FIRST, _END = 1, 4


class Lite0Patches:
    """The maps at strides 4, 8 and 16; finer ones know too little, coarser ones not where."""

    name = "efficientnet-lite0"
    widths: tuple[int, ...] = MAP_WIDTHS[_FIRST:_END]

    def __init__(self, network: EfficientNetLite0 | None = None) -> None:
        self._network = network or pretrained_lite0()

    def maps(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """Return maps of 24, 40 and 112 channels of a BGR picture."""
        rgb = np.ascontiguousarray(picture[..., ::-1].transpose(2, 0, 1), np.float32)
        frames = torch.from_numpy(rgb / np.float32(255.0)).unsqueeze(0)  # (1, 3, H, W)
        with torch.inference_mode():
            found = self._network.maps(normalised(frames), _END)[_FIRST:]
        return tuple(np.ascontiguousarray(m[0].permute(1, 2, 0).numpy()) for m in found)
