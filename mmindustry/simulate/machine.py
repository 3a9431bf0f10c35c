"""The machines of the plant: their papers, their looks, their microphones and who writes of them.

All are pumps on a belt driven by a motor, of several makes, so that every fault can befall every
asset and the card alone tells nothing of the fault.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mmindustry.domain import AssetCard, Bearing, Modality
from mmindustry.simulate.authors import Author, draw_authors
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.seeds import generator

Box = tuple[float, float, float, float]

BEARINGS: tuple[Bearing, ...] = (
    Bearing("6203", 8, 6.75, 28.5),
    Bearing("6205", 9, 7.94, 39.04),
    Bearing("6206", 9, 9.53, 46.0),
    Bearing("6208", 9, 11.91, 60.0),
    Bearing("6306", 8, 12.3, 52.0),
    Bearing("6308", 8, 15.08, 65.5),
    Bearing("7206-b", 12, 9.53, 46.0, 40.0),
    Bearing("nu206", 13, 9.0, 46.5),
    Bearing("22206", 14, 7.5, 46.0, 9.5),
)
"""Rolling bearings of usual sizes; ball-pass orders from 3.0 to 8.2 a turn, outer and inner mixed,
so a rate of impacts names a race only together with speed and geometry."""

_KINDS = ("belt_pump", "booster_pump", "vacuum_pump", "slurry_pump")


@dataclass(frozen=True, slots=True, kw_only=True)
class Microphone:
    """How one microphone colours and levels what it hears. Tilt: dB from 100 Hz to 8 kHz.

    `echoes`: (delay in seconds, strength) of the room's early reflections; the high-pass lies
    above the shaft's tone, so speed is not free from sound.
    """

    level_dbfs: float
    tilt_db: float
    highpass_hz: float
    echoes: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """How a machine's own structure sounds: resonances (Hz, damping ratio), background humps
    (Hz, width in octaves, dB), slope of the background in dB per octave, wear-free levels in dB."""

    resonances: tuple[tuple[float, float], tuple[float, float]]
    humps: tuple[tuple[float, float, float], ...]
    slope_db: float
    order_levels_db: tuple[float, ...]
    pole_pass_hz: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One asset with everything about it that stays the same."""

    path: str
    tag: str
    card: AssetCard
    microphone: Microphone
    voice: Voice
    authors: tuple[Author, ...]
    look: str
    shift: tuple[float, float]
    number: int

    @property
    def shaft_rpm(self) -> float:
        """Nominal speed of the driven shaft in turns a minute."""
        return self.card.nominal_speed_rpm or 0.0

    def source(self, modality: Modality) -> str:
        """Return the name of this asset's sensor of one kind."""
        return f"{self.path}/{_SENSOR_NAMES[modality]}"


_SENSOR_NAMES: Mapping[Modality, str] = {
    Modality.IMAGE: "camera-1",
    Modality.AUDIO: "microphone-1",
    Modality.TEXT: "logbook",
    Modality.STATE: "drive",
}


def draw_machine(policy: SimulatePolicy, number: int) -> Machine:
    """Return the asset with this number (from 0); the same number and seed give the same asset."""
    rng = generator(policy.seed, "machine", number)
    shift = (float(rng.uniform(-0.012, 0.012)), float(rng.uniform(-0.012, 0.012)))
    area, line = f"area-{number // 8 + 1}", f"line-{number // 4 % 2 + 1}"
    kind = _KINDS[int(rng.integers(len(_KINDS)))]
    card = _draw_card(kind, shift, rng)
    return Machine(
        path=f"{policy.site}/{area}/{line}/pump-{number + 101}",
        tag=f"P-{number + 101}",
        card=card,
        microphone=_draw_microphone(card.nominal_speed_rpm or 1500.0, rng),
        voice=_draw_voice(rng),
        authors=draw_authors(rng),
        look=f"{policy.seed}-{number}",
        shift=shift,
        number=number,
    )


def draw_fleet(policy: SimulatePolicy) -> tuple[Machine, ...]:
    """Return all machines of the plant."""
    return tuple(draw_machine(policy, number) for number in range(policy.assets))


def regions_of(shift: tuple[float, float]) -> dict[str, Box]:
    """Return where gauges, floor and product stand in the picture, as shares of its sides."""
    x, y = shift
    return {
        "gauge": (0.03 + x, 0.03 + y, 0.36, 0.29),
        "floor": (0.37 + x, 0.62 + y, 0.59, 0.35),
        "product": (0.03 + x, 0.55 + y, 0.33, 0.42),
        "tacho": (18 / 320 + x, 20 / 240 + y, 46 / 320, 46 / 240),
    }


def _draw_card(kind: str, shift: tuple[float, float], rng: np.random.Generator) -> AssetCard:
    bearing = BEARINGS[int(rng.integers(len(BEARINGS)))]
    return AssetCard(
        kind=kind,
        nominal_speed_rpm=float(np.round(rng.uniform(950, 1780))),
        bearings=(bearing,),
        belt_ratio=float(np.round(rng.uniform(0.18, 0.42), 3)),
        blades=int(rng.integers(3, 8)),
        gear_teeth=int(rng.integers(17, 40)) if rng.random() < 0.5 else None,  # noqa: PLR2004
        line_frequency_hz=50.0 if rng.random() < 0.6 else 60.0,  # noqa: PLR2004
        regions={name: tuple(round(v, 4) for v in box) for name, box in regions_of(shift).items()},  # type: ignore[misc]
    )


def _draw_microphone(speed_rpm: float, rng: np.random.Generator) -> Microphone:
    shaft_hz = speed_rpm / 60
    echoes = [(rng.uniform(0.002, 0.02), rng.uniform(-0.4, 0.4)) for _ in range(4)]
    return Microphone(
        level_dbfs=float(rng.uniform(-34, -20)),
        tilt_db=float(rng.uniform(-5, 5)),
        highpass_hz=float(shaft_hz * rng.uniform(1.6, 2.6)),
        echoes=tuple((float(delay), float(strength)) for delay, strength in echoes),
    )


def _draw_voice(rng: np.random.Generator) -> Voice:
    low, high = rng.uniform(2000, 3400), rng.uniform(3800, 5800)
    humps = [(rng.uniform(150, 5000), rng.uniform(0.15, 0.6), rng.uniform(2, 9)) for _ in range(4)]
    return Voice(
        resonances=(
            (float(low), float(rng.uniform(0.02, 0.05))),
            (float(high), float(rng.uniform(0.02, 0.05))),
        ),
        humps=tuple((float(a), float(b), float(c)) for a, b, c in humps),
        slope_db=float(rng.uniform(-5, -2)),
        order_levels_db=tuple(float(v) for v in rng.uniform(-22, -10, 6)),
        pole_pass_hz=float(rng.uniform(1.0, 3.0)),
    )
