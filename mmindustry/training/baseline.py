"""What an asset looks like when nothing is wrong."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import Features

_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as OpenCV greys


def baseline_frame(calm: Sequence[Features]) -> NDArray[np.float32] | None:
    """Return the median grey frame (size, size) in 0..1 of normal windows; None without frames.

    The median forgets people and parts that were in view now and then.
    """
    frames = [f.arrays["image_frames"][f.arrays["image_mask"] > 0] for f in calm]
    every = np.concatenate(frames) if frames else np.zeros((0, 3, 1, 1), np.float32)
    if not len(every):
        return None
    grey = np.einsum("c,nchw->nhw", _GREY, every)
    middle: NDArray[np.float32] = np.median(grey, axis=0).astype(np.float32)
    return middle
