"""What is made smaller answers as before or is refused, and what was refused is not written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typing_extensions import override

from mmindustry.errors import InputError
from mmindustry.fusion.bundle import Bundle, read_bundle
from mmindustry.fusion.calibration import Calibration
from mmindustry.fusion.ensemble import make_network
from mmindustry.fusion.network import POOL, Network
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.fusion.runtime import Arrays, Raw, Runtime
from mmindustry.fusion.torch_runtime import TorchRuntime
from mmindustry.fusion.weights import arrays_of, fill, pack, unpack
from mmindustry.training.batches import open_batches
from mmindustry.training.compress.gate import Gate, Subject
from mmindustry.training.compress.int8 import SCOPES, quantised
from mmindustry.training.compress.prune import LAYERS, channels_left, pruned
from mmindustry.training.compress.run import KINDS, Order, compress
from mmindustry.training.compress.taught import TAUGHT_SHARE, TEMPERATURE, TaughtLesson
from mmindustry.training.dataset import DataSet, write_shard
from mmindustry.training.learned_from import refuse_other_windows, training_prior
from mmindustry.training.loop import train_on
from mmindustry.training.losses import Lesson
from mmindustry.training.policy import TrainingPolicy
from mmindustry.training.pool import LEAST
from mmindustry.training.split import Split
from tests.noise import FAULTS, noise_bundle, noise_features, noise_spec
from tests.unit.test_training import labelled


class Told(Runtime):
    """Answers what each window's sound says, times `sure`; `drift` a window of the batch."""

    name = "told"

    def __init__(self, sure: float, drift: float = 0.0) -> None:
        self._sure, self._drift = sure, drift

    @override
    def run(self, arrays: Arrays) -> Raw:
        told = arrays["audio_orders"][:, 0, :4].astype(np.float32) * self._sure
        count = len(told)
        blank = np.zeros((count, 1), np.float32)
        return Raw(told + self._drift * count * np.eye(4, dtype=np.float32)[0], *[blank] * 4)


class Seeing(Told):
    """Tells faults as `Told`, and the product of each window that it knows."""

    def __init__(self, known: dict[bytes, int]) -> None:
        super().__init__(1.0)
        self._known = known

    @override
    def run(self, arrays: Arrays) -> Raw:
        shown = [self._known[one.tobytes()] for one in arrays["image_frames"]]
        return super().run(arrays)._replace(product=np.eye(3, dtype=np.float32)[shown])


def noise_arrays() -> dict[str, np.ndarray]:
    items = [noise_features(seed) for seed in range(5)]
    return {n: np.stack([i.arrays[n] for i in items]) for n in noise_spec().inputs}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    folder = tmp_path_factory.mktemp("windows") / "a"
    examples = sorted(labelled(96), key=lambda one: one[1].group)
    return DataSet(noise_spec(), [write_shard(folder, noise_spec(), examples, limit=96)])


@pytest.fixture(scope="module")
def gate(data: DataSet) -> Gate:
    split = Split(np.arange(32), np.arange(32, 64), np.arange(64, 96))
    even = np.full(4, 0.25)
    return Gate(data=data, split=split, prior=even, serving=even)


def subject(runtime: Runtime) -> Subject:
    return Subject(runtime=runtime, calibration=Calibration.neutral())


def test_a_network_that_answers_as_its_parent_passes_the_gate(gate: Gate) -> None:
    found = gate.judge(subject(Told(1.0)), subject(Told(1.0)))

    assert found["passed"]
    assert found["reasons"] == []
    assert found["macro_f1_lost"] == found["ece_added"] == found["alarm_recall_lost"] == 0
    assert found["variant"]["macro_f1"] == 1.0
    assert found["variant"]["alarm_recall"] == 1.0


@pytest.mark.parametrize(
    ("worse", "reason"),
    [
        (Told(-1.0), "macro-F1 falls by"),
        (Told(0.2), "ECE grows by"),
        (Told(-1.0), "no longer caught"),
        (Told(1.0, drift=0.05), "move by"),
    ],
)
def test_each_loss_is_refused_by_name(gate: Gate, worse: Runtime, reason: str) -> None:
    found = gate.judge(subject(Told(1.0)), subject(worse))

    assert not found["passed"]
    assert any(reason in told for told in found["reasons"])


def test_products_that_are_no_longer_told_apart_are_a_loss(gate: Gate, data: DataSet) -> None:
    rows = np.arange(96)
    shown = data.batch(rows)["image_frames"]
    truth = np.maximum(data.targets().product, 0)
    told = {one.tobytes(): int(truth[at]) for at, one in enumerate(shown)}
    blind = dict.fromkeys(told, 0)

    same = gate.judge(subject(Seeing(told)), subject(Seeing(told)))
    worse = gate.judge(subject(Seeing(told)), subject(Seeing(blind)))

    assert same["passed"]
    assert same["variant"]["product_macro_f1"] == 1.0
    assert [reason.partition(" falls")[0] for reason in worse["reasons"]] == ["products' macro-F1"]
    assert worse["product_macro_f1_lost"] > 0.5


