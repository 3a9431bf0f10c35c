"""Two processes under a real torchrun train what one would with a batch of twice the size."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mmindustry.errors import ConfigError
from mmindustry.training.checkpoint import FILE
from mmindustry.training.dataset import DataSet
from mmindustry.training.device import Team, team_of
from mmindustry.training.loop import Attend, fit
from tests.unit.training.team import policy
from tests.unit.training.test_loop import HELD, ROWS


def test_two_processes_are_one_with_the_doubled_batch(tiny: DataSet, tmp_path: Path) -> None:
    alone = fit(tiny, rows=ROWS, validate=HELD, policy=policy(12), attend=Attend())

    found = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--standalone", "-m", "tests.unit.training.team"),
            *(str(tiny.folders[0]), str(tmp_path), "6"),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"},
    )

    assert found.returncode == 0, found.stderr
    first, second = (load_file(tmp_path / f"rank-{rank}.safetensors") for rank in (0, 1))
    for name, tensor in alone.network.state_dict().items():
        torch.testing.assert_close(first[name], tensor, atol=2e-5, rtol=1e-3, msg=name)
        assert torch.equal(first[name], second[name]), name
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [FILE]


def test_a_team_is_what_torchrun_tells() -> None:
    assert team_of({}) == Team(0, 1, 0)
    assert team_of({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}) == Team(3, 4, 1)
    with pytest.raises(ConfigError, match="must be numbers"):
        team_of({"RANK": "first"})
