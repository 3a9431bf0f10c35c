"""Pictures by themselves: what their patches look like on the whole, a small classifier."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.fusion.patch_encoders import STRIDES, PatchEncoder, patch_encoder
from mmindustry.training.pictures import read_picture
from mmindustry.training.tasks.logistic import Logistic
from mmindustry.training.tasks.saved import told_of
from mmindustry.training.tasks.table import Table, fit_task

Dense = NDArray[np.float64]

LONGEST = 384
"""Pixels of the longer side that pictures are brought to."""
PENALTY = 0.1
_LEAST_SIDE = 2 * STRIDES[-1]


def picture_features(path: Path, encoder: PatchEncoder) -> Dense:
    """Return what a picture looks like, shape (2 * channels of all levels,).

    The mean and the spread of each feature map: where on the picture something is does not count.

    Raises:
        InputError: It can't be decoded.
    """
    picture = read_picture(path)
    scale = LONGEST / max(picture.shape[:2])
    rows, columns = (_multiple(side * scale) for side in picture.shape[:2])
    small = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA)
    levels = encoder.maps(np.asarray(small, np.uint8))
    told = [part for level in levels for part in (level.mean(axis=(0, 1)), level.std(axis=(0, 1)))]
    return np.concatenate(told).astype(np.float64)


@dataclass(frozen=True, slots=True)
class PictureTask:
    """A classifier of pictures."""

    model: Logistic
    encoder: PatchEncoder

    @classmethod
    def fit(
        cls, pictures: Mapping[Path, str], groups: Mapping[Path, str], *, encoder: str = "builtin"
    ) -> tuple["PictureTask", dict[str, Any]]:
        """Return a classifier of pictures' classes, and its figures cross-validated by group.

        Args:
            pictures: File -> class.
            groups: File -> what must not be parted (its machine).
            encoder: Of `patch_encoders`.

        Raises:
            InputError: A file can't be read, or there are fewer than two classes or groups.
            MissingExtra: The encoder needs an extra that is not installed.
        """
        seen = patch_encoder(encoder)
        rows = np.array([picture_features(path, seen) for path in pictures])
        labels = np.array(list(pictures.values()))
        table = Table(rows, labels, np.array([groups[path] for path in pictures]))
        model, found = fit_task(table, penalty=PENALTY)
        return cls(model, seen), found

    def predict(self, path: Path) -> dict[str, float]:
        """Return each class's probability for a picture."""
        logged = self.model.log_probabilities(picture_features(path, self.encoder)[None])[0]
        return dict(zip(self.model.classes, np.exp(logged).tolist(), strict=True))

    def save(self, path: Path) -> None:
        """Write it as JSON; the encoder is named, not held."""
        told = {"kind": "picture_task", "encoder": self.encoder.name, "model": self.model.to_json()}
        path.write_text(json.dumps(told))

    @classmethod
    def load(cls, path: Path) -> "PictureTask":
        """Return what `save` wrote.

        Raises:
            InputError: The file holds something else.
            MissingExtra: The encoder needs an extra that is not installed.
        """
        told = told_of(path, "picture_task")
        return cls(Logistic.from_json(told["model"]), patch_encoder(told["encoder"]))


def _multiple(side: float) -> int:
    return max(_LEAST_SIDE, round(side / STRIDES[-1]) * STRIDES[-1])
