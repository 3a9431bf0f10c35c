"""Spectra are read by an oracle of their own: plain envelope analysis with numpy."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mmindustry.domain import Bearing
from mmindustry.simulate.acoustics import ball_pass_orders
from mmindustry.simulate.machine import Machine, draw_fleet
from mmindustry.simulate.microphone import Listener, silence_level_dbfs
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.situation import Situation, Twin

POLICY = SimulatePolicy(seed=11, assets=6)
FLEET = draw_fleet(POLICY)
RATE = POLICY.rate_hz
Spectrum = tuple[NDArray[Any], NDArray[Any]]


def heard(machine: Machine, fault: str, **change: object) -> NDArray[np.float64]:
    situation = Situation(
        fault=fault, severity=0.8, speed_rpm=machine.shaft_rpm, load_ratio=0.7, variant=0.5
    )
    situation = replace(situation, **change)  # type: ignore[arg-type]
    return Listener(machine, POLICY).hear(situation, 6.0) / 32768.0


def spectrum(sound: NDArray[np.float64]) -> Spectrum:
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    return np.fft.rfftfreq(len(sound), 1 / RATE), power


def envelope_spectrum(sound: NDArray[np.float64], low: float, high: float) -> Spectrum:
    bins = np.fft.rfft(sound)
    frequencies = np.fft.rfftfreq(len(sound), 1 / RATE)
    analytic = np.zeros(len(sound), complex)
    analytic[: len(bins)] = 2 * bins * ((frequencies > low) & (frequencies < high))
    envelope = np.abs(np.fft.ifft(analytic)) ** 2
    return spectrum(envelope - envelope.mean())


def prominence(found: Spectrum, line_hz: float, share: float = 0.015) -> float:
    """Return the strongest bin near a line over the median of its surroundings, dB."""
    frequencies, power = found
    near = np.abs(frequencies - line_hz) < max(share * line_hz, 0.4)
    around = np.abs(frequencies - line_hz) < max(0.25 * line_hz, 8)
    return float(10 * np.log10(power[near].max() / np.median(power[around])))


def bearing_lines(machine: Machine, speed_rpm: float) -> dict[str, float]:
    bearing = machine.card.bearings[0]
    ratio = (
        bearing.ball_diameter_mm
        / bearing.pitch_diameter_mm
        * np.cos(np.deg2rad(bearing.contact_angle_degrees))
    )
    half = bearing.balls / 2 * speed_rpm / 60
    return {"bearing_outer": half * (1 - ratio), "bearing_inner": half * (1 + ratio)}


def test_ball_pass_orders_follow_the_textbook() -> None:
    orders = ball_pass_orders(Bearing("6205", 9, 7.94, 39.04))

    assert orders["outer"] * 1800 / 60 == pytest.approx(107.5, abs=0.2)
    assert orders["inner"] * 1191 / 60 == pytest.approx(107.5, abs=0.2)
    assert orders["cage"] == pytest.approx(orders["outer"] / 9)
    assert orders["outer"] + orders["inner"] == pytest.approx(9)


@pytest.mark.parametrize("machine", FLEET, ids=lambda m: m.tag)
@pytest.mark.parametrize("fault", ["bearing_outer", "bearing_inner"])
@pytest.mark.parametrize("ratio", [0.8, 1.1], ids=["slow", "fast"])
def test_impacts_stand_where_geometry_and_speed_say(
    machine: Machine, fault: str, ratio: float
) -> None:
    speed_rpm = ratio * machine.shaft_rpm
    sound = heard(machine, fault, speed_rpm=speed_rpm)
    (centre, _), _ = machine.voice.resonances

    found = envelope_spectrum(sound, centre * 0.8, centre * 1.2)

    lines = bearing_lines(machine, speed_rpm)
    other = next(lines[name] for name in lines if name != fault)
    assert prominence(found, lines[fault]) > 15
    assert prominence(found, lines[fault]) > prominence(found, other) + 4


def test_the_inner_race_swings_with_the_turn() -> None:
    machine = FLEET[0]
    (centre, _), _ = machine.voice.resonances
    shaft_hz = machine.shaft_rpm / 60

    swings = {
        fault: prominence(
            envelope_spectrum(heard(machine, fault, variant=0.9), centre * 0.8, centre * 1.2),
            bearing_lines(machine, machine.shaft_rpm)[fault] - shaft_hz,
        )
        for fault in ("bearing_outer", "bearing_inner")
    }

    assert swings["bearing_inner"] > swings["bearing_outer"] + 3


@pytest.mark.parametrize("machine", FLEET[:3], ids=lambda m: m.tag)
def test_imbalance_beats_once_a_turn(machine: Machine) -> None:
    shaft_hz = machine.shaft_rpm / 60

    sick = prominence(envelope_spectrum(heard(machine, "imbalance"), 500, 7000), shaft_hz)
    well = prominence(envelope_spectrum(heard(machine, "healthy"), 500, 7000), shaft_hz)

    assert sick > 25
    assert sick > well + 10


@pytest.mark.parametrize("machine", FLEET[:3], ids=lambda m: m.tag)
def test_looseness_shows_half_orders(machine: Machine) -> None:
    shaft_hz = machine.shaft_rpm / 60

    found = envelope_spectrum(heard(machine, "looseness"), 500, 7000)

    assert prominence(found, 0.5 * shaft_hz) > 15
    assert prominence(found, 1.5 * shaft_hz) > 10


@pytest.mark.parametrize("machine", FLEET[:3], ids=lambda m: m.tag)
def test_a_hot_motor_hums_at_twice_the_mains_with_sidebands(machine: Machine) -> None:
    mains_hz = machine.card.line_frequency_hz or 0.0
    found = spectrum(heard(machine, "motor_overheating"))

    assert prominence(found, 2 * mains_hz, share=0.002) > 25
    assert prominence(found, 2 * mains_hz + machine.voice.pole_pass_hz, share=0.002) > 15


def test_cavitation_fills_the_band_above_1500_hz() -> None:
    shares = {}
    for fault in ("healthy", "cavitation"):
        frequencies, power = spectrum(heard(FLEET[1], fault))
        shares[fault] = power[frequencies > 1500].sum() / power.sum()

    assert shares["cavitation"] > 1.5 * shares["healthy"]


def test_three_belts_in_four_squeal_when_they_slip() -> None:
    def squeal(variant: float) -> float:
        found = spectrum(heard(FLEET[2], "belt_slip", variant=variant))
        return prominence(found, 900 + 930 * variant, share=0.03)

    assert squeal(0.4) > 25
    assert squeal(0.9) < 25


def test_loudness_tells_nothing_of_the_fault() -> None:
    levels = [
        silence_level_dbfs((heard(FLEET[0], fault) * 32768).astype(np.int16))
        for fault in ("healthy", "bearing_outer", "imbalance", "cavitation", "motor_overheating")
    ]

    assert max(levels) - min(levels) < 0.5


def test_below_its_onset_a_fault_makes_no_sound() -> None:
    quiet = heard(FLEET[0], "bearing_outer", severity=0.29)

    assert np.array_equal(quiet, heard(FLEET[0], "healthy", severity=0.0))


def test_a_dead_microphone_gives_only_a_trace_of_hum() -> None:
    listener = Listener(FLEET[0], POLICY)

    hum = listener.hum(2.0)

    mains_hz = FLEET[0].card.line_frequency_hz or 0.0
    found = spectrum(hum / 32768.0)
    assert silence_level_dbfs(hum) < -50
    assert prominence(found, mains_hz, share=0.01) > 40


def test_blocks_join_without_a_seam() -> None:
    machine = FLEET[0]
    calm = Situation(fault="imbalance", severity=0.9, speed_rpm=1500, load_ratio=0.7)
    listener = Listener(machine, POLICY)

    sound = np.concatenate([listener.hear(calm, 1.0) for _ in range(4)]) / 32768.0

    jumps = np.abs(np.diff(sound))
    seams = [jumps[k * RATE - 1] for k in (1, 2, 3)]
    assert max(seams) < np.percentile(jumps, 99.9) * 2
    assert prominence(envelope_spectrum(sound, 500, 7000), 25.0) > 20


def test_the_same_listener_hears_the_same_sound_again() -> None:
    situation = Situation(
        fault="cavitation", severity=0.7, speed_rpm=1400, load_ratio=0.7, twins=frozenset(Twin)
    )
    first, second = Listener(FLEET[0], POLICY), Listener(FLEET[0], POLICY)

    assert np.array_equal(first.hear(situation, 1.0), second.hear(situation, 1.0))
    again = first.hear(situation, 1.0)
    assert not np.array_equal(again, second.hear(replace(situation, severity=0.9), 1.0))


@pytest.mark.parametrize("twin", [t for t in Twin if t is not Twin.LAMP_TEST], ids=str)
def test_each_look_alike_is_heard_on_a_healthy_machine(twin: Twin) -> None:
    plain = heard(FLEET[0], "healthy")

    assert not np.array_equal(plain, heard(FLEET[0], "healthy", twins=frozenset({twin})))


def test_a_stopped_machine_leaves_only_the_hall() -> None:
    machine = FLEET[0]
    turning = spectrum(heard(machine, "imbalance"))
    stopped = spectrum(heard(machine, "imbalance", running=False))

    shaft_hz = machine.shaft_rpm / 60
    assert prominence(turning, shaft_hz) > 20
    assert prominence(stopped, shaft_hz) < 12
