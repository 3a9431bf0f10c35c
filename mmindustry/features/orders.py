"""Fault orders: where a machine's faults must show, by its card and speed, and how much is there.

Bearing formulas after Randall and Antoni, "Rolling element bearing diagnostics: a tutorial",
Mechanical Systems and Signal Processing 25 (2011) 485-520.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from mmindustry.domain import AssetCard, Bearing
from mmindustry.features.spec import ORDERS, Recipe
from mmindustry.features.spectra import hann

Array = NDArray[np.float32]
Spectrum = NDArray[np.complex64]
Indices = NDArray[np.intp]

_FLOOR_BINS = 32
_WHITEN_BINS = 64
_TINY = 1e-12
_ENVELOPE_REACH = 3
"""Third harmonics of inner races lie beyond the bands, at up to three times their end."""
_HARMONICS = (1, 2, 3)
_SHAFT_ORDERS = (0.5, 1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True, slots=True)
class Line:
    """One place to look: the frequency in Hz, and whether in the envelope or the plain spectrum."""

    hz: float
    envelope: bool


Lines = dict[str, tuple[Line, ...]]


def bearing_frequencies(bearing: Bearing, shaft_hz: float) -> dict[str, float]:
    """Return BPFO, BPFI, BSF and FTF in Hz, without slip.

    >>> six = Bearing("6205", balls=9, ball_diameter_mm=7.94, pitch_diameter_mm=39.04)
    >>> {k: round(v, 1) for k, v in bearing_frequencies(six, 30.0).items()}
    {'bpfo': 107.5, 'bpfi': 162.5, 'bsf': 70.7, 'ftf': 11.9}
    """
    ratio = bearing.ball_diameter_mm / bearing.pitch_diameter_mm
    g = ratio * float(np.cos(np.radians(bearing.contact_angle_degrees)))
    cage = shaft_hz / 2 * (1 - g)
    return {
        "bpfo": bearing.balls * cage,
        "bpfi": bearing.balls * shaft_hz / 2 * (1 + g),
        "bsf": shaft_hz / (2 * ratio) * (1 - g * g),
        "ftf": cage,
    }


def lines(card: AssetCard | None, speed_rpm: float | None) -> Lines:
    """Return order name -> where to look for it; names nobody can compute are left out.

    Several bearings give several lines for one name; the strongest counts. The speed falls back
    to the card's nominal one.
    """
    speed = speed_rpm if speed_rpm is not None else card.nominal_speed_rpm if card else None
    found = _electric(card)
    if card and speed:
        shaft = speed / 60.0
        found |= _bearings(card, shaft) | _shaft(shaft) | _train(card, shaft)
    return found


def _bearings(card: AssetCard, shaft: float) -> Lines:
    each = [bearing_frequencies(bearing, shaft) for bearing in card.bearings]
    return {
        f"{name}_{h}": tuple(Line(h * hz[name], envelope=True) for hz in each)
        for name in ("bpfo", "bpfi", "bsf", "ftf")
        for h in _HARMONICS
        if each
    }


def _shaft(shaft: float) -> Lines:
    plain: Lines = {f"shaft_{n:g}": (Line(n * shaft, envelope=False),) for n in _SHAFT_ORDERS}
    moved: Lines = {
        f"shaft_envelope_{n:g}": (Line(n * shaft, envelope=True),) for n in (0.5, 1.0, 2.0)
    }
    return plain | moved


def _train(card: AssetCard, shaft: float) -> Lines:
    """Blades, gear mesh with its sidebands, and the driven pulley's orders."""
    found: Lines = {}
    if card.blades:
        found |= {f"blade_{h}": (Line(h * card.blades * shaft, envelope=False),) for h in (1, 2)}
        found["blade_envelope"] = (Line(card.blades * shaft, envelope=True),)
    if card.gear_teeth:
        mesh = card.gear_teeth * shaft
        found |= {f"mesh_{h}": (Line(h * mesh, envelope=False),) for h in (1, 2)}
        found["mesh_sideband"] = tuple(Line(mesh + s * shaft, envelope=False) for s in (-1, 1))
    if card.belt_ratio:
        belt = card.belt_ratio * shaft
        found |= {f"belt_{h}": (Line(h * belt, envelope=False),) for h in _HARMONICS}
    return found


def _electric(card: AssetCard | None) -> Lines:
    """Twice the mains frequency is where a motor's stator hums; its sidebands tell overload."""
    if not card or not card.line_frequency_hz:
        return {}
    mains = card.line_frequency_hz
    shaft = (card.nominal_speed_rpm or 0.0) / 60.0
    sides = (2 * mains - shaft, 2 * mains + shaft) if shaft else (2 * mains,)
    return {
        "line_1": (Line(mains, envelope=False),),
        "line_2": (Line(2 * mains, envelope=False),),
        "line_sideband": tuple(Line(hz, envelope=False) for hz in sides),
    }


def spectra_of(segments: Array) -> Spectrum:
    """Return the spectrum of each segment without a window, (segment, sample // 2 + 1)."""
    spectrum: Spectrum = scipy.fft.rfft(segments, axis=1)
    return spectrum


