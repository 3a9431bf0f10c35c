"""A gate that can't fail keeps nothing honest: each is shown a leak, and must find it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import override

from mmindustry.simulate.difficulty import small
from mmindustry.training.bench.arena import Arena
from mmindustry.training.bench.gates import trivial_gate
from mmindustry.training.bench.growth import exponent, real_growth, simulated_growth
from mmindustry.training.bench.realism import Pair, sound_figures
from mmindustry.training.dataset import DataSet, Label
from mmindustry.training.dealt import Dealt, deal, dealt_labels
from mmindustry.training.loop import Attend
from mmindustry.training.policy import TrainingPolicy
from mmindustry.training.provenance import made_of
from mmindustry.training.scores import mean_interval
from tests.unit.training.tiny import FAULTS, START, tiny_data, tiny_spec

COUNT = 360
Rows = NDArray[np.int64]


class _Telling(DataSet):
    """Windows in which an input says the label that they have at the moment."""

    @override
    def batch(self, rows: Rows) -> dict[str, NDArray[Any]]:
        found = super().batch(rows)
        for at, row in enumerate(rows):
            found["audio_orders"][at] = 4.0 * FAULTS.index(self.labels[row].fault)
        return found


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Arena:
    """Six machines, four of them learned from; two thirds of their windows, the rest is later."""
    data = tiny_data(tmp_path_factory.mktemp("gates") / "set", COUNT)
    rows = np.arange(COUNT)
    number, early = rows % 6, rows < COUNT * 2 // 3
    known = number < 4
    return Arena(small(), data, rows[known & early], rows[known & ~early], rows[~known], rows // 4)


def _labelled(arena: Arena, fault_of: Callable[[int], int]) -> Arena:
    """Return the arena with other faults, and hours of the day apart from them."""
    labels = [
        replace(label, fault=FAULTS[fault_of(row)], begin=START.timestamp() + 3600.0 * (row % 23))
        for row, label in enumerate(arena.data.labels)
    ]
    return replace(arena, data=arena.data.relabelled(labels))


def _at_random(row: int) -> int:
    return int(np.random.default_rng([row, 9]).integers(3))


def _policy() -> TrainingPolicy:
    return TrainingPolicy(epochs=20, patience=20, averaging=0.9, device="cpu", learning_rate=0.01)


def _dealt(arena: Arena, policy: TrainingPolicy | None = None) -> Dealt:
    sides = arena.data, arena.learned, arena.unseen
    return dealt_labels(*sides, policy=policy or _policy(), attend=Attend())


def test_gate_1_holds_where_nothing_tells_the_label(arena: Arena) -> None:
    gate = trivial_gate(_labelled(arena, _at_random))

    assert gate.passed, gate.figures


@pytest.mark.parametrize(
    ("leak", "figure"),
    [
        (lambda row: row % 23 // 8, "macro_f1"),
        (lambda row: row // 6 // 5 % 3, "macro_f1"),
        (lambda row: row % 6 % 3, "standing_alone"),
    ],
    ids=["the hour of the day", "the place among a machine's windows", "which machine it is"],
)
def test_gate_1_finds_a_label_told_by(
    arena: Arena, leak: Callable[[int], int], figure: str
) -> None:
    gate = trivial_gate(_labelled(arena, leak))

    assert gate.passed is False
    assert gate.figures[figure] > 0.9 or figure == "macro_f1"
    assert max(gate.figures["macro_f1"], gate.figures["standing_alone"]) > 0.6


def test_dealt_labels_come_evenly_and_leave_what_is_not_of_the_fault(arena: Arena) -> None:
    dealt = deal(arena.data)

    fault = dealt.targets().fault
    assert np.bincount(fault).tolist() == [COUNT // 3] * 3
    assert not np.array_equal(fault, arena.data.targets().fault)

    def own(label: Label) -> tuple[object, ...]:
        return label.group, label.begin, label.product, label.gauges

    assert list(map(own, dealt.labels)) == list(map(own, arena.data.labels))


def test_gate_4_holds_where_labels_are_learned_by_heart_and_tell_nothing(arena: Arena) -> None:
    dealt = _dealt(arena)

    assert dealt.learned.above, dealt.figures()
    assert dealt.unseen.answered == 3
    assert not dealt.unseen.above, dealt.figures()
    assert dealt.passed


def test_gate_4_finds_an_input_that_carries_the_dealt_label(arena: Arena) -> None:
    telling = _Telling(tiny_spec(), arena.data.folders)

    dealt = _dealt(replace(arena, data=telling))

    assert dealt.unseen.above, dealt.figures()
    assert not dealt.passed


def test_gate_4_finds_windows_that_stand_on_both_sides(arena: Arena) -> None:
    leaked = replace(arena, unseen=np.append(arena.unseen[:40], arena.learned))

    dealt = _dealt(leaked)

    assert not dealt.passed, dealt.figures()


def test_gate_4_is_not_held_by_a_network_that_learned_nothing(arena: Arena) -> None:
    dealt = _dealt(arena, replace(_policy(), epochs=1, learning_rate=1e-6))

    assert not dealt.learned.above
    assert not dealt.passed


def test_the_mean_of_few_turns_may_not_be_told_from_nothing() -> None:
    turns = [-0.0263171, 0.0835463, -0.00559549, 0.0214687, -0.0369161]

    error, (low, high) = mean_interval(turns)

    assert error == pytest.approx(0.0215, abs=1e-4)
    assert low < 0 < high
    assert np.isnan(mean_interval([0.1])[0])


@pytest.mark.parametrize(
    ("simulated", "alike"), [(0.9, False), (1.1, True), (2.0, True), (3.9, True), (4.1, False)]
)
def test_gate_8_fails_by_too_little_as_by_too_much(simulated: float, *, alike: bool) -> None:
    assert Pair("any", simulated, 2.0, 2.0).alike is alike


def test_gate_8_holds_nothing_against_what_is_only_told() -> None:
    assert Pair("any", 9.0, 1.0, None).alike is None
    assert Pair("any", 0.0, 1.0, 2.0).alike is False


def _pulses(width: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    sound = rng.normal(0, 0.01, 8 * 16_384)
    drift = np.cumsum(rng.normal(0, width, 8 * 16_384 // 160)).astype(int)
    for at in np.arange(0, len(sound) - 200, 160) + drift[: len(sound) // 160 - 1]:
        if 0 <= at < len(sound) - 60:
            sound[at : at + 60] += np.sin(np.arange(60)) * np.exp(-np.arange(60) / 12)
    return sound.astype(np.float32)


def test_noise_is_neither_peaked_nor_lined_and_smeared_pulses_make_broad_lines() -> None:
    noise = np.random.default_rng(2).normal(0, 0.1, 8 * 16_384).astype(np.float32)

    quiet, sharp, smeared = (sound_figures([one]) for one in (noise, _pulses(0), _pulses(4)))

    assert abs(quiet["kurtosis"]) < 0.1
    assert sharp["kurtosis"] > 3.0
    assert sharp["line_height"] > 2 * quiet["line_height"]
    assert sharp["broad_lines"] == 0.0 < smeared["broad_lines"]


def test_growth_is_read_from_when_damage_is_first_seen() -> None:
    def grown(power: float, before: int) -> float:
        return exponent([0.0] * before + list(np.linspace(0.0, 3.0, 400) ** power))

    assert grown(1.0, 50) == pytest.approx(1.0, rel=0.15)
    assert grown(0.5, 50) < 0.7 < 1.2 * grown(1.0, 50) < grown(2.0, 50)
    assert grown(2.0, 50) == grown(2.0, 500)


def test_a_table_names_the_commits_and_the_cost_of_its_cells(tmp_path: Path) -> None:
    for name, commit, cost in (("a", "c1", 10.0), ("b", "c2", 5.0), ("c", "c1", 2.5)):
        told = {"commit": commit, "figures": {"train_cpu_seconds": cost}}
        (tmp_path / f"{name}.json").write_text(json.dumps(told))
    whole = made_of(tmp_path.glob("*.json"))
    (tmp_path / "fold.json").write_text('{"macro_f1": 0.5}')

    assert whole["commits"] == {"c1": 2, "c2": 1}
    assert (whole["cells"], whole["train_cpu_seconds"]) == (3, 17.5)
    assert made_of(tmp_path.glob("*.json"))["cells_without_seconds"] == 1


def test_a_folder_without_worn_surfaces_tells_no_growth(tmp_path: Path) -> None:
    assert real_growth(tmp_path) is None
    assert np.isnan(exponent([0.0, 0.0]))
    assert simulated_growth(small())["leak"] > 0.5
