"""Recordings of motors in a folder, named `<state>_<motor>_<speed code>.flac`, heard as windows."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.features.spec import Recipe
from mmindustry.features.spectra import Basis
from mmindustry.training.real.products import some
from mmindustry.training.tasks.sound import (
    SUFFIXES,
    read_recording,
    sound_features,
    windows_of,
)

Say = Callable[[str], None]

HEALTHY = "healthy"
_NAMES = tuple(
    re.compile(
        rf"(?P<state>[^{gap}]+)[{gap}](?P<motor>[^{gap}]+)[{gap}](?P<speed>[^{gap}]+)(?:[{gap}].*)?"
    )
    for gap in ("_", r"_\-\s")
)
_HEALTHY_NAMES = frozenset(("healthy", "normal", "ok", "good"))
_TINY = 1e-12


@dataclass(frozen=True, slots=True, order=True)
class Recording:
    """One file: state and motor as named, upper and lower case the same, healthy states all called
    `healthy`."""

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


def find_recordings(data: Path, say: Say) -> list[Recording]:
    """Return the recordings below `data/audio/bldc`, in order.

    Where `_` does not part state, motor and speed, hyphens and spaces do.

    Args:
        data: Folder of the data.
        say: Takes the names of files that are left out.

    Raises:
        InputError: The folder is missing or holds no file so named.
    """
    folder = data / "audio" / "bldc"
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give --data DIR with DIR/audio/bldc in it")
    named, odd = [], []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        parts = _parts(path.stem) if path.suffix.lower() in SUFFIXES else None
        if parts is None:
            odd.append(path)
        else:
            named.append(Recording(*parts, path))
    if odd:
        say(f"left out, no <state>_<motor>_<speed code>.flac or .wav: {some(odd)}")
    if not named:
        raise InputError(f"{folder}: no file named <state>_<motor>_<speed code>.flac or .wav")
    return _spelt_alike(named)


def _parts(stem: str) -> tuple[str, str, str] | None:
    match = next((found for name in _NAMES if (found := name.fullmatch(stem))), None)
    if match is None:
        return None
    state = HEALTHY if match["state"].lower() in _HEALTHY_NAMES else match["state"]
    return state, match["motor"], match["speed"]


def _spelt_alike(found: Sequence[Recording]) -> list[Recording]:
    """Return recordings in order, states and motors that differ by case alone spelt as the first
    of them in the order."""
    spelt: dict[str, str] = {}
    for name in sorted(name for one in found for name in (one.state, one.motor)):
        spelt.setdefault(name.lower(), name)
    return sorted(
        replace(one, state=spelt[one.state.lower()], motor=spelt[one.motor.lower()])
        for one in found
    )


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
