"""What experts could measure of a labelled window: the true mechanisms after noise, no rendering.

One expert listens, one looks, one reads. Each gets figures that the rendered evidence really holds
(a rate of impacts, a level of hiss, the area of a puddle, the notes as written), with the error of
a careful measurement and nothing where sensors fail. The oracle of the bench judges by these.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from mmindustry.domain import Modality
from mmindustry.simulate.acoustics import ball_pass_orders
from mmindustry.simulate.cases import Case
from mmindustry.simulate.lexicon import FAMILIES, HINTS, REHEARSAL, REHEARSAL_OVER, TWIN_WORDS
from mmindustry.simulate.machine import Machine
from mmindustry.simulate.notes import Manner, Remembered, history
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.seeds import generator
from mmindustry.simulate.situation import Situation, Twin, belt_slip_ratio

LEVEL_ERROR_DB = 1.0
RATE_ERROR = 0.01
SPEED_ERROR = 0.02
DEPTH_ERROR = 0.05
SHARE_ERROR = 0.06
FLOOR_DB = -20.0
HEARD_DB = -15.0
"""Impacts below this against the hall's noise are not heard."""
DRIP_SEEN = 0.6
"""How often a falling drop is seen in one frame of four at least: three in four, less what its few
pixels lose."""
PERMIT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the ear's expert measured: rates of impact trains in Hz; rates of turning tones, with
    whether half orders stand beside them; levels in dB; depths of beating, 0..1."""

    trains: tuple[float, ...]
    turns: tuple[tuple[float, bool], ...]
    hiss_db: float
    blade_depth: float
    hum_db: float
    pole_depth: float
    squeal_db: float
    belt_depth: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the eye's expert measured; shares 0..1 of the most there can be."""

    speed_rpm: float
    dip: float
    shake: float
    bolt: bool
    flutter: float
    lamp: bool
    puddle: float
    drip: bool
    smoke: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What the reader found: notes by family, by fault hinted at, of look-alikes; open permits."""

    families: Counter[str] = field(default_factory=Counter)
    hints: Counter[str] = field(default_factory=Counter)
    twins: frozenset[Twin] = frozenset()
    permit: bool = False
    any: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All three, None where a sensor gives nothing; `told_rpm` what the drive says."""

    heard: Heard | None
    seen: Seen | None
    read: Read
    told_rpm: float | None


def measure(machine: Machine, case: Case, policy: SimulatePolicy) -> Evidence:
    """Return what experts measure of one window; the same case gives the same."""
    noise = generator(policy.seed, "expert", case.name)
    deaf = case.no_audio or case.microphone_fault == "microphone_silent"
    blind = case.no_image or case.camera_fault != ""
    speed = case.situation.speed_rpm
    return Evidence(
        heard=None if deaf else _hear(machine, case.situation, policy, noise),
        seen=None if blind else _see(machine, case.situation, policy, noise),
        read=_read(machine, case, policy),
        told_rpm=speed * (1 + 0.002 * noise.standard_normal()) if case.state_known else None,
    )


def twin_draws(machine: Machine, situation: Situation, twin: Twin, count: int) -> list[float]:
    """Return the first `count` lasting traits of a look-alike's sound, each 0..1."""
    lasting = round(situation.variant * 1e9)
    stream = generator(machine.look, "sound", twin.value, 0, lasting)
    return [float(v) for v in stream.random(count)]


def power_db(*levels_db: float) -> float:
    """Return the level of sounds that add up.

    >>> round(power_db(0.0, 0.0), 2)
    3.01
    """
    return float(10 * np.log10(sum(10 ** (level / 10) for level in levels_db)))


def _hear(
    machine: Machine, at: Situation, policy: SimulatePolicy, noise: np.random.Generator
) -> Heard:
    def twin(which: Twin, place: int, low: float, high: float) -> float:
        if which not in at.twins:
            return FLOOR_DB
        return low + (high - low) * twin_draws(machine, at, which, place + 1)[place]

    def fault(name: str, low: float, high: float) -> float:
        shown = at.shows(Modality.AUDIO)
        if at.fault != name or shown <= 0:
            return FLOOR_DB
        return low + (high - low) * shown + policy.loudness_offset_db

    def jitter(scale: float) -> float:
        return float(scale * noise.standard_normal())

    cavity = fault("cavitation", -9, 2)
    hiss = [cavity, fault("seal_leak", -14, -5), twin(Twin.STEAM_VENT, 2, -9, 2)]
    hiss.append(twin(Twin.WASH_DOWN, 0, -14, -5))
    heat = fault("motor_overheating", -9, 1)
    hum = [heat, twin(Twin.TRANSFORMER, 0, -9, 1), -16.0]
    squeal = fault("belt_slip", -6, 5) if at.variant < 0.75 else FLOOR_DB  # noqa: PLR2004 - acoustics.belt_slip
    belt = 0.1 + 0.3 * at.shows(Modality.AUDIO) if at.fault == "belt_slip" else 0.0
    return Heard(
        trains=tuple(_trains(machine, at, power_db(0.0, *hiss), noise)),
        turns=tuple(_turns(machine, at, noise)),
        hiss_db=power_db(*hiss, FLOOR_DB) + jitter(LEVEL_ERROR_DB),
        blade_depth=0.35 * _share(cavity, hiss) + jitter(DEPTH_ERROR),
        hum_db=power_db(*hum) + jitter(LEVEL_ERROR_DB),
        pole_depth=0.45 * _share(heat, hum) + jitter(DEPTH_ERROR),
        squeal_db=power_db(squeal, twin(Twin.FORKLIFT, 2, -8, 3)) + jitter(LEVEL_ERROR_DB),
        belt_depth=belt * (at.shows(Modality.AUDIO) > 0) + jitter(DEPTH_ERROR),
    )


