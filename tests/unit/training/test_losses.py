"""Who teaches whom: what the losses of faults reach, by fusion and by policy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from mmindustry.fusion.network import Network
from mmindustry.training.batches import truth_of
from mmindustry.training.dataset import DataSet
from mmindustry.training.loop import Attend, _Run
from mmindustry.training.losses import Lesson
from mmindustry.training.policy import TrainingPolicy
from tests.unit.training.test_loop import HELD, QUICK, ROWS
from tests.unit.training.tiny import tiny_spec

FAULTS_ONLY = TrainingPolicy(hazard=0.0, product=0.0, gauges=0.0, speed=0.0, aligning=0.0)


def image_gradients(data: DataSet, policy: TrainingPolicy, *, sure: float) -> dict[str, Tensor]:
    """Return the gradients of the image encoder where the sound is so sure of the truth."""
    torch.manual_seed(5)
    network = Network(tiny_spec(policy.fusion), [0.5, 0.3, 0.2]).eval()
    truth = truth_of(data.targets().take(ROWS[:12]), np.arange(7.0))
    head = network.faults[1]
    told = sure * torch.nn.functional.one_hot(truth.fault, 3)
    head.register_forward_hook(lambda _module, _given, said: said * 0.0 + told)
    lesson = Lesson(network, policy, None)
    arrays = {n: torch.from_numpy(a) for n, a in data.batch(ROWS[:12]).items()}
    loss, _ = lesson(arrays, truth, truth.counts())
    loss.backward()
    found = {n: p.grad for n, p in network.image.named_parameters() if p.grad is not None}
    return {name: gradient.clone() for name, gradient in found.items()}


def apart(data: DataSet, policy: TrainingPolicy) -> float:
    """Return by how much the sound's sureness changes what the pictures learn, as a share."""
    alone, starved = (image_gradients(data, policy, sure=sure) for sure in (0.0, 8.0))
    assert any(gradient.any() for gradient in alone.values())
    change = sum(float((starved[n] - g).square().sum()) for n, g in alone.items())
    return float((change / sum(float(g.square().sum()) for g in alone.values())) ** 0.5)


def test_in_late_fusion_a_strong_modality_leaves_a_weak_one_all_there_is_to_learn(
    tiny: DataSet,
) -> None:
    assert apart(tiny, FAULTS_ONLY) < 1e-5
    assert apart(tiny, replace(FAULTS_ONLY, joint=True)) > 0.1


def test_every_other_fusion_is_taught_by_its_own_answer() -> None:
    assert not TrainingPolicy().is_joint
    assert TrainingPolicy(fusion="gmu").is_joint
    with pytest.raises(ValueError, match="gmu has weights that only the loss of the fused"):
        TrainingPolicy(fusion="gmu", joint=False)
    with pytest.raises(ValueError, match="no loss would teach faults"):
        TrainingPolicy(auxiliary=0.0)
    TrainingPolicy(auxiliary=0.0, joint=True)


def test_an_epoch_is_judged_by_what_it_tells_apart_and_not_by_how_sure_it_is(
    tiny: DataSet,
) -> None:
    fault = torch.from_numpy(tiny.targets().fault[HELD])
    noise = torch.randn(len(HELD), 3, generator=torch.Generator().manual_seed(3))
    told = torch.nn.functional.one_hot(fault, 3) + noise

    def judged(*, tempered: bool, sureness: float) -> float:
        policy = replace(QUICK, tempered=tempered)
        begun = _Run(tiny, policy, Attend(), rows=ROWS, validate=HELD)
        network = Network(tiny_spec(), begun.prior)
        network.fusion.register_forward_hook(
            lambda _m, _given, said: said._replace(evidence=told * sureness)
        )
        return begun._loss_of(network)  # noqa: SLF001 - how an epoch is judged

    assert judged(tempered=True, sureness=4.0) == pytest.approx(
        judged(tempered=True, sureness=1.0), abs=1e-3
    )
    assert judged(tempered=False, sureness=4.0) > judged(tempered=False, sureness=1.0) + 0.05
    assert judged(tempered=True, sureness=1.0) <= judged(tempered=False, sureness=1.0) + 1e-6
