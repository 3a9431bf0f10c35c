"""The faults that can happen, when each sense first notices them, and how health is lost."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import Modality

HEALTHY = "healthy"
"""The class of a machine without a fault."""

_STEPS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultMode:
    """One way to fail. The onsets are the severities (0..1) from which sound, picture and text
    show it: the potential-failure points of its P-F curve. `median_hours`: from onset to failure.
    """

    name: str
    code: str
    component: str
    audio_onset: float
    image_onset: float
    text_onset: float
    decay: Literal["gamma", "wiener"]
    median_hours: float

    def visible(self, sense: Modality, severity: float) -> float:
        """Return how much of this fault one sense shows at `severity`, 0 (nothing) to 1."""
        onset = {
            Modality.AUDIO: self.audio_onset,
            Modality.IMAGE: self.image_onset,
            Modality.TEXT: self.text_onset,
        }[sense]
        return float(min(1.0, max(0.0, (severity - onset) / (1.0 - onset))))

    @property
    def first_onset(self) -> float:
        """Severity from which any sense can notice."""
        return min(self.audio_onset, self.image_onset, self.text_onset)


def _mode(name: str, code: str, onsets: tuple[float, float, float], life: str) -> FaultMode:
    decay, hours, component = life.split()
    return FaultMode(
        name=name,
        code=code,
        component=component.replace("_", " "),
        audio_onset=onsets[0],
        image_onset=onsets[1],
        text_onset=onsets[2],
        decay="gamma" if decay == "gamma" else "wiener",
        median_hours=float(hours),
    )


# Codes follow ISO 14224's failure modes (NOI noise, VIB vibration, PDE parameter deviation,
# ELP external leakage of process medium, OHE overheating) with the part and the mechanism added.
_MODES = (
    _mode("bearing_outer", "NOI.BRG.OR", (0.30, 0.70, 0.50), "wiener 60 drive-end_bearing"),
    _mode("bearing_inner", "NOI.BRG.IR", (0.30, 0.70, 0.50), "wiener 48 drive-end_bearing"),
    _mode("imbalance", "VIB.IMP.UNB", (0.25, 0.40, 0.40), "gamma 90 impeller"),
    _mode("looseness", "VIB.BAS.LSN", (0.30, 0.35, 0.45), "gamma 50 base"),
    _mode("cavitation", "PDE.SUC.CAV", (0.25, 0.30, 0.50), "gamma 30 suction"),
    _mode("seal_leak", "ELP.SEA.LEK", (0.80, 0.20, 0.40), "gamma 40 shaft_seal"),
    _mode("belt_slip", "PDE.BLT.SLP", (0.30, 0.50, 0.50), "gamma 14 belt"),
    _mode("motor_overheating", "OHE.MTR.WND", (0.35, 0.50, 0.40), "wiener 8 motor"),
)

CATALOGUE: Mapping[str, FaultMode] = MappingProxyType({mode.name: mode for mode in _MODES})
"""Fault name -> how it behaves; `healthy` is no fault and is not in it."""

CLASSES: tuple[str, ...] = (HEALTHY, *CATALOGUE)
"""Every class a window can have, `healthy` first."""


def visible(fault: str, sense: Modality, severity: float) -> float:
    """Return what one sense shows of `fault` at `severity`; always 0 for `healthy`."""
    return CATALOGUE[fault].visible(sense, severity) if fault in CATALOGUE else 0.0


@dataclass(frozen=True, slots=True)
class Decay:
    """Severity over life from onset (0) to failure (1), on an even grid.

    The only way to read it is by share of that life, so a curve serves any length of it.
    """

    severities: tuple[float, ...]

    def severity_at(self, share: float) -> float:
        """Return the severity when `share` (0..1) of the time from onset to failure has passed."""
        place = min(1.0, max(0.0, share)) * (len(self.severities) - 1)
        left = int(place)
        if left >= len(self.severities) - 1:
            return self.severities[-1]
        low, high = self.severities[left], self.severities[left + 1]
        return low + (high - low) * (place - left)

    def share_at(self, severity: float) -> float:
        """Return the share of life at which `severity` is first reached."""
        reached = list(np.maximum.accumulate(self.severities))
        return min(1.0, bisect_left(reached, severity) / (len(reached) - 1))


def draw_decay(mode: FaultMode, rng: np.random.Generator) -> Decay:
    """Return one way of wearing out that reaches 1 exactly at failure, so remaining life is true.

    `gamma`: a gamma process given that it fails at the end (van Noortwijk 2009), wear speeding up;
    `wiener`: exponential growth with Wiener noise in the logarithm (Gebraeel 2005), pinned at both
    ends, which may fall back a little on its way as real vibration does.
    """
    curve = _gamma_bridge(rng) if mode.decay == "gamma" else _wiener_exponential(rng)
    return Decay(tuple(float(v) for v in curve))


def _gamma_bridge(rng: np.random.Generator) -> NDArray[np.float64]:
    speeding_up = rng.uniform(0.8, 2.2)
    shape = np.diff(np.linspace(0, 1, _STEPS + 1) ** speeding_up) * rng.uniform(40, 120)
    wear = np.concatenate([[0.0], np.cumsum(rng.gamma(np.maximum(shape, 1e-3)))])
    scaled: NDArray[np.float64] = wear / wear[-1]
    return scaled


def _wiener_exponential(rng: np.random.Generator) -> NDArray[np.float64]:
    share = np.linspace(0, 1, _STEPS + 1)
    first = rng.uniform(0.06, 0.18)
    noise = np.concatenate([[0.0], np.cumsum(rng.standard_normal(_STEPS))]) / np.sqrt(_STEPS)
    bridge = noise - share * noise[-1]
    curve = np.exp(np.log(first) * (1 - share) + rng.uniform(0.05, 0.2) * bridge)
    clipped: NDArray[np.float64] = np.minimum(curve - first * (1 - share), 0.999)
    clipped[-1] = 1.0
    return np.maximum(clipped, 0.0)


def draw_life_hours(mode: FaultMode, rng: np.random.Generator) -> float:
    """Return hours from onset to failure, log-normal about the mode's median."""
    return float(mode.median_hours * rng.lognormal(0.0, 0.6))


def draw_hours_to_onset(mean_hours: float, rng: np.random.Generator) -> float:
    """Return hours without a fault after a repair.

    A Weibull mixture: one repair in seven is a bad one and fails early (shape 0.7, a tenth of the
    mean), the others wear out (shape 2.0).
    """
    if rng.random() < 1 / 7:
        return float(0.1 * mean_hours * rng.weibull(0.7))
    return float(1.1 * mean_hours * rng.weibull(2.0))
