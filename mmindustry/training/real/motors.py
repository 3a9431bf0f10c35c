"""Recordings of motors in a folder, named `<state>_<motor>_<speed code>.flac`, heard as windows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.features.spec import Recipe
from mmindustry.features.spectra import Basis
from mmindustry.training.tasks.sound import (
    SUFFIXES,
    read_recording,
    sound_features,
    windows_of,
)

HEALTHY = "healthy"
_NAME = re.compile(r"(?P<state>[^_]+)_(?P<motor>[^_]+)_(?P<speed>[^_]+)(?:_.*)?")
_HEALTHY_NAMES = frozenset(("healthy", "normal", "ok", "good"))
_TINY = 1e-12


@dataclass(frozen=True, slots=True, order=True)
class Recording:
    """One file: state and motor as named, healthy states all called `healthy`."""

    state: str
    motor: str
    speed: str
    path: Path


@dataclass(frozen=True, slots=True)
class Heard:
    """Windows of recordings: features, loudness in dB, and the recording each comes from."""

    recordings: tuple[Recording, ...]
    features: NDArray[np.float64]
    """(windows, features)."""
    loudness: NDArray[np.float64]
    """(windows,) dB of full scale."""
    of: NDArray[np.int64]
    """(windows,) place of its recording."""

    def column(self, name: str) -> NDArray[np.str_]:
        """Return `state`, `motor` or `speed` of each window."""
        return np.array([getattr(one, name) for one in self.recordings])[self.of]


def find_recordings(data: Path) -> list[Recording]:
    """Return the recordings below `data/audio/bldc`, in order.

    Raises:
        InputError: The folder is missing or holds no file so named.
    """
    folder = data / "audio" / "bldc"
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give --data DIR with DIR/audio/bldc in it")
    found = []
    for path in sorted(folder.rglob("*")):
        match = _NAME.fullmatch(path.stem)
        if path.suffix.lower() not in SUFFIXES or not match:
            continue
        state = match["state"]
        plain = HEALTHY if state.lower() in _HEALTHY_NAMES else state
        found.append(Recording(plain, match["motor"], match["speed"], path))
    if not found:
        raise InputError(f"{folder}: no file named <state>_<motor>_<speed code>.flac or .wav")
    return sorted(found)


def hear(recordings: Sequence[Recording]) -> Heard:
    """Return the windows of recordings, each heard by itself.

    Raises:
        InputError: A file can't be read.
    """
    recipe = Recipe()
    basis = Basis.make(recipe)
    features, loudness, of = [], [], []
    for place, one in enumerate(recordings):
        samples = read_recording(one.path, recipe.rate_hz)
        if len(samples) < recipe.segment_samples:
            raise InputError(f"{one.path}: shorter than a second; leave it out")
        for window in windows_of(samples, recipe.rate_hz):
            features.append(sound_features(window, recipe, basis))
            loudness.append(10 * np.log10(float(np.mean(np.square(window))) + _TINY))
            of.append(place)
    return Heard(tuple(recordings), np.stack(features), np.array(loudness), np.array(of))
