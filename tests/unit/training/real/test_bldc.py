"""Motors by sound: what is left out, what is scored, and what is refused."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from typer.testing import CliRunner

from mmindustry.cli.evaluate import app
from mmindustry.cli.result_rows import motors
from mmindustry.errors import InputError
from mmindustry.features.spec import Recipe
from mmindustry.features.spectra import Basis
from mmindustry.training.real.bldc import evaluate_bldc, question
from mmindustry.training.real.judged import Judged, auroc, rates
from mmindustry.training.real.motors import Heard, Recording, find_recordings, hear
from mmindustry.training.tasks.sound import sound_features
from tests.promises import missing

RATE = 16_000


def _sound(state: str, motor: str, speed: int, seconds: float = 6.0) -> NDArray[np.float32]:
    """Return noise; a faulty propeller beats in it, each motor has its own gain."""
    random = np.random.default_rng(speed + 10_000 * (ord(motor[-1]) % 7))
    time = np.arange(int(seconds * RATE)) / RATE
    noise = random.standard_normal(time.size)
    beat = 1.0 + 0.95 * np.sin(2 * np.pi * (speed / 300) * time) if state == "Propeller" else 1.0
    gain = 0.01 * (1 + ord(motor[-1]) % 7)
    return np.asarray(gain * noise * beat, np.float32)


def _recorded(root: Path, told: list[tuple[str, str, int]], rate: int = RATE) -> Path:
    folder = root / "audio" / "bldc"
    folder.mkdir(parents=True)
    for k, (state, motor, speed) in enumerate(told):
        suffix = "wav" if k % 2 else "flac"
        sound = _sound(state, motor, speed)
        soundfile.write(folder / f"{state}_{motor}_{speed}.{suffix}", sound, rate)
    return root


ONE_HOME = [
    *((state, "M1", speed) for state in ("Healthy", "Propeller") for speed in (1400, 1500, 1600)),
    *(("Healthy", "M3", speed) for speed in (1450, 1550)),
    ("Bearing", "M4", 1400),
]


def test_a_fault_is_scored_where_a_motor_has_both_states_and_others_are_told(
    tmp_path: Path,
) -> None:
    found = evaluate_bldc(_recorded(tmp_path, ONE_HOME), lambda _: None)

    own = found["faults"]["Propeller"]["ours"]
    assert list(found["faults"]) == ["Propeller"]
    assert own["speeds_left_out"]["recall"]["value"] == 1.0
    assert own["unseen_healthy_motors"]["specificity"]["value"] == 1.0
    assert list(own["unseen_healthy_motors"]["motors"]) == ["M3"]
    assert "motors_left_out" not in own
    confounded = found["faults"]["Propeller"]["confounded"]["Bearing"]
    assert confounded["note"] == "confounded, not scored"


def test_motors_with_both_states_are_left_out_one_by_one(tmp_path: Path) -> None:
    told = [
        (state, motor, speed)
        for state in ("Healthy", "Propeller")
        for motor in ("M1", "M2")
        for speed in (1400, 1500, 1600)
    ]

    own = evaluate_bldc(_recorded(tmp_path, told), lambda _: None)["faults"]["Propeller"]["ours"]

    assert own["motors_left_out"]["recall"]["recordings"] == 6
    assert own["motors_left_out"]["auroc"] == 1.0
    assert "unseen_healthy_motors" not in own


def test_a_motor_recorded_in_one_state_only_can_not_be_scored(tmp_path: Path) -> None:
    folder = _recorded(tmp_path, [("Healthy", "M1", 1400), ("Bearing", "M4", 1400)])

    with pytest.raises(InputError, match="both healthy and with a fault"):
        evaluate_bldc(folder, lambda _: None)


def test_a_folder_without_recordings_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        find_recordings(tmp_path, lambda _: None)
    (tmp_path / "audio" / "bldc").mkdir(parents=True)
    with pytest.raises(InputError, match="no file named"):
        find_recordings(tmp_path, lambda _: None)


def test_another_sampling_rate_is_brought_to_ours(tmp_path: Path) -> None:
    heard = hear(find_recordings(_recorded(tmp_path, ONE_HOME[:2], rate=2 * RATE), lambda _: None))

    assert len(heard.of) == 2  # 6 s of samples told to be 3 s: one window each


def test_gain_changes_nothing_that_is_learned_from() -> None:
    recipe = Recipe()
    basis = Basis.make(recipe)
    sound = _sound("Propeller", "M1", 1400)

    quiet, loud = (sound_features(gain * sound, recipe, basis) for gain in (0.5, 4.0))

    assert np.allclose(quiet, loud, atol=1e-3)


def test_rates_are_those_counted_by_hand() -> None:
    recordings = tuple(
        Recording(state, "M1", speed, Path(state + speed))
        for state, speed in (("healthy", "1"), ("P", "1"), ("P", "2"))
    )
    of = np.array([0, 0, 1, 1, 2, 2])
    heard = Heard(recordings, np.zeros((6, 1)), np.zeros(6), of)
    asked = question(heard, "P", heard.features)
    score = np.array([-1.0, 2.0, 3.0, 0.5, -2.0, 1.5])

    found = rates(asked, Judged(score, np.ones(6), np.arange(6)))

    assert found["specificity"]["value"] == 0.5
    assert found["recall"]["value"] == 0.5
    assert found["recall"]["recordings_right"]["value"] == 0.5
    assert found["specificity"]["recordings_right"]["value"] == 1.0
    assert found["auroc"] == 0.5  # 4 of 8 pairs in order
    assert auroc(np.array([1.0]), np.array([1.0])) == 0.5


def test_the_command_prints_and_keeps_its_figures(tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    folder = str(_recorded(tmp_path, ONE_HOME))

    told = CliRunner().invoke(app, ["bldc", "--data", folder, "--json", str(out)])

    assert told.exit_code == 0, told.output
    assert "ours unseen_healthy_motors specificity: 1.000" in told.stdout
    assert "control_loudness speeds_left_out recall: " in told.stdout
    assert out.is_file()


@pytest.mark.data
def test_real_motors_reach_the_goals_at_one_rule_for_the_threshold() -> None:
    root = os.environ.get("MMINDUSTRY_DATA")
    if not root:
        missing("data", "set MMINDUSTRY_DATA to the folder of the real data")

    own = evaluate_bldc(Path(root), lambda _: None)["faults"]["Propeller"]["ours"]

    assert own["unseen_healthy_motors"]["specificity"]["value"] >= 0.95
    assert own["speeds_left_out"]["recall"]["value"] >= 0.95


def test_names_are_read_whatever_their_case_and_what_is_left_out_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "audio" / "bldc"
    folder.mkdir(parents=True)
    for name in (
        *("Healthy-M3-2000.flac", "HEALTHY_m3_1800.wav", "Propeller_M1_1400.flac"),
        *("propeller_M1_1500.flac", "noise.flac", "licence.txt", "Worn-out_M1_7.flac"),
    ):
        (folder / name).touch()
    told: list[str] = []

    found = find_recordings(tmp_path, told.append)

    assert {(one.state, one.motor) for one in found} == {
        *(("healthy", "M3"), ("Propeller", "M1"), ("Worn-out", "M1")),
    }
    assert len(found) == 5
    assert told == [
        "left out, no <state>_<motor>_<speed code>.flac or .wav: 2 (licence.txt, noise.flac)"
    ]


def test_the_table_of_motors_gives_intervals_by_recording() -> None:
    rate = {
        "value": 1.0,
        "recordings": 6,
        "interval_by_recording": [1.0, 1.0],
        "wilson_windows": [0.862, 1.0],
        "recordings_right": {"value": 1.0, "wilson": [0.61, 1.0]},
    }
    way = {
        "speeds_left_out": {"recall": rate},
        "unseen_healthy_motors": {"specificity": rate},
        "one_threshold": {"auroc": 1.0},
    }
    told = dict.fromkeys(("ours", "control_loudness", "control_speed"), way)

    row = next(motors({"faults": {"Propeller": told}}))

    assert row[1] == "1.000 (1.000 to 1.000); of 6 recordings 1.000 (0.610 to 1.000)"


def test_a_fault_that_no_speed_can_be_left_out_of_says_why_it_has_no_figures(
    tmp_path: Path,
) -> None:
    told: list[str] = []
    alone = [("Healthy", "M1", 1400), ("Propeller", "M1", 1400)]

    found = evaluate_bldc(_recorded(tmp_path, alone), told.append)

    assert found["faults"]["Propeller"]["ours"] == {}
    assert any("Propeller: no figures; two speeds of a motor" in line for line in told)
