"""What else is heard: the hall itself, and neighbours that sound like faults and are none."""

from collections.abc import Callable, Mapping

import numpy as np

from mmindustry.simulate.acoustics import Stage
from mmindustry.simulate.impulses import (
    Sound,
    band,
    from_db,
    place_samples,
    ring,
    ring_energy,
    shape,
    tone,
    unit,
    white,
)
from mmindustry.simulate.situation import Twin


def background_gains(stage: Stage) -> Sound:
    """Return the spectrum of the hall's noise: a slope with this machine's own humps, RMS 1."""
    span, voice = stage.span, stage.machine.voice
    frequencies = np.fft.rfftfreq(span.frames, 1 / span.rate_hz)
    octaves = np.log2(np.maximum(frequencies, 20) / 1000)
    level_db = voice.slope_db * octaves
    for centre_hz, width, height_db in voice.humps:
        distance = (octaves - np.log2(centre_hz / 1000)) / width
        level_db += height_db * np.exp(-0.5 * distance**2)
    gains = 10 ** (level_db / 20)
    gains[frequencies < 20] = 0  # noqa: PLR2004 - below hearing
    return np.asarray(gains / np.sqrt(np.mean(gains**2)), np.float32)


def background(stage: Stage, gains: Sound) -> Sound:
    """Return the hall's noise for one block, RMS 1 on average."""
    return shape(white(stage.span.frames, stage.rng), gains)


def steam_vent(stage: Stage) -> Sound:
    """Return the hiss of a steam trap in cavitation's own band, gurgling at a random pace."""
    span, rng, habit = stage.span, stage.rng, stage.habit
    hiss = band(white(span.frames, rng), rate_hz=span.rate_hz, low_hz=1400, high_hz=7600)
    gurgle = 1 + np.float32(0.3) * tone(habit.uniform(0.4, 1.2) * span.seconds, habit.random())
    return from_db(habit.uniform(-9, 2)) * hiss * gurgle


def wash_down(stage: Stage) -> Sound:
    """Return a hose's hiss, weak."""
    span, rng, habit = stage.span, stage.rng, stage.habit
    hiss = band(white(span.frames, rng), rate_hz=span.rate_hz, low_hz=2200, high_hz=7600)
    return from_db(habit.uniform(-14, -5)) * hiss


def welding(stage: Stage) -> Sound:
    """Return the crackle of an arc: dense random pulses in bursts, over twice the mains hum."""
    span, rng, habit = stage.span, stage.rng, stage.habit
    count = int(rng.poisson(300 * span.frames / span.rate_hz))
    pulses = place_samples(
        span.frames, rng.uniform(0, span.frames - 1, count), rng.lognormal(0, 0.8, count)
    )
    burst = np.clip(np.sin(2 * np.pi * 0.6 * span.seconds + habit.uniform(0, 6)) + 0.7, 0, 1)
    crackle = band(pulses, rate_hz=span.rate_hz, low_hz=800, high_hz=7000)
    return from_db(habit.uniform(-9, 0)) * crackle * burst.astype(np.float32)


def transformer(stage: Stage) -> Sound:
    """Return a transformer's hum at twice the mains frequency and its harmonics."""
    mains_hz = stage.machine.card.line_frequency_hz or 50.0
    cycles = 2 * mains_hz * stage.span.seconds
    hum = tone(cycles, 0.4) + 0.4 * tone(2 * cycles, 0.1) + 0.2 * tone(3 * cycles, 0.8)
    return np.asarray(from_db(stage.habit.uniform(-9, 1)) * hum, np.float32)


def knocking(stage: Stage) -> Sound:
    """Return a neighbour's impacts: a rate within a bearing's range, resonances of its own."""
    span, rng, habit = stage.span, stage.rng, stage.habit
    rate, length = habit.uniform(45, 190), span.frames / span.rate_hz
    gaps = (1 + 0.012 * rng.standard_normal(int(rate * length * 1.1) + 4)) / rate
    times = np.cumsum(np.maximum(gaps, 0.001))
    times = times[times < length - 2 / span.rate_hz]
    impulses = place_samples(
        span.frames, times * span.rate_hz, rng.lognormal(0.0, 0.25, len(times))
    )
    resonance = {"frequency_hz": habit.uniform(1800, 6000), "damping": habit.uniform(0.02, 0.05)}
    heard = ring(impulses, rate_hz=span.rate_hz, **resonance)
    energy = ring_energy(rate_hz=span.rate_hz, **resonance)
    return (
        from_db(habit.uniform(-11, 0)) * heard * np.float32(np.sqrt(span.rate_hz / rate / energy))
    )


def forklift(stage: Stage) -> Sound:
    """Return a truck that passes: brakes in the belt's squeal band, a motor's rumble."""
    span, rng, habit = stage.span, stage.rng, stage.habit
    centre_hz, begin = habit.uniform(900, 1600), habit.uniform(-0.5, 0.5)
    cycles = centre_hz * span.seconds + 6 * np.sin(2 * np.pi * 5 * span.seconds)
    passing = np.clip(np.sin(2 * np.pi * 0.35 * (span.seconds + begin)) * 1.4, 0, 1)
    brakes = (tone(cycles) + np.float32(0.4) * tone(2 * cycles)) * passing.astype(np.float32)
    rumble = band(white(span.frames, rng), rate_hz=span.rate_hz, low_hz=60, high_hz=300)
    return from_db(habit.uniform(-8, 3)) * brakes + from_db(-6) * unit(rumble)


def neighbour(stage: Stage) -> Sound:
    """Return another machine's once-a-turn tone and its noise that beats with it; every second one
    is loose and sounds at half its turns too. Only the speed tells it from this machine."""
    span, rng, habit = stage.span, stage.rng, stage.habit
    turns = np.exp(habit.uniform(*np.log((7.0, 34.0)))) * span.seconds
    loose, amount = habit.random() < 0.5, habit.random()  # noqa: PLR2004 - every second one
    beat = turns / 2 if loose else turns
    noise = band(white(span.frames, rng), rate_hz=span.rate_hz, low_hz=300, high_hz=7600)
    beating = 1 + np.float32(0.4 + 0.5 * amount) * tone(beat, 0.15) / np.float32(np.sqrt(2))
    sound = from_db(-3 + 9 * amount) * (tone(turns) + np.float32(0.5) * tone(2 * turns, 0.3))
    if loose:
        sound += from_db(-5 + 9 * amount) * (tone(beat, 0.15) + tone(3 * beat, 0.4))
    return np.asarray(sound + from_db(-6 + 6 * amount) * unit(noise) * beating, np.float32)


TWIN_SOUNDS: Mapping[Twin, Callable[[Stage], Sound]] = {
    Twin.STEAM_VENT: steam_vent,
    Twin.WASH_DOWN: wash_down,
    Twin.WELDING: welding,
    Twin.TRANSFORMER: transformer,
    Twin.KNOCKING: knocking,
    Twin.FORKLIFT: forklift,
    Twin.NEIGHBOUR: neighbour,
}
"""Look-alike -> how it sounds; one not listed makes no sound."""
