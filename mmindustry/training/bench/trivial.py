"""Figures that should tell nothing of a fault: loudness, brightness, lengths, names, order.

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
    "machine",
    "order",
)
"""What each column stands for."""

_BATCH = 128


def trivial_features(data: DataSet, rows: Rows) -> NDArray[np.float32]:
    """Return (windows, `NAMES`) of the stored windows; `order` is the place in the file."""
    group = data.targets().group[rows]
    machine = np.array([int(name) for name in group], np.float64)[:, None] % 10_000
    parts = [_measure(data, rows[at : at + _BATCH]) for at in range(0, len(rows), _BATCH)]
    order = rows.astype(np.float64)[:, None]
    return np.concatenate([np.concatenate(parts), machine, order], axis=1).astype(np.float32)


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
