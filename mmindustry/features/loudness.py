"""How loud and how sound: levels for the network, and what is wrong with a microphone."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from mmindustry.features.spec import LEVEL_WIDTH, Recipe

Array = NDArray[np.float32]

_TINY = 1e-12
_FULL_SCALE = 0.99
_OFFSET = 0.1
_OFFSET_QUALITY = 0.7
_CLIPPED_QUALITY = 0.3
_MAINS_HZ = (50.0, 60.0)
_HUM_TOP_HZ = 1_000.0
_HUM_REACH_HZ = 6.0
_BLACKMAN_HARRIS = (0.35875, -0.48829, 0.14128, -0.01168)
"""Harris, Proceedings of the IEEE 66 (1978) 51-83: sidelobes at -92 dB."""
_LOW_HZ = 500.0
_HIGH_HZ = 3_000.0


def inspect(runs: Sequence[Array], recipe: Recipe) -> tuple[str, float]:
    """Return (finding or "", quality 0..1) of all sound of one microphone in a window.

    Digital silence, a flat line, a bare offset and mains hum without anything else are silent.
    """
    samples = runs[0] if len(runs) == 1 else np.concatenate(runs)
    mean = float(samples.mean())
    if _residual_dbfs(samples - np.float32(mean), recipe) < recipe.silent_dbfs:
        return "microphone_silent", 0.0
    if _clipped_share(samples) >= recipe.clipped_ratio:
        return "microphone_clipped", _CLIPPED_QUALITY
    return "", _OFFSET_QUALITY if abs(mean) > _OFFSET else 1.0


def levels(segments: Array, power: Array, recipe: Recipe) -> Array:
    """Return six plain figures a segment, each scaled to about -1..1, (segment, 6).

    Level in dB, crest, kurtosis, spectral centroid, share below 500 Hz and above 3 kHz.
    """
    count = segments.shape[1]
    moved = segments - segments.mean(axis=1, keepdims=True)
    square = np.square(moved)
    variance = square.mean(axis=1) + _TINY
    crest = np.maximum(moved.max(axis=1), -moved.min(axis=1)) / np.sqrt(variance)
    kurtosis = np.vecdot(square, square) / count / np.square(variance)
    hz = np.arange(power.shape[1], dtype=np.float32) * np.float32(recipe.rate_hz / count)
    low, high = np.searchsorted(hz, _LOW_HZ), np.searchsorted(hz, _HIGH_HZ, side="right")
    total = power.sum(axis=1) + _TINY
    columns = (
        np.log10(variance) / 2 + 1.5,
        np.log(crest + _TINY) - 1.5,
        np.clip(np.log(kurtosis + _TINY) - 1.0, -3.0, 3.0),
        (power @ hz) / total * (4.0 / recipe.rate_hz) - 1.0,
        power[:, :low].sum(axis=1) / total,
        power[:, high:].sum(axis=1) / total,
    )
    return np.stack(columns, axis=1).astype(np.float32).reshape(-1, LEVEL_WIDTH)


def _clipped_share(samples: Array) -> float:
    """Return the share of samples at full scale (0..1)."""
    if max(float(samples.max()), -float(samples.min())) < _FULL_SCALE:
        return 0.0
    return float(np.mean(np.abs(samples) >= _FULL_SCALE))


def _residual_dbfs(samples: Array, recipe: Recipe) -> float:
    """Return the level in dB of full scale with mains hum (50 or 60 Hz) taken out.

    Of the newest segment's length: hum is as steady as the mains.
    """
    mean_square = float(np.vdot(samples, samples)) / samples.size
    if mean_square <= _TINY:
        return 10.0 * float(np.log10(mean_square + _TINY))
    piece = samples[-recipe.segment_samples :]
    spectrum = scipy.fft.rfft(piece * _quiet_window(piece.size))
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    total = float(power.sum()) + _TINY
    rest = float((_outside_hum(piece.size, recipe.rate_hz) @ power).min()) / total
    return 10.0 * float(np.log10(mean_square * rest + _TINY))


@lru_cache(maxsize=4)
def _quiet_window(length: int) -> Array:
    turns = 2 * np.pi * np.arange(length) / length
    window = sum(a * np.cos(k * turns) for k, a in enumerate(_BLACKMAN_HARRIS))
    return np.asarray(window, np.float32)


@lru_cache(maxsize=4)
def _outside_hum(length: int, rate_hz: int) -> Array:
    """Return, a row for each mains, 1 at bins away from its harmonics up to 1 kHz, else 0."""
    hz = np.arange(length // 2 + 1, dtype=np.float32) * np.float32(rate_hz / length)
    rows = [
        (np.abs(hz - mains * np.round(hz / mains)) > _HUM_REACH_HZ) | (hz >= _HUM_TOP_HZ)
        for mains in _MAINS_HZ
    ]
    return np.stack(rows).astype(np.float32)