def _share(of_db: float, all_db: list[float]) -> float:
    return float(10 ** ((of_db - power_db(*all_db)) / 10)) if of_db > FLOOR_DB else 0.0


def _trains(
    machine: Machine, at: Situation, hall_db: float, noise: np.random.Generator
) -> list[float]:
    """Return the rates of impact trains that stand out of the hall's noise."""
    found, shown = [], at.shows(Modality.AUDIO)
    if at.fault.startswith("bearing_") and shown > 0:
        order = ball_pass_orders(machine.card.bearings[0])[at.fault.removeprefix("bearing_")]
        if -11 + 15 * shown - hall_db > HEARD_DB:
            found.append(order * at.speed_rpm / 60)
    if Twin.KNOCKING in at.twins:
        draws = twin_draws(machine, at, Twin.KNOCKING, 4)
        if -11 + 11 * draws[3] - hall_db > HEARD_DB:
            found.append(45 + 145 * draws[0])
    return [float(rate * (1 + RATE_ERROR * noise.standard_normal())) for rate in found]


def _turns(machine: Machine, at: Situation, noise: np.random.Generator) -> list[tuple[float, bool]]:
    found = []
    if at.fault in {"imbalance", "looseness"} and at.shows(Modality.AUDIO) > 0:
        found.append((at.speed_rpm / 60, at.fault == "looseness"))
    if Twin.NEIGHBOUR in at.twins:
        draws = twin_draws(machine, at, Twin.NEIGHBOUR, 2)
        found.append((7.0 * (34.0 / 7.0) ** draws[0], draws[1] < 0.5))  # noqa: PLR2004 - surroundings.neighbour
    return [(float(r * (1 + RATE_ERROR * noise.standard_normal())), loose) for r, loose in found]


def _see(
    machine: Machine, at: Situation, policy: SimulatePolicy, noise: np.random.Generator
) -> Seen:
    shown = at.shows(Modality.IMAGE)
    view = generator(policy.seed, "expert-view", machine.number, round(at.variant * 1e9))

    def of(*faults: str) -> float:
        return shown if at.fault in faults else 0.0

    def share(value: float, error: float = SHARE_ERROR) -> float:
        return float(value + error * noise.standard_normal())

    hosed = float(view.uniform(0.1, 1.0)) if Twin.WASH_DOWN in at.twins else 0.0
    welded = float(view.uniform(0.15, 1.0)) if Twin.WELDING in at.twins else 0.0
    smoke = of("belt_slip", "motor_overheating") + 0.8 * of("bearing_outer", "bearing_inner")
    shake = of("imbalance") + 0.8 * of("looseness") + 0.45 * of("bearing_outer", "bearing_inner")
    leak = of("seal_leak")
    return Seen(
        speed_rpm=at.speed_rpm * (1 - belt_slip_ratio(at)) * share(1.0, SPEED_ERROR),
        dip=share(0.55 * of("cavitation")),
        shake=share(shake, 0.08),
        bolt=of("looseness") > 0 and noise.random() < 0.9,  # noqa: PLR2004 - a mark is small
        flutter=share(of("belt_slip") * at.variant, 0.1),
        lamp=Twin.LAMP_TEST in at.twins or of("motor_overheating") > 0.75,  # noqa: PLR2004 - camera
        puddle=share(max(0.08 + 0.92 * leak if leak > 0 else 0.0, hosed), 0.03),
        drip=leak > 0 and noise.random() < DRIP_SEEN,
        smoke=share(max(smoke, welded)),
    )


def _read(machine: Machine, case: Case, policy: SimulatePolicy) -> Read:
    """Return what the notes of the window say, by the words they were meant to hold."""
    rng = generator(policy.seed, "log", case.name)
    manner = Manner(vague=policy.vague_share, hint=policy.hint_share)
    lines = history(machine, case.situation, case.symptom_seconds, rng, manner=manner)
    fresh = [line for line in lines if "fixed" not in line.entry.clean]
    fresh = [line for line in fresh if "已处理" not in line.entry.clean]
    return Read(
        families=Counter(f for f, w in FAMILIES.items() for n in fresh if _holds(n, w)),
        hints=Counter(fault for fault, w in HINTS.items() for n in fresh if _holds(n, w)),
        twins=frozenset(t for t, w in TWIN_WORDS.items() for n in fresh if _holds(n, w)),
        permit=_permitted(lines),
        any=bool(lines),
    )


def _permitted(lines: list[Remembered]) -> bool:
    opened = [n.age_seconds for n in lines if _holds(n, REHEARSAL)]
    closed = [n.age_seconds for n in lines if _holds(n, REHEARSAL_OVER)]
    newest = min(opened, default=np.inf)
    return newest < PERMIT_SECONDS and not any(age < newest for age in closed)


def _holds(line: Remembered, words: dict[str, tuple[str, ...]] | object) -> bool:
    phrases = words["zh" if line.entry.language == "zh" else "en"]  # type: ignore[index]
    return any(phrase in line.entry.clean for phrase in phrases)
