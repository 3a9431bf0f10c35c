"""Figures that should tell nothing of a fault: loudness, brightness, lengths, hour, name, place.

Crest factor is none of them: impulses are what a damaged bearing sounds like, so a simulator in
which they told nothing would be wrong.
"""

import numpy as np
from numpy.typing import NDArray

from mmindustry.training.dataset import DataSet

Rows = NDArray[np.int64]

NAMES = (
    "loudness",
    "spectral_centroid",
    "brightness",
    "contrast",
    "entries",
    "text_length",
    "hour",
    "order",
    "machine",
)
"""What each column stands for."""

STANDING = NAMES.index("hour")
"""From here on the columns say where a window stands, nothing of what is seen, heard or read."""

_BATCH = 128
_HOUR = 3_600.0
_DAY = 24.0


def trivial_features(data: DataSet, rows: Rows) -> NDArray[np.float32]:
    """Return (windows, `NAMES`) of the stored windows.

    `hour` of the day (UTC), NaN where unknown; `order`: the place among its machine's windows;
    `machine`: its number, which can tell something only of machines that were learned from.
    """
    parts = [_measure(data, rows[at : at + _BATCH]) for at in range(0, len(rows), _BATCH)]
    found = np.concatenate([np.concatenate(parts), _standing(data)[rows]], axis=1)
    return found.astype(np.float32)


def _standing(data: DataSet) -> NDArray[np.float64]:
    """Return (windows, 3) of all windows: hour, order within the machine, machine."""
    targets = data.targets()
    machine = np.unique(targets.group, return_inverse=True)[1]
    order = np.empty(len(machine))
    for number in range(machine.max() + 1):
        mine = np.flatnonzero(machine == number)
        order[mine] = np.arange(len(mine))
    return np.stack([targets.begin / _HOUR % _DAY, order, machine.astype(np.float64)], axis=1)


def _measure(data: DataSet, rows: Rows) -> NDArray[np.float64]:
    batch = data.batch(rows)
    heard = batch["audio_mask"][:, :, None]  # (windows, segments, 1)
    count = np.maximum(heard.sum(axis=1), 1)
    level = (batch["audio_level"] * heard).sum(axis=1) / count  # (windows, levels)
    power = 10 ** np.clip(
        batch["audio_logmel"].mean(axis=3) * 2, -6, 6
    )  # (windows, segments, mels)
    bands = np.arange(power.shape[2])
    centroid = (power * bands).sum(axis=2) / power.sum(axis=2)  # (windows, segments)
    frames = batch["image_frames"].mean(axis=(1, 2))  # (windows, side, side)
    text = (batch["text_ids"] > 0).sum(axis=(1, 2))
    return np.stack(
        [
            level[:, 0],
            (centroid * heard[:, :, 0]).sum(axis=1) / count[:, 0],
            frames.mean(axis=(1, 2)),
            frames.std(axis=(1, 2)),
            batch["text_mask"].sum(axis=1),
            text,
        ],
        axis=1,
    ).astype(np.float64)
