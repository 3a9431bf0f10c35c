"""The bench in small: what keeps its figures honest, in a form that every change can afford."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmindustry.errors import InputError
from mmindustry.fusion.network import Network
from mmindustry.simulate.difficulty import Difficulty, hard, small
from mmindustry.simulate.faults import CLASSES
from mmindustry.simulate.situation import Twin
from mmindustry.training.bench.arena import Arena, bench_spec, machine_orders, open_arena
from mmindustry.training.bench.cell import CellKey, run_cell
from mmindustry.training.bench.fusion import FusionBench
from mmindustry.training.bench.gates import Gate, leak_gate, oracle_gate, trivial_gate, void
from mmindustry.training.bench.hearing import additive, listen
from mmindustry.training.bench.likelihood import Shaft, over_stories, over_twin
from mmindustry.training.bench.oracle import Judged, oracle_judges
from mmindustry.training.bench.realism import realism_gate
from mmindustry.training.bench.table import rows_of, table_text
from mmindustry.training.scores import macro_f1

Score = Callable[[np.ndarray], float]


def _quiet(message: str) -> None:
    del message


@pytest.fixture(scope="module")
def judged() -> Judged:
    card = hard()
    seeds = [order.seed for order in machine_orders(card)[card.learned :]]
    return oracle_judges(card.policy, [(seed, 20) for seed in seeds[20:40]])


@pytest.fixture(scope="module")
def score(judged: Judged) -> Score:
    return lambda chosen: macro_f1(chosen, judged.truth, len(CLASSES))


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Arena:
    return open_arena(small(), tmp_path_factory.mktemp("bench"), _quiet)


def test_gate_7_experts_who_see_what_is_there_tell_nearly_all(judged: Judged, score: Score) -> None:
    assert score(judged.together) >= 0.95


def test_gate_2_no_expert_does_the_work_alone(judged: Judged, score: Score) -> None:
    best = max(score(chosen) for chosen in judged.alone.values())

    assert best <= 0.75 * score(judged.together)


def test_gate_3_fusing_pays_and_a_sum_of_opinions_is_not_enough(
    judged: Judged, score: Score
) -> None:
    together = score(judged.together)

    assert together - max(score(chosen) for chosen in judged.alone.values()) >= 0.15
    assert together - score(judged.summed) >= 0.05


def test_gate_4_labels_dealt_at_random_are_chance_to_the_oracle_too(judged: Judged) -> None:
    dealt = np.random.default_rng(1).permutation(judged.truth)

    assert macro_f1(judged.together, dealt, len(CLASSES)) < 0.2


def test_gate_6_no_machine_frame_or_sound_stands_on_both_sides(arena: Arena) -> None:
    gate = leak_gate(arena)

    assert gate.passed, gate.figures


def test_gate_6_finds_a_window_that_stands_on_both_sides(arena: Arena) -> None:
    leaked = replace(arena, unseen=np.append(arena.unseen, arena.learned[:4]))

    assert leak_gate(leaked).passed is False


def test_gate_1_what_is_loud_bright_or_long_tells_no_fault(arena: Arena) -> None:
    gate = trivial_gate(arena)

    assert gate.figures["macro_f1"] <= gate.figures["chance"] + 0.10, gate.figures  # of 48 windows


def test_sides_share_no_machine_and_lose_no_window(arena: Arena) -> None:
    group = arena.data.targets().group
    learned, inside, unseen = (set(group[r]) for r in (arena.learned, arena.inside, arena.unseen))

    assert learned == inside
    assert not learned & unseen
    assert len(arena.learned) + len(arena.inside) + len(arena.unseen) == len(arena.data)


def test_windows_are_drawn_by_whole_episodes(arena: Arena) -> None:
    rows = arena.draw(32, 1)

    assert len(rows) == 32
    assert len(np.unique(arena.episode[rows])) == 8
    assert set(rows) <= set(arena.learned)


def test_few_machines_keep_later_episodes_back(arena: Arena) -> None:
    group = arena.data.targets().group
    met: set[str] = set()
    for turn in range(2):
        learn, later = arena.few_machines(4, turn)

        assert set(group[learn]) == set(group[later])
        assert len(set(group[learn])) == 4
        assert not set(arena.episode[learn]) & set(arena.episode[later])
        assert not met & set(group[learn])
        met |= set(group[learn])


def test_windows_that_stand_are_not_rendered_again(arena: Arena) -> None:
    folder = next(path for path in arena.data.folders if path.name.startswith("windows-"))
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}

    again = open_arena(small(), folder.parent, _quiet)

    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert np.array_equal(again.unseen, arena.unseen)


def test_an_additive_network_is_its_own_additive_copy(arena: Arena) -> None:
    torch.manual_seed(0)
    spec = replace(bench_spec("late"), steering=False)
    network = Network(spec, np.full(len(CLASSES), 1 / len(CLASSES)))
    arrays = arena.data.batch(arena.unseen)
    whole = arena.unseen[(arrays["present"].min(axis=1) > 0) & (arrays["quality"].min(axis=1) > 0)]
    said = listen(network, arena.data, whole[:16])
    even = {**said.arrays, "quality": torch.ones_like(said.arrays["quality"])}
    said = replace(said, arrays=even)

    apart = additive(said, draws=3, seed=1)

    own = said.evidence()
    np.testing.assert_allclose(apart - apart.mean(axis=0), own - own.mean(axis=0), atol=1e-4)


def test_encoding_once_answers_as_the_network_does(arena: Arena) -> None:
    torch.manual_seed(0)
    network = Network(bench_spec("concat"), np.full(len(CLASSES), 1 / len(CLASSES))).eval()
    rows = arena.unseen[:8]

    said = listen(network, arena.data, rows)

    batch = {name: torch.from_numpy(array) for name, array in arena.data.batch(rows).items()}
    with torch.inference_mode():
        whole = network(batch).evidence.numpy()
    np.testing.assert_allclose(said.evidence(), whole, atol=1e-5)


def test_a_cell_that_stands_is_read_and_not_trained_again(arena: Arena, tmp_path: Path) -> None:
    key = CellKey(fusion="late", windows=500, seed=0)
    (tmp_path / "late-500-0.json").write_text('{"figures": {"fused": 0.5}}')

    assert run_cell(arena, key, tmp_path, _quiet) == {"figures": {"fused": 0.5}}


def test_cells_come_with_few_windows_first() -> None:
    keys = FusionBench(work=Path(), only=("late", "concat"), sizes=(4000, 500), seeds=2).keys()

    assert [key.name for key in keys[:3]] == ["late-500-0", "concat-500-0", "late-500-1"]
    assert len(keys) == 8


def test_an_unknown_fusion_is_refused() -> None:
    with pytest.raises(InputError, match="magic"):
        FusionBench(work=Path(), only=("magic",)).keys()


def test_a_figure_whose_gates_fail_is_printed_as_void() -> None:
    cell = {
        **dict.fromkeys(("fused", "best_single", "gain", "shuffled", "inside"), 0.5),
        "synergy": {"gap": 0.1},
        "ece": {"image+audio+text": 0.04},
        "single": dict.fromkeys(("image", "audio", "text"), 0.3),
        "train_cpu_seconds": 40.0,
    }
    rows = rows_of({("late", 500): [cell, {**cell, "fused": 0.7}]})
    failed = Gate(3, "fusing pays", passed=False, figures={})

    assert "0.600 ± 0.141" in table_text(rows, void=False)
    assert "void (0.600 ± 0.141)" in table_text(rows, void=void([failed]))
    assert not void([replace(failed, passed=None), replace(failed, passed=True)])


def test_a_shaft_that_nobody_knows_may_turn_at_any_usual_speed() -> None:
    known, unknown = Shaft(20.0, 20.0), Shaft(10.0, 25.0)

    assert known.density(20.0) > 10 * unknown.density(20.0)
    assert known.density(15.0) < unknown.density(15.0)
    assert unknown.density(15.0) > 1000 * unknown.density(40.0)


def test_stories_and_look_alikes_have_axes_of_their_own() -> None:
    stories = over_stories(np.zeros(3))
    twin = over_twin(Twin.KNOCKING, 0.0, 1.0)

    assert (stories + twin).shape[0] == 3
    assert (stories + twin).sum() == 3.0


def test_the_oracle_gate_counts_its_windows(arena: Arena) -> None:
    card: Difficulty = arena.card

    gate = oracle_gate(arena, machines=2)

    assert gate.number == 7
    assert gate.figures["windows"] == 2 * card.unseen_episodes * 4


def test_gate_8_is_not_tried_without_real_data() -> None:
    assert realism_gate(small(), None).passed is None


def test_gate_8_compares_lines_with_those_of_the_folder(tmp_path: Path) -> None:
    pairs = "\n".join(f"{word}\t{word}" for word in ("repl", "brg", "on", "pmp", "<id>"))
    (tmp_path / "text" / "maintnorm").mkdir(parents=True)
    (tmp_path / "text" / "maintnorm" / "any.norm").write_text("\n\n".join([pairs] * 40))

    gate = realism_gate(small(), tmp_path)

    assert gate.figures["tokens"]["real"] == 5.0
    assert gate.figures["numbers"]["real"] == 0.2
    assert gate.passed is not None
