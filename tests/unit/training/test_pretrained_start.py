"""A training begins with the weights that its spec names, and leaves frozen ones as they are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mmindustry.fusion.encoders.adopt import pinned
from mmindustry.fusion.encoders.resnet import resnet
from mmindustry.fusion.presets import PRESETS
from mmindustry.training.dataset import DataSet, write_shard
from mmindustry.training.loop import Attend, fit
from mmindustry.training.policy import TrainingPolicy
from tests.unit.training.tiny import tiny_examples, tiny_spec

ROWS, HELD = np.arange(24), np.arange(24, 36)


def test_a_run_starts_from_pretrained_weights_and_keeps_frozen_ones(tmp_path: Path) -> None:
    torch.manual_seed(3)
    stored = resnet(18, 2).state_dict()
    torch.save(stored, tmp_path / "resnet18.pth")
    spec = pinned(
        replace(
            tiny_spec(),
            encoders={"image": "resnet18"},
            sizes={"resnet18": {"channels": 2}},
            weights={"image.resnet18": f"local:{tmp_path / 'resnet18.pth'}"},
            frozen=("image.resnet18",),
        )
    )
    folder = write_shard(tmp_path / "data", spec, tiny_examples(36), limit=36)
    policy, told = TrainingPolicy(epochs=2, batch=8), list[str]()

    done = fit(
        DataSet(spec, [folder]),
        rows=ROWS,
        validate=HELD,
        policy=policy,
        attend=Attend(tell=told.append),
    )

    for name, values in stored.items():
        assert torch.equal(done.network.get_submodule("image.net").state_dict()[name], values)
    assert "licence: Apache-2.0 (code); standard weights: BSD-3-Clause" in told[0]
    assert done.network.spec.weights == spec.weights


def test_a_preset_without_sound_trains_on_windows_that_hold_it(tmp_path: Path) -> None:
    made = PRESETS["resnet50-bert-concat"]
    small = {"resnet50": {"channels": 2}}
    spec = replace(
        tiny_spec(made.fusion), encoders={"image": "resnet50", "audio": "none"}, sizes=small
    )
    folder = write_shard(tmp_path / "data", spec, tiny_examples(36), limit=36)
    policy = TrainingPolicy(epochs=1, batch=8, fusion=made.fusion)

    done = fit(DataSet(spec, [folder]), rows=ROWS, validate=HELD, policy=policy, attend=Attend())

    assert all(np.isfinite(losses).all() for losses in done.losses)
