"""The latent truth of one asset at one moment; every renderer draws from this and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mmindustry.domain import Modality
from mmindustry.simulate.faults import visible
from mmindustry.simulate.machine import Machine


class Twin(StrEnum):
    """Benign look-alikes. Each is drawn without a look at the label."""

    STEAM_VENT = "steam_vent"
    """Broad hiss like cavitation and a white plume."""
    WASH_DOWN = "wash_down"
    """A puddle like a leak's, a hose's hiss."""
    WELDING = "welding"
    """A plume like smoke, crackle."""
    TRANSFORMER = "transformer"
    """Twice the mains frequency, like an overloaded motor."""
    KNOCKING = "knocking"
    """A neighbour's impacts, like a damaged bearing's."""
    FORKLIFT = "forklift"
    """Brakes that squeal like a belt, a floor that shakes the camera."""
    LAMP_TEST = "lamp_test"
    """The warning lamp is lit by the daily test."""
    NEIGHBOUR = "neighbour"
    """A machine beside, out of balance or loose, that turns at a speed of its own."""


TWIN_ORDER: tuple[Twin, ...] = tuple(twin for twin in Twin if twin is not Twin.NEIGHBOUR)
"""The order twins are drawn in; the neighbour is drawn apart, so that others stay as they were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is true of one asset for a short span.

    `severity` 0..1; `speed_rpm` of the driven shaft; `load_ratio` 0..1.2; `loudness_dbfs` what the
    microphone's gain control aims at; `tilt_db` how much brighter than usual the way to the
    microphone is, dB from 100 Hz to 8 kHz; `light` 0..1 of full daylight; `rehearsed`: the fault
    is only acted in a test run under a permit, so the machine is healthy.
    """

    fault: str
    severity: float
    speed_rpm: float
    load_ratio: float
    twins: frozenset[Twin] = frozenset()
    running: bool = True
    loudness_dbfs: float = -26.0
    tilt_db: float = 0.0
    light: float = 0.7
    rehearsed: bool = False
    variant: float = 0.5
    """0..1: which of a fault's faces it shows (whether a slipping belt squeals, for one)."""

    def shows(self, sense: Modality) -> float:
        """Return how much of the fault one sense shows now, 0..1."""
        return visible(self.fault, sense, self.severity) if self.running else 0.0

    @property
    def shaft_hz(self) -> float:
        """Turns a second of the driven shaft; a slipping belt has already slowed it."""
        return self.speed_rpm / 60


def draw_twins(rng: np.random.Generator, share: float) -> frozenset[Twin]:
    """Return the look-alikes of one moment, each present with probability `share`."""
    present = rng.random(len(TWIN_ORDER)) < share
    return frozenset(twin for twin, here in zip(TWIN_ORDER, present, strict=True) if here)


def draw_speed(machine: Machine, rng: np.random.Generator, low: float) -> tuple[float, float]:
    """Return (speed in rpm, load ratio): a drive of variable speed, load following roughly;
    `low` is the least speed as a share of the nameplate's."""
    ratio = rng.uniform(low, 1.12)
    load = np.clip(ratio**2 * rng.uniform(0.6, 1.0), 0.1, 1.2)
    return float(machine.shaft_rpm * ratio), float(load)


def belt_slip_ratio(situation: Situation) -> float:
    """Return the share of speed a slipping belt loses between motor and shaft: up to 8 %."""
    if situation.fault != "belt_slip":
        return 0.0
    return 0.08 * situation.shows(Modality.AUDIO)


def names(twins: frozenset[Twin]) -> Sequence[str]:
    """Return the twins' names in fixed order."""
    return tuple(twin.value for twin in Twin if twin in twins)
