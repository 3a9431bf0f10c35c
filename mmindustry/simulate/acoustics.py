"""What a machine sounds like: its healthy self, its fault, its surroundings, in one pass.

Levels are dB against the background's RMS. Formulas: physics of rotating machines
(Randall 2011, "Vibration-based Condition Monitoring", chapters 2 and 5).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mmindustry.domain import Bearing, Modality
from mmindustry.simulate.impulses import (
    Sound,
    Span,
    Train,
    band,
    from_db,
    impact_turns,
    place,
    place_samples,
    ring,
    ring_energy,
    strengths_of,
    tone,
    unit,
    white,
)
from mmindustry.simulate.machine import Machine
from mmindustry.simulate.situation import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """All that sounds are made of for one block. `rng` is new each block, `habit` gives the traits
    that last. `offset_db`, `tone_db` and `alike` are the policy's `loudness_offset_db`,
    `tone_offset_db` and `race_likeness`."""

    machine: Machine
    situation: Situation
    span: Span
    rng: np.random.Generator
    habit: np.random.Generator
    first_impact: float
    offset_db: float
    tone_db: float = 0.0
    alike: float = 0.0


@dataclass(frozen=True, slots=True)
class FaultSound:
    """What a fault adds to the background, how it beats the background's strength (None = not at
    all), and at which turn the next impact falls."""

    sound: Sound | None
    beat: Sound | None = None
    next_impact: float = 0.0


_SILENT = FaultSound(None)


def ball_pass_orders(bearing: Bearing) -> dict[str, float]:
    """Return events a shaft turn for outer race, inner race, ball and cage.

    >>> round(ball_pass_orders(Bearing("6205", 9, 7.94, 39.04))["outer"], 3)
    3.585
    """
    angle = float(np.cos(np.deg2rad(bearing.contact_angle_degrees)))
    ratio = bearing.ball_diameter_mm / bearing.pitch_diameter_mm * angle
    pitch = bearing.pitch_diameter_mm / (2 * bearing.ball_diameter_mm)
    return {
        "outer": bearing.balls / 2 * (1 - ratio),
        "inner": bearing.balls / 2 * (1 + ratio),
        "ball": pitch * (1 - ratio**2),
        "cage": 0.5 * (1 - ratio),
    }


def level(stage: Stage, amount: float, low_db: float, high_db: float) -> np.float32:
    """Return the amplitude of a fault shown to the share `amount` (0..1)."""
    return from_db(low_db + (high_db - low_db) * amount + stage.offset_db)


def healthy_sound(stage: Stage) -> Sound:
    """Return what the machine always makes: shaft orders, blades, gear mesh, belt, mains hum."""
    card, span, own_levels = stage.machine.card, stage.span, stage.machine.voice.order_levels_db
    levels = [level_db + stage.tone_db for level_db in own_levels]
    load_db = 4 * (stage.situation.load_ratio - 0.6)
    sound = from_db(levels[0]) * tone(span.turns)
    sound += from_db(levels[1]) * tone(2 * span.turns, 0.3)
    sound += from_db(levels[2] + load_db) * tone((card.blades or 5) * span.turns, 0.1)
    sound += from_db(levels[3] - 4) * tone((card.belt_ratio or 0.3) * 2 * span.turns, 0.7)
    sound += from_db(stage.machine.voice.order_levels_db[4] - 4) * tone(
        2 * (card.line_frequency_hz or 50.0) * span.seconds
    )
    if card.gear_teeth:
        mesh = tone(card.gear_teeth * span.turns, 0.2)
        sound += from_db(levels[5] + load_db) * mesh * (1 + 0.3 * tone(span.turns))
    return sound


def _bearing(stage: Stage, amount: float, train: Train) -> FaultSound:
    turns, following = impact_turns(train, stage.span, stage.first_impact, stage.rng)
    strengths = strengths_of(train, turns, stage.rng)
    # A growing spall smears single impacts into noise: kurtosis rises, then falls.
    distributed = max(0.0, (amount - 0.6) / 0.4)
    impulses = place(stage.span, turns, strengths * (1 - 0.45 * distributed))
    rate, rate_hz = train.order * stage.span.shaft_hz, stage.span.rate_hz
    sound = np.zeros(stage.span.frames, np.float32)
    for (frequency_hz, damping), share in zip(
        stage.machine.voice.resonances, (0.8, 0.6), strict=True
    ):
        energy = ring_energy(rate_hz=rate_hz, frequency_hz=frequency_hz, damping=damping)
        heard = ring(impulses, rate_hz=rate_hz, frequency_hz=frequency_hz, damping=damping)
        sound += np.float32(share * np.sqrt(rate_hz / (rate * energy))) * heard
    if distributed > 0:
        rolling = 1 + 0.9 * tone(train.order * stage.span.turns)
        noise = white(stage.span.frames, stage.rng) * rolling
        sound += np.float32(0.4 * distributed) * noise
    return FaultSound(level(stage, amount, -11, 4) * sound, None, following)


def bearing_outer(stage: Stage, amount: float) -> FaultSound:
    """Return impacts at the outer race's rate; a slight swing, as a real load zone wanders."""
    orders = ball_pass_orders(stage.machine.card.bearings[0])
    swing = _swing(stage, 0.05, 0.25)
    return _bearing(stage, amount, Train(order=orders["outer"], slip=0.012, swing=swing))


def bearing_inner(stage: Stage, amount: float) -> FaultSound:
    """Return impacts at the inner race's rate, swinging with the turn through the load zone."""
    orders = ball_pass_orders(stage.machine.card.bearings[0])
    swing = _swing(stage, 0.3, 0.5)
    return _bearing(stage, amount, Train(order=orders["inner"], slip=0.012, swing=swing))