def test_channels_that_say_nothing_can_go_and_nothing_changes() -> None:
    bundle = read_bundle(noise_bundle())
    weights = unpack(bundle.weights, "weights")
    dead = {name: array.copy() for name, array in weights.items()}
    for layer in LAYERS.values():
        made = len(dead[layer.filter])
        count = made - channels_left(made, 0.3)
        for part in ("weight", "bias"):
            dead[f"{layer.norm}.{part}"][:count] = 0.0
    # the spread of a dead channel is the root of 1e-6, not 0: what hears it is silenced too
    dead["audio.tone.0.weight"].reshape(64, 3, 64, 4)[:, 2, : 64 - channels_left(64, 0.3)] = 0.0

    spec, left = pruned(noise_spec(), dead, 0.3)

    whole, small = Network(noise_spec(), [0.25] * 4), Network(spec, [0.25] * 4)
    fill(whole, dead)
    fill(small, left)
    torch.manual_seed(0)
    arrays = noise_arrays()
    before, after = (TorchRuntime(network).run(arrays) for network in (whole, small))
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new, old, atol=2e-4)
    counts = [sum(p.numel() for p in network.parameters()) for network in (small, whole)]
    assert counts[0] < counts[1]
    assert spec.sizes["tiny"]["tone_4"] == 48
    assert type(spec).from_json(spec.to_json()) == spec
    assert pruned(noise_spec(), weights, 0.0)[1].keys() == weights.keys()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.9])
def test_channels_stay_in_whole_blocks_and_never_all_go(share: float) -> None:
    left = {count: channels_left(count, share) for count in (12, 16, 24, 64)}

    for count, stay in left.items():
        assert 8 <= stay <= count
        assert stay % 8 == 0 or stay == count
        assert abs(stay - (1 - share) * count) <= 8


def several() -> Bundle:
    """Return a bundle of two networks as one."""
    bundle = read_bundle(noise_bundle())
    spec = replace(noise_spec(), members=2)
    manifest = replace(bundle.manifest, spec=spec)
    network = make_network(spec, [0.1, 0.2, 0.3, 0.4])
    return replace(bundle, manifest=manifest, weights=pack(arrays_of(network)))


def test_several_networks_as_one_are_not_pruned_but_their_prior_is_known() -> None:
    bundle = several()

    assert training_prior(bundle).tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    with pytest.raises(InputError, match="distil it to one first"):
        pruned(bundle.manifest.spec, unpack(bundle.weights, "weights"), 0.3)


def test_other_encoders_than_the_tiny_ones_are_not_pruned() -> None:
    weights = unpack(read_bundle(noise_bundle()).weights, "weights")
    other = replace(noise_spec(), encoders={"image": "resnet18"})

    with pytest.raises(InputError, match="image encoder is resnet18"):
        pruned(other, weights, 0.3)


@pytest.mark.parametrize("scope", SCOPES)
def test_eight_bits_say_nearly_the_same_at_every_batch_size(scope: str) -> None:
    model = read_bundle(noise_bundle()).model
    arrays = noise_arrays()

    small = quantised(model, [arrays], scope)

    whole, part = OnnxRuntime(model).run(arrays), OnnxRuntime(small).run(arrays)
    alone = [
        OnnxRuntime(small).run({name: array[at : at + 1] for name, array in arrays.items()})
        for at in range(5)
    ]
    assert np.abs(part.evidence - whole.evidence).max() < 0.5
    assert np.abs(part.evidence - whole.evidence).max() > 0
    together = np.concatenate([one.evidence for one in alone])
    np.testing.assert_allclose(together, part.evidence, atol=1e-4)
    assert len(small) < len(model)


def test_a_student_that_says_what_its_teacher_says_is_taught_nothing(data: DataSet) -> None:
    policy = TrainingPolicy(smoothing=0.0)
    teacher, student = Network(noise_spec(), [0.25] * 4).eval(), Network(noise_spec(), [0.25] * 4)
    student.load_state_dict(teacher.state_dict())
    batch = open_batches(data, np.arange(8), policy, torch.device("cpu")).load(np.arange(8))
    arrays, truth = batch

    _, taught = TaughtLesson(student.eval(), policy, [teacher])(arrays, truth, truth.counts())
    _, usual = Lesson(student.eval(), policy, None)(arrays, truth, truth.counts())

    assert float(taught[0]) == pytest.approx((1 - TAUGHT_SHARE) * float(usual[0]), rel=1e-4)
    assert torch.equal(taught[1:], usual[1:])
    assert TEMPERATURE == 2.0


