"""Building blocks of machine sound: turning, tones, trains of impacts, shaped noise."""

from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.signal
from numpy.typing import NDArray

Sound = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Continuity:
    """What one block of sound hands to the next, so that no seam is heard.

    Seconds since the beginning, turns of the shaft, the turn at which the next impact falls, and
    the gain control's last gain in dB (None before the first block).
    """

    seconds: float = 0.0
    turns: float = 0.0
    impact: float = 0.0
    gain_db: float | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """One block of time: `seconds` and shaft `turns` a sample, both counted from the beginning."""

    rate_hz: int
    seconds: NDArray[np.float64]
    turns: NDArray[np.float64]
    shaft_hz: float

    @property
    def frames(self) -> int:
        """Samples in the block."""
        return len(self.seconds)


def make_span(before: Continuity, shaft_hz: float, *, frames: int, rate_hz: int) -> Span:
    """Return the block after `before`: shaft turning at `shaft_hz` with 0.4 % slow wobble."""
    local = np.arange(frames) / rate_hz
    seconds = before.seconds + local
    wobble = 0.004 / (2 * np.pi * 0.31)
    swing = np.sin(2 * np.pi * 0.31 * seconds) - np.sin(2 * np.pi * 0.31 * before.seconds)
    turns = before.turns + shaft_hz * (local + wobble * swing)
    return Span(rate_hz, seconds, turns, shaft_hz)


def tone(cycles: NDArray[np.float64], phase: float = 0.0) -> Sound:
    """Return a sine of RMS 1 whose phase runs through `cycles`."""
    turns = cycles + phase
    turns -= np.floor(turns)
    wave: Sound = np.sin(turns.astype(np.float32) * np.float32(2 * np.pi))
    wave *= np.float32(np.sqrt(2))
    return wave


def ring(impulses: Sound, *, rate_hz: int, frequency_hz: float, damping: float) -> Sound:
    """Return `impulses` heard through one structural resonance, e^(-ζωt) sin(ωt) for each."""
    omega = 2 * np.pi * frequency_hz / rate_hz
    radius = np.exp(-damping * omega)
    numerator = np.array([0.0, radius * np.sin(omega)], np.float32)
    denominator = np.array([1.0, -2 * radius * np.cos(omega), radius**2], np.float32)
    return np.asarray(scipy.signal.lfilter(numerator, denominator, impulses), np.float32)


def ring_energy(*, rate_hz: int, frequency_hz: float, damping: float) -> float:
    """Return the sum of squares of one impact's answer, so trains can be brought to a level."""
    omega = 2 * np.pi * frequency_hz / rate_hz
    # sum of r^2n sin^2(omega n), by the geometric series of its two halves
    square = np.exp(-2 * damping * omega)
    rotating = square * np.exp(2j * omega)
    return float(0.5 * (1 / (1 - square) - (1 / (1 - rotating)).real))


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """Impacts a shaft makes: `order` a turn, random slip of each interval, share of the amplitude
    that swings once a `swing_order` of a turn (inner race: 1, ball: the cage's order)."""

    order: float
    slip: float
    swing: float = 0.0
    swing_order: float = 1.0


def impact_turns(
    train: Train, span: Span, first: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    """Return the shaft angles (in turns) of the impacts in `span`, and of the next one after it.

    Impacts fall at constant angle, not time, and slip adds up (Randall & Antoni 2011, "Rolling
    element bearing diagnostics", section 2): lines smear with rising harmonics.
    """
    begin, end = float(span.turns[0]), float(span.turns[-1])
    # One that falls between two blocks' samples belongs to the later; a lost one starts anew.
    if not begin - 0.1 / train.order <= first < begin + 2 / train.order:
        first = begin + rng.random() / train.order
    count = int((end - first) * train.order * 1.2) + 8
    gaps = (1 + train.slip * rng.standard_normal(count)) / train.order
    angles = first + np.concatenate([[0.0], np.cumsum(np.maximum(gaps, 0.2 / train.order))])
    inside = angles[angles < end]
    return inside, float(angles[len(inside)])


def place(span: Span, turns: NDArray[np.float64], strengths: NDArray[np.float64]) -> Sound:
    """Return impulses at shaft angles `turns`, split over the two samples they fall between."""
    samples = np.interp(turns, span.turns, np.arange(span.frames))
    return place_samples(span.frames, samples, strengths)


def place_samples(
    frames: int, samples: NDArray[np.float64], strengths: NDArray[np.float64]
) -> Sound:
    """Return impulses at fractional `samples` with these strengths."""
    left = np.floor(samples).astype(np.int64)
    part = samples - left
    whole = np.bincount(left, strengths * (1 - part), frames + 1)
    whole += np.bincount(left + 1, strengths * part, frames + 1)[: frames + 1]
    return whole[:frames].astype(np.float32)


def strengths_of(
    train: Train, turns: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return how hard each impact is: scattered, and swinging with the load zone where it does."""
    scatter = rng.lognormal(0.0, 0.25, len(turns))
    swing = 1 + train.swing * np.cos(2 * np.pi * train.swing_order * turns)
    strengths: NDArray[np.float64] = scatter * np.maximum(swing, 0.0)
    return strengths


def white(frames: int, rng: np.random.Generator) -> Sound:
    """Return white noise of RMS 1."""
    return rng.standard_normal(frames, dtype=np.float32)


def shape(noise: Sound, gains: Sound) -> Sound:
    """Return `noise` with each frequency bin multiplied by `gains` (frames // 2 + 1 of them)."""
    return np.asarray(scipy.fft.irfft(scipy.fft.rfft(noise) * gains, len(noise)), np.float32)


def band(noise: Sound, *, rate_hz: int, low_hz: float, high_hz: float) -> Sound:
    """Return `noise` limited to a band (second-order Butterworth), brought back to RMS 1."""
    edges = [low_hz / (rate_hz / 2), min(high_hz / (rate_hz / 2), 0.98)]
    sections = scipy.signal.butter(2, edges, "bandpass", output="sos").astype(np.float32)
    return unit(np.asarray(scipy.signal.sosfilt(sections, noise), np.float32))


def unit(sound: Sound) -> Sound:
    """Return `sound` brought to RMS 1 (silence stays silent)."""
    rms = float(np.sqrt(np.dot(sound, sound) / max(len(sound), 1)))
    return sound if rms == 0 else sound * np.float32(1 / rms)


def from_db(level_db: float) -> np.float32:
    """Return the amplitude ratio of a level in dB."""
    return np.float32(10 ** (level_db / 20))
