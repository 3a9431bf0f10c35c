"""Sound by itself: recordings cut to windows, gain-free log-mel figures, a small classifier."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.features.sound import convert
from mmindustry.features.spec import Recipe
from mmindustry.features.spectra import Basis, log_mel
from mmindustry.training.tasks.logistic import Logistic
from mmindustry.training.tasks.saved import told_of
from mmindustry.training.tasks.table import Table, fit_task

Samples = NDArray[np.float32]
Dense = NDArray[np.float64]

SUFFIXES = (".flac", ".wav")
WINDOW_SECONDS = 4.0
"""The shortest window of the recipe."""
HOP_SECONDS = 2.0
PENALTY = 1.0
_SECONDS_LIMIT = 3_600.0


def read_recording(path: Path, rate_hz: int) -> Samples:
    """Return a recording as mono samples at `rate_hz`.

    Raises:
        InputError: It can't be read, is empty, or longer than an hour.
    """
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise InputError(f"{path}: no sound can be read: {error}") from error
    if not len(samples) or len(samples) > _SECONDS_LIMIT * rate:
        raise InputError(f"{path}: {len(samples) / rate:g} s of sound; between 0 and 3600 are read")
    mono = np.ascontiguousarray(samples.mean(axis=1))
    if not np.isfinite(mono).all():
        raise InputError(f"{path}: holds NaN or infinite samples")
    return mono if rate == rate_hz else convert(mono, rate, rate_hz)


def windows_of(samples: Samples, rate_hz: int) -> list[Samples]:
    """Return windows of 4 s, a new one every 2 s; a shorter recording is one window."""
    length, hop = round(WINDOW_SECONDS * rate_hz), round(HOP_SECONDS * rate_hz)
    starts = range(0, max(len(samples) - length, 0) + 1, hop)
    return [samples[start : start + length] for start in starts]


def sound_features(window: Samples, recipe: Recipe, basis: Basis) -> Dense:
    """Return what a window sounds like whatever its gain, shape (3 * mels,).

    Log-mel's mean spectrum less its own mean, how far each band swings over time, and how much it
    moves from frame to frame. Twice the gain moves all of log-mel by one constant, which the
    three leave out. Nothing outside the window is looked at.
    """
    whole = window[: len(window) - len(window) % recipe.hop]
    logged = log_mel(whole, recipe, basis).astype(np.float64)  # (mel, frame)
    mean = logged.mean(axis=1)
    moved = np.abs(np.diff(logged, axis=1)).mean(axis=1)
    return np.concatenate([mean - mean.mean(), logged.std(axis=1), moved])


@dataclass(frozen=True, slots=True)
class SoundTask:
    """A classifier of windows of sound, with all it needs."""

    model: Logistic
    recipe: Recipe
    basis: Basis

    @classmethod
    def fit(
        cls, recordings: Mapping[Path, str], groups: Mapping[Path, str] | None = None
    ) -> tuple["SoundTask", dict[str, Any]]:
        """Return a classifier of recordings' classes, and its cross-validated figures.

        Args:
            recordings: File -> class.
            groups: File -> what must not be parted (its machine); None: each file by itself.

        Raises:
            InputError: A file can't be read, or there are fewer than two classes or groups.
        """
        recipe = Recipe()
        basis = Basis.make(recipe)
        rows, labels, held = [], [], []
        for path, label in recordings.items():
            for row in _rows(path, recipe, basis):
                rows.append(row)
                labels.append(label)
                held.append(groups[path] if groups else str(path))
        if not rows:
            raise InputError("no recording to learn from")
        table = Table(np.stack(rows), np.array(labels), np.array(held))
        model, found = fit_task(table, penalty=PENALTY)
        return cls(model, recipe, basis), found

    def predict(self, path: Path) -> dict[str, float]:
        """Return each class's probability for a recording: the mean over its windows."""
        rows = np.stack(_rows(path, self.recipe, self.basis))
        shares = np.exp(self.model.log_probabilities(rows)).mean(axis=0)
        return dict(zip(self.model.classes, shares.tolist(), strict=True))

    def save(self, path: Path) -> None:
        """Write it as JSON; the mel basis is made again when it is loaded."""
        told = {
            "kind": "sound_task",
            "recipe": self.recipe.to_json(),
            "model": self.model.to_json(),
        }
        path.write_text(json.dumps(told))

    @classmethod
    def load(cls, path: Path) -> "SoundTask":
        """Return what `save` wrote.

        Raises:
            InputError: The file holds something else.
        """
        told = told_of(path, "sound_task")
        recipe = Recipe.from_json(told["recipe"])
        return cls(Logistic.from_json(told["model"]), recipe, Basis.make(recipe))


def _rows(path: Path, recipe: Recipe, basis: Basis) -> Sequence[Dense]:
    samples = read_recording(path, recipe.rate_hz)
    if len(samples) < recipe.n_fft:
        raise InputError(f"{path}: {len(samples)} samples are too short to be heard")
    return [sound_features(one, recipe, basis) for one in windows_of(samples, recipe.rate_hz)]
