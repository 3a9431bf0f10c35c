"""One process of a team that trains the tiny set; started by torchrun, or alone."""

import os
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from mmindustry.training.dataset import DataSet
from mmindustry.training.device import joined, team_of
from mmindustry.training.loop import Attend, fit
from mmindustry.training.policy import AugmentPolicy, TrainingPolicy
from tests.unit.training.test_loop import HELD, ROWS
from tests.unit.training.tiny import tiny_spec

STILL = AugmentPolicy(
    shift_pixels=0, light=0, gain=0, tilt=0, masked_bands=0, masked_moments=0,
    token_dropout=0, foreign=0, item_dropout=0, operating_dropout=0,
)  # fmt: skip


def policy(batch: int) -> TrainingPolicy:
    """Return settings under which nothing is drawn: two halves of a batch are the whole."""
    return TrainingPolicy(
        epochs=2, batch=batch, averaging=0.9, norm_epochs=0, dropout=0.0, modality_dropout=0.0,
        aligning=0.0, optimizer="sgd", learning_rate=0.02, augment=STILL, soup=1,
    )  # fmt: skip


def main(shard: str, out: str, batch: str) -> None:
    torch.set_num_threads(1)
    data = DataSet(tiny_spec(), [Path(shard)])
    team = team_of(os.environ)
    with joined(team, torch.device("cpu")):
        trained = fit(
            data,
            rows=ROWS,
            validate=HELD,
            policy=policy(int(batch)),
            attend=Attend(team=team, checkpoint=Path(out) / "kept"),
        )
    save_file(trained.network.state_dict(), Path(out) / f"rank-{team.rank}.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