def _swing(stage: Stage, least: float, spread: float) -> float:
    """Return how deep impacts swing with the turn; a load that turns with the shaft makes an outer
    race swing too, so `alike` draws both to the same."""
    own = least + spread * stage.situation.variant
    return (1 - stage.alike) * own + stage.alike * (0.1 + 0.55 * stage.situation.variant)


def imbalance(stage: Stage, amount: float) -> FaultSound:
    """Return a tone once a turn, growing with the square of speed, that beats all the rest."""
    once = tone(stage.span.turns)
    speed_db = 40 * np.log10(stage.situation.speed_rpm / max(stage.machine.shaft_rpm, 1.0))
    sound = level(stage, amount, -1, 7) * from_db(speed_db) * once
    sound += level(stage, amount, -12, -2) * tone(2 * stage.span.turns, 0.3)
    depth = np.float32(0.12 + 0.33 * amount)
    return FaultSound(sound, 1 + depth * once / np.float32(np.sqrt(2)))


def looseness(stage: Stage, amount: float) -> FaultSound:
    """Return half orders and many harmonics: a foot that lifts clips the motion on one side."""
    turns = stage.span.turns
    motion = tone(turns) + np.float32(0.5) * tone(turns / 2, 0.15)
    lifted = np.maximum(motion - np.float32(1.1 - 0.5 * amount), 0)
    clipped = unit(lifted - lifted.mean())
    rattle = white(stage.span.frames, stage.rng) * lifted
    sound = level(stage, amount, -3, 7) * clipped + level(stage, amount, -14, -2) * unit(rattle)
    depth = np.float32(0.1 + 0.3 * amount)
    return FaultSound(sound, 1 + depth * tone(turns / 2, 0.15) / np.float32(np.sqrt(2)))


def cavitation(stage: Stage, amount: float) -> FaultSound:
    """Return collapsing bubbles: random pulses above 1.5 kHz, beating with blades and surge."""
    span = stage.span
    count = int(stage.rng.poisson(2500 * span.frames / span.rate_hz))
    pulses = place_samples(
        span.frames,
        stage.rng.uniform(0, span.frames - 1, count),
        stage.rng.lognormal(0, 0.5, count) * stage.rng.choice([-1.0, 1.0], count),
    )
    noise = band(
        unit(pulses) + 0.5 * white(span.frames, stage.rng),
        rate_hz=span.rate_hz,
        low_hz=1500,
        high_hz=7600,
    )
    blades = 1 + np.float32(0.35) * tone((stage.machine.card.blades or 5) * span.turns)
    surge = 1 + np.float32(0.3) * tone(0.7 * span.seconds, stage.situation.variant)
    return FaultSound(level(stage, amount, -9, 2) * noise * blades * surge)


def seal_leak(stage: Stage, amount: float) -> FaultSound:
    """Return a weak hiss above 2 kHz, stronger with pressure."""
    noise = white(stage.span.frames, stage.rng)
    hiss = band(noise, rate_hz=stage.span.rate_hz, low_hz=2500, high_hz=7600)
    return FaultSound(level(stage, amount, -14, -5) * hiss)


def belt_slip(stage: Stage, amount: float) -> FaultSound:
    """Return belt harmonics and, on three belts of four, a squeal that comes and goes."""
    span, variant = stage.span, stage.situation.variant
    passes = (stage.machine.card.belt_ratio or 0.3) * span.turns
    flapping = tone(passes) + tone(2 * passes, 0.2) + np.float32(0.6) * tone(3 * passes, 0.5)
    beat = 1 + np.float32(0.1 + 0.3 * amount) * tone(passes) / np.float32(np.sqrt(2))
    sound = level(stage, amount, -6, 4) * flapping
    if variant < 0.75:  # noqa: PLR2004 - learning from the field: one belt in four slips silently
        sound += level(stage, amount, -6, 5) * _squeal(span, 900 + 930 * variant)
    return FaultSound(sound, beat)


def motor_overheating(stage: Stage, amount: float) -> FaultSound:
    """Return twice the mains frequency with sidebands at the pole-pass frequency."""
    mains_hz = stage.machine.card.line_frequency_hz or 50.0
    pole = tone(stage.machine.voice.pole_pass_hz * stage.span.seconds)
    hum = tone(2 * mains_hz * stage.span.seconds) + 0.4 * tone(4 * mains_hz * stage.span.seconds)
    beating = 1 + np.float32(0.45) * pole / np.float32(np.sqrt(2))
    return FaultSound(level(stage, amount, -9, 1) * hum * beating)


def _squeal(span: Span, centre_hz: float) -> Sound:
    swing = centre_hz * 0.04 / (2 * np.pi * 6)
    cycles = centre_hz * span.seconds + swing * np.sin(2 * np.pi * 6 * span.seconds)
    coming = np.clip(1.4 * np.sin(2 * np.pi * 0.45 * span.seconds) + 0.6, 0, 1)
    squeal = tone(cycles) + np.float32(0.4) * tone(2 * cycles)
    return squeal * coming.astype(np.float32)


FAULT_SOUNDS: Mapping[str, Callable[[Stage, float], FaultSound]] = {
    "bearing_outer": bearing_outer,
    "bearing_inner": bearing_inner,
    "imbalance": imbalance,
    "looseness": looseness,
    "cavitation": cavitation,
    "seal_leak": seal_leak,
    "belt_slip": belt_slip,
    "motor_overheating": motor_overheating,
}
"""Fault -> how it sounds."""


def fault_sound(stage: Stage) -> FaultSound:
    """Return what the fault of the situation adds now; nothing below its onset."""
    amount = stage.situation.shows(Modality.AUDIO)
    maker = FAULT_SOUNDS.get(stage.situation.fault)
    return maker(stage, amount) if maker and amount > 0 else _SILENT
