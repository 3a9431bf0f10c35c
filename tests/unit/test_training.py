"""Training: grouped splits, data sets that give back what went in, a loop that repeats itself."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmindustry.domain import Features
from mmindustry.errors import InputError
from mmindustry.features.spec import Recipe
from mmindustry.fusion.calibration import PATTERNS
from mmindustry.fusion.network import Network
from mmindustry.fusion.novelty import densities, distances
from mmindustry.fusion.runtime import Raw
from mmindustry.fusion.spec import INPUTS
from mmindustry.fusion.torch_runtime import TorchRuntime
from mmindustry.training.augment import Augment
from mmindustry.training.bank import core_set
from mmindustry.training.baseline import baseline_frame
from mmindustry.training.batches import batches
from mmindustry.training.dataset import DataSet, Label, Targets, write_shard
from mmindustry.training.evaluate import Views, alarm_figures, calibrate, figures, view
from mmindustry.training.examples import Order, orders, shard_name, simulated_examples
from mmindustry.training.loop import train
from mmindustry.training.losses import class_prior
from mmindustry.training.policy import TrainingPolicy
from mmindustry.training.scores import chance_f1, class_f1, concordance, macro_f1
from mmindustry.training.serving import choose_thresholds, product_shift, serving_prior
from mmindustry.training.simulated import SimulatedRun, train_simulated
from mmindustry.training.split import split_by_group
from tests.noise import FAULTS, PRODUCTS, noise_features, noise_spec


def spoken(seed: int, fault: int, *, told_by: str = "audio") -> Features:
    """Return noise in which one modality tells the fault and nothing else does."""
    item = noise_features(seed)
    arrays = {name: array.copy() for name, array in item.arrays.items()}
    arrays["quality"][:] = 1.0
    if told_by == "audio":
        arrays["audio_orders"][:] = 0.0
        arrays["audio_orders"][:, fault] = 3.0
    else:
        arrays["text_ids"][:] = 10 + fault
    return replace(item, arrays=arrays)


def labelled(count: int, told_by: str = "audio") -> Iterator[tuple[Features, Label]]:
    for seed in range(count):
        fault = seed % len(FAULTS)
        yield (
            spoken(seed, fault, told_by=told_by),
            Label(
                fault=FAULTS[fault],
                product=PRODUCTS[seed % 3] if seed % 4 else None,
                hours=1000.0 if fault == 0 else 4.0 * fault,
                failed=fault != 0,
                group=f"m{seed % 6}",
                severity=0.0 if fault == 0 else 0.9,
                gauges={"bar": 1.5} if seed % 2 else {},
            ),
        )


def blank_views(truth: np.ndarray, evidence: np.ndarray) -> Views:
    """Return views that hold nothing but the truth: faulty windows are severe."""
    count = len(truth)
    nothing = np.zeros((count, 1), np.float32)
    targets = Targets(
        fault=truth,
        product=np.full(count, -1),
        hours=np.full(count, np.nan),
        failed=np.zeros(count, np.float32),
        severity=np.where(truth > 0, 0.9, 0.0),
        group=np.full(count, "m"),
        gauges=nothing[:, :0],
        begin=np.full(count, np.nan),
    )
    return Views(
        natural=Raw(evidence.astype(np.float32), nothing, nothing, nothing, nothing),
        seen=np.ones((count, 3), np.bool_),
        evidence={},
        shuffled={},
        truth=targets,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    root = tmp_path_factory.mktemp("set")
    examples = list(labelled(96))
    folders = [
        write_shard(root / str(part), noise_spec(), examples[part::2], limit=60) for part in (0, 1)
    ]
    return DataSet(noise_spec(), folders)


def test_a_data_set_gives_back_what_was_written(data: DataSet) -> None:
    examples = list(labelled(96))
    ordered = examples[0::2] + examples[1::2]
    rows = np.array([50, 3, 95, 0])

    found = data.batch(rows)

    assert len(data) == 96
    assert data.labels == [label for _, label in ordered]
    for name in INPUTS:
        expected = np.stack([ordered[row][0].arrays[name] for row in rows])
        coarse = name in ("image_frames", "image_regions", "audio_logmel", "image_delta")
        np.testing.assert_allclose(found[name], expected, atol=2e-3 if coarse else 0)
        assert found[name].dtype == expected.dtype


def test_targets_speak_in_indices_and_unknown_classes_are_refused(data: DataSet) -> None:
    targets = data.targets()

    assert targets.fault[:3].tolist() == [0, 2, 0]
    assert targets.product[0] == -1
    stranger = replace(data.labels[0], fault="gremlins")
    with pytest.raises(InputError, match="gremlins"):
        data.relabelled([stranger]).targets()


def test_the_hash_follows_content(data: DataSet, tmp_path: Path) -> None:
    again = write_shard(tmp_path / "a", noise_spec(), labelled(4), limit=4)
    same = DataSet(noise_spec(), [again]).data_hash()
    rows = json.loads((again / "labels.json").read_text("utf-8"))
    rows[0]["fault"] = "seal_leak"
    (again / "labels.json").write_text(json.dumps(rows), "utf-8")

    assert DataSet(noise_spec(), [again]).data_hash() != same
    assert len(data.data_hash()) == 64


def test_a_folder_that_is_no_data_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a data set"):
        DataSet(noise_spec(), [tmp_path])
    write_shard(tmp_path / "none", noise_spec(), iter(()), limit=3)
    with pytest.raises(InputError, match="no labelled window"):
        DataSet(noise_spec(), [tmp_path / "none"])


@given(st.integers(3, 40), st.integers(0, 1000), st.floats(0.05, 0.3), st.floats(0.05, 0.3))
def test_no_group_stands_on_two_sides(groups: int, seed: int, validate: float, test: float) -> None:
    names = np.array([f"g{i % groups}" for i in range(groups * 5)])

    split = split_by_group(names, validate=validate, test=test, seed=seed)

    sides = [set(names[rows]) for rows in (split.train, split.validate, split.test)]
    assert all(sides)
    assert sum(len(side) for side in sides) == groups
    assert sorted(np.concatenate([split.train, split.validate, split.test])) == list(
        range(len(names))
    )


def test_two_groups_can_not_be_split() -> None:
    with pytest.raises(InputError, match="need 3"):
        split_by_group(np.array(["a", "b"]), validate=0.1, test=0.1, seed=0)


def test_training_learns_what_is_told_and_repeats_itself(data: DataSet) -> None:
    torch.set_num_threads(1)
    rows, held = np.arange(72), np.arange(72, 96)
    policy = TrainingPolicy(epochs=6, batch=12, averaging=0.8, learning_rate=5e-3)
    told: list[str] = []

    first = train(data, rows=rows, validate=held, policy=policy, tell=told.append)
    second = train(data, rows=rows, validate=held, policy=policy, tell=told.append)

    assert first.losses == second.losses
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(tensor, second.network.state_dict()[name]), name
    views = view(TorchRuntime(first.network), data, held, seed=0)
    found = figures(views, data.spec, calibrate(views, first.prior), first.prior)
    assert found["macro_f1"]["audio"] > 0.9
    assert found["macro_f1"]["fused"] > 0.9
    assert found["macro_f1"]["text"] < 0.6
    assert found["macro_f1"]["chance"] < 0.6
    assert found["best_single"] == "audio"
    assert set(found["ece"]) == set(PATTERNS)
    assert len(told) == len(first.losses) * 2


def test_training_stops_when_held_out_windows_get_worse(data: DataSet) -> None:
    false = data.relabelled([data.labels[(at * 7) % 96] for at in range(96)])
    policy = TrainingPolicy(epochs=12, patience=1, batch=12, averaging=0.0)

    trained = train(
        false, rows=np.arange(48), validate=np.arange(48, 96), policy=policy, tell=lambda _: None
    )

    assert len(trained.losses) < 12


def test_hiding_never_leaves_a_window_with_nothing() -> None:
    items = [noise_features(seed) for seed in range(64)]
    batch = {n: torch.from_numpy(np.stack([i.arrays[n] for i in items])) for n in INPUTS}
    before = {name: tensor.clone() for name, tensor in batch.items()}

    changed = Augment(modality_dropout=0.9)(batch, torch.Generator().manual_seed(3))

    assert (changed["present"].sum(1) >= 1).all()
    assert (changed["present"] <= batch["present"]).all()
    for name in ("audio_mask", "image_mask", "text_mask"):
        assert ((changed[name].sum(1) > 0) == (batch[name].sum(1) > 0)).all()
    assert all(torch.equal(batch[name], tensor) for name, tensor in before.items())
    again = Augment(modality_dropout=0.9)(batch, torch.Generator().manual_seed(3))
    assert all(torch.equal(changed[name], again[name]) for name in INPUTS)


def test_a_batch_of_one_joins_the_one_before() -> None:
    assert [len(part) for part in batches(np.arange(9), 4)] == [4, 5]
    assert [len(part) for part in batches(np.arange(8), 4)] == [4, 4]
    assert [len(part) for part in batches(np.arange(1), 4)] == [1]


def test_no_class_is_impossible() -> None:
    prior = class_prior(np.array([0, 0, 1]), 3)

    assert prior.sum() == pytest.approx(1.0)
    assert prior.tolist() == pytest.approx([0.5, 2 / 6, 1 / 6])


def test_f1_is_that_of_the_textbook() -> None:
    predicted, truth = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])

    scores = class_f1(predicted, truth, 4)

    assert scores[:3] == pytest.approx([0.5, 0.8, 0.0])
    assert np.isnan(scores[3])
    assert macro_f1(predicted, truth, 4) == pytest.approx(1.3 / 3)


def test_chance_is_far_below_a_right_answer() -> None:
    truth = np.repeat(np.arange(5), 40)

    assert macro_f1(truth, truth, 5) == 1.0
    assert chance_f1(truth, truth, 5, seed=0) == pytest.approx(0.2, abs=0.03)


def test_concordance_leaves_out_pairs_that_censoring_hides() -> None:
    hours = np.array([1.0, 2.0, 3.0, 4.0])
    failed = np.array([True, False, True, True])

    assert concordance(hours, hours, failed) == 1.0
    assert concordance(-hours, hours, failed) == 0.0
    assert np.isnan(concordance(hours, hours, np.zeros(4, bool)))


def test_the_baseline_forgets_what_was_there_once() -> None:
    items = []
    for seed in range(5):
        item = noise_features(seed)
        frames = np.full_like(item.arrays["image_frames"], 0.25)
        frames[..., :40, :] = 0.9 if seed == 0 else 0.25
        mask = np.ones(5, np.float32)
        items.append(
            replace(item, arrays={**item.arrays, "image_frames": frames, "image_mask": mask})
        )

    frame = baseline_frame(items)

    assert frame is not None
    assert frame.shape == (96, 96)
    assert frame == pytest.approx(0.25, abs=1e-6)
    assert baseline_frame([]) is None


def test_a_bank_is_thinned_to_spread_out_references_without_the_strangest() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(300, 4)).astype(np.float32)
    points[7] = 50.0

    whole, thin = core_set(points), core_set(points, 20)

    assert len(whole) == 294
    assert len(thin) == 20
    assert whole.max() < 40
    gaps = distances(thin, thin) + np.eye(20) * 99
    assert gaps.min() > np.median(densities(whole, 1))


def test_thresholds_rise_above_what_healthy_windows_reach() -> None:
    spec = noise_spec()
    evidence = np.zeros((400, 4))
    views = blank_views(np.zeros(400, np.int64), evidence)
    served = np.full((400, 4), 0.1)
    served[:10, 1] = 0.8
    served[:10, 2] = 0.97

    found = choose_thresholds(views, spec, served)

    assert found["bearing_outer"]["on"] == pytest.approx(0.8)
    assert found["belt_slip"]["on"] == 0.9
    assert found["seal_leak"] == {"on": 0.6, "off": 0.4}
    assert "healthy" not in found


def test_alarm_figures_count_windows_over_their_own_threshold() -> None:
    truth = np.array([0, 0, 0, 0, 1, 1, 2, 3])
    likely = np.full((8, 4), 0.05)
    likely[0, 3] = likely[4, 1] = likely[5, 2] = 0.9
    views = blank_views(truth, np.zeros((8, 4)))
    thresholds = {name: {"on": 0.6, "off": 0.4} for name in FAULTS[1:]}

    found = alarm_figures(views, noise_spec(), likely, thresholds)

    assert found == {"healthy_over": 0.25, "severe_over": 0.25, "severe_other_over": 0.25}


def test_priors_of_serving_are_shares_and_shifts() -> None:
    spec = noise_spec()

    assert serving_prior(spec, 0.7).tolist() == pytest.approx([0.7, 0.1, 0.1, 0.1])
    shift = product_shift(spec, np.array([-1, 0, 0, 0, 1, 2, 2]), good=0.8)
    assert shift["good"] == pytest.approx(np.log(0.8 / (4 / 9)))
    assert shift["scratch"] == pytest.approx(np.log(0.1 / (2 / 9)))


def test_a_run_too_small_to_be_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too few"):
        SimulatedRun(windows=100, machines=10)
    with pytest.raises(InputError, match="between 0 and 1"):
        SimulatedRun(healthy_prior=1.0)
    with pytest.raises(InputError, match="exists already"):
        train_simulated(SimulatedRun(out=tmp_path), print)


def test_windows_of_another_recipe_stand_in_another_folder() -> None:
    order, usual = Order(seed=5, visits=24, length_seconds=4.0), Recipe()

    names = [shard_name(order, recipe, ()) for recipe in (usual, replace(usual, words=8))]

    assert names[0] == "machine-5-24-4s"
    assert names[1].startswith("machine-5-24-4s-")


def test_simulated_machines_give_features_and_labels_by_the_production_code() -> None:
    order = Order(seed=5, visits=24, length_seconds=4.0)

    first = list(simulated_examples(order, noise_spec().recipe))
    again = list(simulated_examples(order, noise_spec().recipe))

    assert 20 <= len(first) <= 24
    assert {label.group for _, label in first} == {"5"}
    assert any(features.arrays["image_delta"].any() for features, _ in first)
    assert any(label.gauges for _, label in first)
    assert [label for _, label in first] == [label for _, label in again]
    for (left, _), (right, _) in zip(first, again, strict=True):
        assert all(np.array_equal(left.arrays[n], right.arrays[n]) for n in INPUTS)


def test_every_machine_of_a_run_is_of_its_own_make() -> None:
    wanted = orders(100, noise_spec().recipe, machines=10, seed=3)

    assert len({order.seed for order in wanted}) == 10
    assert sum(order.visits for order in wanted) == 100
    assert {order.length_seconds for order in wanted} == {4.0, 10.0}


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch": 1}, {"clip": 0.0}, {"warm_up": 1.0}, {"hazard": -1.0}]
)
def test_a_policy_no_run_can_follow_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        TrainingPolicy(**wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_the_prior_of_another_plant_moves_the_answer_and_not_the_evidence() -> None:
    torch.manual_seed(1)
    network = Network(noise_spec(), [0.25] * 4).eval()
    item = noise_features(1)
    arrays = {name: item.arrays[name][None] for name in INPUTS}

    balanced = TorchRuntime(network).run(arrays)
    network.get_buffer("log_prior").copy_(torch.log(torch.tensor([0.7, 0.1, 0.1, 0.1])))
    shifted = TorchRuntime(network).run(arrays)

    spread = balanced.evidence - shifted.evidence
    assert spread == pytest.approx(spread[0, 0], abs=1e-5)
