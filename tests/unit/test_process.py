"""A process that trains keeps the memory it will need again."""

import subprocess
import sys

import pytest

_FAULTS = """
import resource, sys
from mmindustry.training.process import settle_process
import torch
if sys.argv[1] == "settled" and not settle_process():
    raise SystemExit("no mallopt here")
def step() -> None:
    torch.ones(24 << 20).mul_(2.0)  # 96 MiB
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", _FAULTS, mode], check=False, capture_output=True, text=True
    )
    if "no mallopt" in done.stderr:
        pytest.skip("this C library has no mallopt")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_memory_of_one_step_serves_the_next() -> None:
    assert faults("settled") * 10 < faults("as it comes")