def power_spectrum(spectrum: Spectrum) -> Array:
    """Return the power spectrum of each segment under a Hann window, (segment, bin).

    A product with the window is a convolution with its three lines -1/4, 1/2, -1/4, which saves
    a transform (Harris, Proceedings of the IEEE 66 (1978) 51-83, section IV).
    """
    smooth = np.empty_like(spectrum)
    smooth[:, 1:-1] = spectrum[:, :-2] + spectrum[:, 2:]
    smooth[:, 0] = 2 * spectrum[:, 1].real
    smooth[:, -1] = 2 * spectrum[:, -2].real
    smooth *= np.float32(-0.25)
    smooth += np.float32(0.5) * spectrum
    return _power(smooth)


def _power(spectrum: Spectrum) -> Array:
    power: Array = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    return power


def envelope_spectrum(spectrum: Spectrum, recipe: Recipe) -> Array:
    """Return the whitened envelope spectrum of each segment, median near 1, (segment, bin).

    The carrier band is cut out of the spectrum, its slow shape is divided away (so that a
    resonance does not hide behind a louder one), and the squared envelope is taken from the
    analytic signal of the band alone. Bin width is that of the segment, 1 / segment_seconds.
    """
    size = recipe.segment_samples
    low, high = (
        int(hz * size / recipe.rate_hz) for hz in (recipe.carrier_low_hz, recipe.carrier_high_hz)
    )
    band = spectrum[:, low:high]
    band = band / (slow_shape(np.sqrt(_power(band)), _WHITEN_BINS) + np.float32(_TINY))
    keep = _ENVELOPE_REACH * _bins(recipe)
    # lags beyond points - band would fold back; those kept don't
    points = scipy.fft.next_fast_len(band.shape[1] + keep + 1)
    squared = _power(scipy.fft.ifft(band, n=points, axis=1))
    squared -= squared.mean(axis=1, keepdims=True)
    squared *= hann(points)
    return over_floor(np.sqrt(_power(scipy.fft.rfft(squared, axis=1)[:, :keep])))


def _bins(recipe: Recipe) -> int:
    """Return how many bins of a segment's spectrum the envelope bands span."""
    return int(recipe.envelope_high_hz * recipe.segment_seconds) + 1


def over_floor(spectrum: Array) -> Array:
    """Return each bin over the median of its neighbourhood, (segment, bin)."""
    return spectrum / (slow_shape(spectrum, _FLOOR_BINS) + np.float32(_TINY))


def slow_shape(spectrum: Array, block: int) -> Array:
    """Return the spectrum's slow course: medians of blocks, joined by straight lines."""
    bins = spectrum.shape[1]
    count = max(bins // block, 1)
    block = min(block, bins)
    # a sort of short rows is many times faster than numpy's partition
    ordered = np.sort(spectrum[:, : count * block].reshape(len(spectrum), count, block), axis=2)
    medians = ordered[:, :, (block - 1) // 2] + ordered[:, :, block // 2]
    medians *= np.float32(0.5)
    left, right, share, rest = _places(bins, count, block)
    course: Array = medians[:, left] * rest
    course += medians[:, right] * share
    return course


@lru_cache(maxsize=16)
def _places(bins: int, count: int, block: int) -> tuple[Indices, Indices, Array, Array]:
    """Return for each bin the blocks on either side, the share of the right one and the rest."""
    place = (np.arange(bins, dtype=np.float32) - (block - 1) / 2) / block
    left = np.clip(np.floor(place).astype(np.intp), 0, count - 1)
    right = np.minimum(left + 1, count - 1)
    share = np.clip(place - left, 0.0, 1.0).astype(np.float32)
    return left, right, share, 1 - share


def band_energies(envelope: Array, recipe: Recipe) -> Array:
    """Return log1p of the strongest line in each band of the envelope spectrum, (segment, band)."""
    edges = np.linspace(1, _bins(recipe), recipe.envelope_bands, endpoint=False).astype(int)
    peaks: Array = np.maximum.reduceat(envelope[:, : _bins(recipe)], edges, axis=1)
    return np.log1p(peaks)


def order_energies(
    envelope: Array,
    spectrum: Array,
    where: Lines,
    recipe: Recipe,
) -> tuple[Array, Array]:
    """Return (energies (segment, order), known (order,)).

    An energy is the natural logarithm of the strongest bin within the tolerance over the floor,
    so 0 means nothing stands out; 0 too where the order is unknown or beyond the spectrum.
    """
    energies = np.zeros((len(envelope), len(ORDERS)), np.float32)
    known = np.zeros(len(ORDERS), np.float32)
    for column, name in enumerate(ORDERS):
        peaks = [
            _peak(envelope if p.envelope else spectrum, p.hz, recipe) for p in where.get(name, ())
        ]
        seen = [peak for peak in peaks if peak is not None]
        if seen:
            energies[:, column] = np.log(np.maximum(np.max(seen, axis=0), 1.0))
            known[column] = 1.0
    return energies, known


def _peak(spectrum: Array, hz: float, recipe: Recipe) -> Array | None:
    """Return each segment's strongest bin around `hz`, at least one bin either side."""
    at = hz * recipe.segment_seconds
    reach = max(1.0, at * recipe.order_tolerance)
    first, last = max(int(np.ceil(at - reach)), 1), int(np.floor(at + reach))
    if last >= spectrum.shape[1] or last < first:
        return None
    peak: Array = spectrum[:, first : last + 1].max(axis=1)
    return peak