def test_a_pruned_network_learns_on(data: DataSet) -> None:
    rows, validate, told = np.arange(64), np.arange(64, 96), list[str]()
    spec, left = pruned(noise_spec(), unpack(read_bundle(noise_bundle()).weights, "weights"), 0.3)
    policy = TrainingPolicy(epochs=4)
    network = Network(spec, [0.25] * 4)
    fill(network, left)

    learned = train_on(
        Lesson(network, policy, None), data, rows=rows, validate=validate, tell=told.append
    )

    assert learned.network.spec == spec
    assert not learned.network.training
    arrays = arrays_of(learned.network)
    assert all(np.isfinite(array).all() for array in arrays.values())
    assert [line.partition(":")[0] for line in told] == [f"epoch {n}/4" for n in range(1, 5)]
    assert learned.losses[-1][0] < learned.losses[0][0]
    begun = {name: array for name, array in left.items() if name.endswith("weight")}
    apart = [np.abs(arrays[n] - a).mean() / (np.abs(a).mean() + 1e-6) for n, a in begun.items()]
    assert 0 < np.median(apart) < 0.5, "it goes on from what was left, not from a new draw"


def test_a_pooled_network_is_taught_as_it_was_and_pooled_anew(
    data: DataSet, tmp_path: Path
) -> None:
    plain = read_bundle(noise_bundle())
    quiet = np.full((8, 3), LEAST, np.float32)
    weights = {**unpack(plain.weights, "weights"), POOL: quiet}
    manifest = replace(plain.manifest, spec=replace(plain.manifest.spec, pooled=True))
    bundle = replace(plain, manifest=manifest, weights=pack(weights))
    order = Order(bundle=bundle, kind="pruned", out=tmp_path / "x", epochs=1, train_windows=32)
    split = Split(np.arange(64), np.arange(64, 96), np.arange(64, 96))

    found = next(KINDS["pruned"](order, data, split, lambda _: None))
    pool = unpack(found.weights, "weights")[POOL]

    assert found.spec.pooled
    assert pool.shape == quiet.shape
    assert (pool > LEAST).all()


@pytest.mark.parametrize(
    "kind",
    [
        "int8",
        pytest.param("pruned", marks=pytest.mark.soak),
        pytest.param("distilled", marks=pytest.mark.soak),
    ],
)
def test_a_bundle_is_written_exactly_where_the_gate_was_passed(
    kind: str, data: DataSet, tmp_path: Path
) -> None:
    bundle = read_bundle(noise_bundle())
    order = Order(
        bundle=bundle,
        kind=kind,
        out=tmp_path / "small",
        epochs=1,
        train_windows=32,
        normal_windows=8,
        command="compress",
        teachers=(several(),) if kind == "distilled" else (),
    )

    found = compress(order, data, lambda _: None)

    assert found["passed"] == (tmp_path / "small").exists()
    assert found["passed"] == any(row["passed"] for row in found["tried"].values())
    for row in found["tried"].values():
        assert row["passed"] == (not row["reasons"])
        assert set(row["cost"]["variant_over_parent"]) == {"batch_1", "batch_32"}
    if found["passed"]:
        small = read_bundle(tmp_path / "small")
        assert small.manifest.parent == bundle.id
        assert small.manifest.metrics["compression"]["kind"] == kind
        assert "## Compressed" in small.card


def test_orders_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    bundle = read_bundle(noise_bundle())

    with pytest.raises(InputError, match="known are int8, pruned, distilled"):
        Order(bundle=bundle, kind="zip", out=tmp_path / "x")
    with pytest.raises(InputError, match="exists already"):
        Order(bundle=bundle, kind="int8", out=tmp_path)
    with pytest.raises(InputError, match="at least 1 epoch"):
        Order(bundle=bundle, kind="pruned", out=tmp_path / "x", epochs=0)


def test_too_few_healthy_windows_give_no_ranges(data: DataSet, tmp_path: Path) -> None:
    order = Order(bundle=read_bundle(noise_bundle()), kind="int8", out=tmp_path / "x")
    few = data.relabelled([replace(one, fault=FAULTS[1]) for one in data.labels])

    with pytest.raises(InputError, match=r"8 healthy windows at least, among those .* are 0"):
        compress(order, few, lambda _: None)


def test_windows_the_bundle_was_not_trained_on_are_refused(data: DataSet) -> None:
    loaded = read_bundle(noise_bundle())
    own = replace(loaded, manifest=replace(loaded.manifest, data_hash=data.data_hash()))

    refuse_other_windows(own, data)
    with pytest.raises(InputError, match="held-out machines can't be told"):
        refuse_other_windows(loaded, data)
