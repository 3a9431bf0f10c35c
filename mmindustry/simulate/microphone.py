"""From air to bytes: one microphone that hears a machine, block after block."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mmindustry.simulate.acoustics import Stage, fault_sound, healthy_sound
from mmindustry.simulate.impulses import Continuity, Sound, make_span, shape
from mmindustry.simulate.machine import Machine, Microphone
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.seeds import generator
from mmindustry.simulate.situation import Situation, Twin, belt_slip_ratio
from mmindustry.simulate.surroundings import TWIN_SOUNDS, background, background_gains

Samples = NDArray[np.int16]

_TWIN_PACE_SECONDS = 30.0


class Listener:
    """Hears one machine through its microphone, block after block without seams.

    The gain control brings every block to the level the situation asks for, whatever the fault:
    loudness says nothing of the label. Spectra that depend on the block's length only are kept.
    """

    def __init__(self, machine: Machine, policy: SimulatePolicy, *, name: str = "live") -> None:
        self._machine = machine
        self._policy = policy
        self._name = name
        self._blocks = 0
        self._continuity = Continuity()
        self._gains: dict[int, tuple[Sound, Sound]] = {}

    def begin(self, name: str) -> None:
        """Start again at second 0 with the noise that belongs to `name`."""
        self._name, self._blocks, self._continuity = name, 0, Continuity()

    def hear(self, situation: Situation, seconds: float) -> Samples:
        """Return the next `seconds` of sound, 16 bit, at the policy's rate."""
        frames = round(seconds * self._policy.rate_hz)
        stage = self._stage(situation, frames)
        if frames not in self._gains:
            room = room_gains(self._machine.microphone, frames, self._policy.rate_hz)
            self._gains[frames] = (background_gains(stage), room.astype(np.complex64))
        hall, room_now = self._gains[frames]
        air, following = _air(stage, hall)
        heard = shape(air, room_now * _tilt(situation.tilt_db, frames, self._policy.rate_hz))
        samples, gain_db = _levelled(heard, situation.loudness_dbfs, self._continuity.gain_db)
        self._continuity = Continuity(
            seconds=self._continuity.seconds + frames / self._policy.rate_hz,
            turns=float(stage.span.turns[-1]) + stage.span.shaft_hz / self._policy.rate_hz,
            impact=following,
            gain_db=gain_db,
        )
        self._blocks += 1
        return samples

    def give(self, situation: Situation, seconds: float, trouble: str) -> Samples:
        """Return the next `seconds` as a microphone in this trouble ("" for none) gives them."""
        if trouble == "microphone_silent":
            return self.hum(seconds)
        heard = self.hear(situation, seconds)
        return overdriven(heard) if trouble == "microphone_clipped" else heard

    def hum(self, seconds: float) -> Samples:
        """Return what a dead microphone gives: a trace of mains hum, and the time moves on."""
        frames = round(seconds * self._policy.rate_hz)
        at = self._continuity.seconds + np.arange(frames) / self._policy.rate_hz
        mains_hz = self._machine.card.line_frequency_hz or 50.0
        hum = 0.0015 * np.sin(2 * np.pi * mains_hz * at)
        passed = frames / self._policy.rate_hz
        self._continuity = replace(self._continuity, seconds=self._continuity.seconds + passed)
        self._blocks += 1
        return np.round(hum * 32767).astype(np.int16)

    def _stage(self, situation: Situation, frames: int) -> Stage:
        turning_hz = situation.shaft_hz * (1 - belt_slip_ratio(situation))
        span = make_span(
            self._continuity,
            turning_hz if situation.running else 0.01,
            frames=frames,
            rate_hz=self._policy.rate_hz,
        )
        return Stage(
            machine=self._machine,
            situation=situation,
            span=span,
            rng=self._stream(self._blocks),
            habit=self._stream(0),
            first_impact=self._continuity.impact,
            offset_db=self._policy.loudness_offset_db,
            tone_db=self._policy.tone_offset_db,
            alike=self._policy.race_likeness,
        )

    def _stream(self, block: int) -> np.random.Generator:
        return generator(self._policy.seed, self._name, self._machine.number, "block", block)


def _air(stage: Stage, hall: Sound) -> tuple[Sound, float]:
    air = background(stage, hall)
    following = stage.first_impact
    if stage.situation.running:
        air += healthy_sound(stage)
        fault = fault_sound(stage)
        following = fault.next_impact or following
        if fault.sound is not None:
            air += fault.sound
        if fault.beat is not None:
            air *= fault.beat
    for twin, sound in TWIN_SOUNDS.items():
        if twin in stage.situation.twins:
            air += sound(replace(stage, habit=_habit(stage, twin)))
    return air, following


def _habit(stage: Stage, twin: Twin) -> np.random.Generator:
    """Return the stream of what stays the same while a look-alike lasts: level, pace, pitch."""
    pace = int(stage.span.seconds[0] // _TWIN_PACE_SECONDS)
    lasting = round(stage.situation.variant * 1e9)
    return generator(stage.machine.look, "sound", twin.value, pace, lasting)


def room_gains(microphone: Microphone, frames: int, rate_hz: int) -> NDArray[np.complex128]:
    """Return the room's and the microphone's answer for each bin: echoes, high-pass, tilt."""
    frequencies = np.fft.rfftfreq(frames, 1 / rate_hz)
    answer = np.ones(len(frequencies), np.complex128)
    for delay, strength in microphone.echoes:
        answer += strength * np.exp(-2j * np.pi * frequencies * delay)
    ratio = frequencies / microphone.highpass_hz
    answer *= ratio**2 / np.sqrt(1 + ratio**4)
    shaped: NDArray[np.complex128] = answer * _tilt(microphone.tilt_db, frames, rate_hz)
    return shaped


def _tilt(tilt_db: float, frames: int, rate_hz: int) -> Sound:
    """Return a gain that rises by `tilt_db` from 100 Hz to 8 kHz (6.3 octaves)."""
    if tilt_db == 0:
        return np.ones(1, np.float32)
    frequencies = np.fft.rfftfreq(frames, 1 / rate_hz).astype(np.float32)
    ratio = np.maximum(frequencies / np.float32(900), np.float32(1 / 18))
    return np.asarray(ratio ** np.float32(tilt_db / 6.3 / 20 / np.log10(2)), np.float32)


def _levelled(heard: Sound, target_dbfs: float, last_db: float | None) -> tuple[Samples, float]:
    rms_db = 10 * float(np.log10(np.mean(heard * heard) + 1e-12))
    wanted = target_dbfs - rms_db
    gain_db = wanted if last_db is None else 0.7 * last_db + 0.3 * wanted
    start = gain_db if last_db is None else last_db
    ramp = np.linspace(start, gain_db, len(heard), dtype=np.float32)
    scaled = heard * np.float32(10) ** (ramp / np.float32(20))
    return np.round(np.clip(scaled, -1, 1) * 32767).astype(np.int16), gain_db


def overdriven(samples: Samples) -> Samples:
    """Return what a microphone with its gain far too high gives: peaks cut off at full scale."""
    return np.clip(samples.astype(np.int32) * 24, -32768, 32767).astype(np.int16)


def silence_level_dbfs(samples: Samples) -> float:
    """Return the RMS level of 16-bit samples in dB of full scale."""
    return 20 * float(np.log10(np.sqrt(np.mean((samples / 32768.0) ** 2)) + 1e-9))
