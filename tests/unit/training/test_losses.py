"""Who teaches whom: what the losses of faults reach, by fusion and by policy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from mmindustry.fusion.network import Network
from mmindustry.training.batches import truth_of
from mmindustry.training.dataset import DataSet
from mmindustry.training.losses import Lesson
from mmindustry.training.policy import TrainingPolicy
from tests.unit.training.test_loop import ROWS
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


def test_not_jointly_a_strong_modality_leaves_a_weak_one_all_there_is_to_learn(
    tiny: DataSet,
) -> None:
    assert apart(tiny, replace(FAULTS_ONLY, joint=False)) < 1e-5
    assert apart(tiny, FAULTS_ONLY) > 0.1


def test_only_a_fusion_without_weights_of_its_own_is_taught_not_jointly() -> None:
    with pytest.raises(ValueError, match="gmu has weights that only the loss of the fused"):
        TrainingPolicy(fusion="gmu", joint=False)
    with pytest.raises(ValueError, match="no loss would teach faults; set joint=true"):
        TrainingPolicy(auxiliary=0.0, joint=False)
    TrainingPolicy(auxiliary=0.0)
