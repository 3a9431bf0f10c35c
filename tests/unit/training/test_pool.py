"""What each modality's word counts beside the others', by presence pattern."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmindustry.errors import BundleError
from mmindustry.fusion.calibration import PATTERNS, log_loss, posterior
from mmindustry.fusion.export import export_onnx
from mmindustry.fusion.network import Network, pool_row
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.fusion.runtime import Raw
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.fusion.torch_runtime import TorchRuntime
from mmindustry.training.dataset import DataSet
from mmindustry.training.pool import LEAST, fit_weights, pooled
from tests.unit.training.test_loop import HELD, QUICK, run
from tests.unit.training.tiny import tiny_spec

PRIOR = np.array([0.5, 0.3, 0.2])


def told(*, copies: int, windows: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Return exact evidence of a signal heard `copies` times over and of one heard once, (windows,
    copies + 1, 3), and the truth."""
    random = np.random.default_rng(4)
    truth = random.choice(3, windows, p=PRIOR)
    signals = random.normal(np.eye(3)[truth][:, None], 1.0, (windows, 2, 3))  # log p up to a sum
    return np.concatenate([signals[:, :1]] * copies + [signals[:, 1:]], axis=1), truth


def test_what_is_told_twice_counts_half_and_what_is_told_once_in_full() -> None:
    said, truth = told(copies=2)
    weights = fit_weights(said, truth, PRIOR)

    assert weights == pytest.approx([0.5, 0.5, 1.0], abs=0.03)
    summed = log_loss(posterior(said.sum(1), PRIOR), truth)
    weighed = log_loss(posterior(np.einsum("m,nmc->nc", weights, said), PRIOR), truth)
    assert weighed < summed - 0.02
    assert fit_weights(*told(copies=1), PRIOR) == pytest.approx([1.0, 1.0], abs=0.03)


def test_few_windows_move_little_and_none_move_nothing() -> None:
    said, truth = told(copies=2)
    few = fit_weights(said[:5], truth[:5], PRIOR)

    assert np.abs(few - 1.0).max() < np.abs(fit_weights(said, truth, PRIOR) - 1.0).max()
    assert fit_weights(said[:0], truth[:0], PRIOR).tolist() == [1.0, 1.0, 1.0]
    assert fit_weights(-said, truth, PRIOR).min() == LEAST  # who says the contrary is not believed


def weighed(data: DataSet, *, seed: int = 3) -> tuple[Network, Network]:
    torch.manual_seed(seed)
    plain = Network(data.spec, PRIOR).eval()
    return plain, pooled(plain, data, rows=HELD, prior=PRIOR)


def answers(network: Network, data: DataSet, present: tuple[bool, ...]) -> Raw:
    return TorchRuntime(network).run(data.showing(present).batch(HELD))


def test_only_where_two_or_more_are_there_does_anything_change(tiny: DataSet) -> None:
    plain, found = weighed(tiny)
    there = tiny.batch(HELD)["present"] > 0

    for name, present in PATTERNS.items():
        rows = there[:, np.array(present)].all(axis=1)
        before, after = (answers(one, tiny, present) for one in (plain, found))
        weights = found.get_buffer("pool")[pool_row(present)].numpy()
        expected = before.modal[rows] * weights[:, None]
        quality = tiny.batch(HELD)["quality"][rows] * np.array(present)
        summed = np.einsum("nm,nmc->nc", quality, after.modal[rows])

        assert after.modal[rows] == pytest.approx(expected, abs=1e-6), name
        assert after.evidence[rows] == pytest.approx(summed, abs=1e-5), name
        assert (weights == 1.0).all() == ("+" not in name), name
        assert np.array_equal(after.hazard, before.hazard), name
        assert np.array_equal(after.product, before.product), name


def test_the_weights_of_each_pattern_are_the_best_for_its_windows(tiny: DataSet) -> None:
    plain, found = weighed(tiny)
    shown = np.array(PATTERNS["image+audio"])
    arrays = tiny.showing(PATTERNS["image+audio"]).batch(HELD)
    said = answers(plain, tiny, PATTERNS["image+audio"]).modal * arrays["quality"][..., None]
    expected = fit_weights(said[:, shown].astype(np.float64), tiny.targets().fault[HELD], PRIOR)

    assert found.get_buffer("pool")[pool_row(shown), :2].numpy() == pytest.approx(expected)


def test_exported_it_answers_the_same_in_every_pattern(tiny: DataSet) -> None:
    _, found = weighed(tiny)
    served = OnnxRuntime(export_onnx(found))

    for present in [*PATTERNS.values(), (False, False, False)]:
        arrays = tiny.showing(present).batch(HELD)
        one, other = TorchRuntime(found).run(arrays), served.run(arrays)
        assert other.evidence == pytest.approx(one.evidence, abs=1e-4)
        assert other.modal == pytest.approx(one.modal, abs=1e-4)
        assert one.evidence.any() == any(present)


def test_a_run_of_own_losses_is_pooled_and_a_joint_one_is_not(tiny: DataSet) -> None:
    own, jointly = (run(tiny, replace(QUICK, joint=joint)).network for joint in (False, True))

    assert own.spec.pooled
    assert not (own.get_buffer("pool") == 1.0).all()
    assert not jointly.spec.pooled
    again = replace(tiny.spec, pooled=True)
    tiny.spec, was = again, tiny.spec
    try:
        assert not run(tiny, QUICK).network.spec.pooled
    finally:
        tiny.spec = was


def test_what_the_caller_hides_is_not_looked_at(tiny: DataSet) -> None:
    _, found = weighed(tiny.showing((True, True, False)))
    pool = found.get_buffer("pool")

    assert (pool[[pool_row(p) for p in PATTERNS.values() if p[2]]] == 1.0).all()
    assert not (pool[pool_row(PATTERNS["image+audio"]), :2] == 1.0).all()


def test_a_modality_without_an_encoder_has_no_weight(tiny: DataSet) -> None:
    view = tiny.showing((True, True, False))
    view.spec = replace(tiny.spec, encoders={**tiny.spec.encoders, "text": "none"})
    _, found = weighed(view)
    pool = found.get_buffer("pool")

    assert (pool[[pool_row(p) for p in PATTERNS.values() if p[2]]] == 1.0).all()
    assert not (pool[pool_row(PATTERNS["image+audio"]), :2] == 1.0).all()


def test_only_a_sum_can_be_weighed() -> None:
    with pytest.raises(ValueError, match="pooled needs fusion late; gmu sums no evidence"):
        replace(tiny_spec("gmu"), pooled=True)
    document = {**tiny_spec("gmu").to_json(), "pooled": True}
    with pytest.raises(BundleError, match="pooled needs fusion late"):
        NetworkSpec.from_json(document)
    older = tiny_spec().to_json()
    del older["pooled"]
    assert not NetworkSpec.from_json(older).pooled
