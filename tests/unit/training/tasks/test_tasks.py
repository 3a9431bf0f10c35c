"""Sound and text classified by themselves: grouped, calibrated, saved and loaded."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from mmindustry.errors import InputError
from mmindustry.training.real.intervals import ratio_interval
from mmindustry.training.scores import wilson
from mmindustry.training.tasks.logistic import fit_logistic
from mmindustry.training.tasks.sound import SoundTask, read_recording
from mmindustry.training.tasks.table import Table, fit_task
from mmindustry.training.tasks.text import TextTask

LINES = {
    "leak": ("oil leak at hose", "hydraulic hose leaking", "found oil on floor", "seal leaks"),
    "noise": ("gearbox noisy", "grinding noise from motor", "squeal at start", "bearing rumbles"),
    "heat": ("motor hot", "overheating trip", "temperature high on bearing", "smoke from panel"),
}


def _texts() -> tuple[list[str], list[str], list[str]]:
    told = [
        (f"{line} {k}", label, f"asset {k % 6}")
        for label, lines in LINES.items()
        for k in range(12)
        for line in (lines[k % 4], lines[(k + 1) % 4])
    ]
    lines, labels, groups = zip(*told, strict=True)
    return list(lines), list(labels), list(groups)


def test_lines_are_classified_and_the_task_comes_back_from_its_file(tmp_path: Path) -> None:
    task, found = TextTask.fit(*_texts())
    task.save(tmp_path / "task.json")

    back = TextTask.load(tmp_path / "task.json")

    told = task.predict("hose leaking oil")
    assert max(told, key=lambda name: told[name]) == "leak"
    assert sum(told.values()) == pytest.approx(1.0)
    assert back.predict("hose leaking oil") == pytest.approx(told)
    assert found["macro_f1"] > 0.8 > found["control_majority_macro_f1"]
    assert found["macro_f1_interval"][0] <= found["macro_f1"] <= found["macro_f1_interval"][1]


def test_recordings_are_classified_and_the_task_comes_back(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    recordings = {}
    for k in range(6):
        time = np.arange(4 * 16_000) / 16_000
        tone = np.sin(2 * np.pi * (400 if k % 2 else 3_000) * time)
        path = tmp_path / f"{k}.wav"
        soundfile.write(path, 0.1 * tone + 0.01 * random.standard_normal(time.size), 16_000)
        recordings[path] = "low" if k % 2 else "high"

    task, found = SoundTask.fit(recordings)
    task.save(tmp_path / "task.json")
    told = SoundTask.load(tmp_path / "task.json").predict(tmp_path / "1.wav")

    assert max(told, key=lambda name: told[name]) == "low"
    assert found["macro_f1"] == 1.0
    assert found["groups"] == 6


def test_a_rare_class_is_not_drowned() -> None:
    random = np.random.default_rng(1)
    rows = np.concatenate([random.normal(0.0, 1.0, (300, 2)), random.normal(2.5, 1.0, (10, 2))])
    labels = ["common"] * 300 + ["rare"] * 10

    model = fit_logistic(rows, labels, penalty=0.01)

    rare = np.exp(model.log_probabilities(rows[300:]))[:, model.classes.index("rare")]
    assert (rare > 0.5).mean() >= 0.8


def test_groups_are_never_on_both_sides() -> None:
    random = np.random.default_rng(2)
    groups = np.repeat([f"g{k}" for k in range(10)], 8)
    rows = np.repeat(random.normal(size=(10, 5)), 8, axis=0)  # a group's rows are all the same
    labels = np.repeat(random.permutation(["a", "b"] * 5), 8)

    _, found = fit_task(Table(rows, labels, groups), penalty=0.1)

    assert found["accuracy"] < 0.9  # what is told by the group alone can not be learned


def test_what_can_not_be_learned_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs two classes"):
        fit_logistic(np.zeros((3, 1)), ["a"] * 3)
    with pytest.raises(InputError, match="one label and one group"):
        Table(np.zeros((2, 1)), np.array(["a"]), np.array(["g", "g"]))
    (tmp_path / "broken.wav").write_bytes(b"RIFFnothing")
    with pytest.raises(InputError, match="no sound can be read"):
        read_recording(tmp_path / "broken.wav", 16_000)
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(InputError, match="holds no text_task"):
        TextTask.load(tmp_path / "x.json")


def test_intervals_are_those_of_the_books() -> None:
    assert wilson(15, 20) == pytest.approx((0.531, 0.888), abs=1e-3)
    low, high = ratio_interval(np.array([1.0, 0.0] * 50), np.ones(100))
    assert (low, high) == pytest.approx((0.40, 0.60), abs=0.03)
