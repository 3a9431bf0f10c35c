"""Does a training give the same network, to the bit, on another kind of processor?

    python -m tests.benchmarks.processors [--cpu EPYC-Rome] [--cpu Haswell ...]

The default network and a heat map learn for a few steps by the kernels that `mmindustry train`
pins, once by this machine's processor and once by each that QEMU stands in for (`qemu-x86_64`, of
Debian's package qemu-user): another maker's name, other instructions and caches, and estimates of
1 / x and 1 / sqrt(x) that are no maker's. Exits with 1 where a network differs. Minutes for each.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from mmindustry.fusion.weights import arrays_of, pack
from mmindustry.training.heatmap import HeatmapPlan, Masked, fit_heatmap
from mmindustry.training.loop import train
from mmindustry.training.policy import TrainingPolicy
from mmindustry.training.repeatable import KERNELS
from tests.benchmarks.training import noise_data

_CPUS = ("EPYC-Rome", "Haswell")
_TRAINED, _HELD = 24, 8


def learned() -> str:
    """Train a little; return the SHA-256 of the weights."""
    torch.set_num_threads(1)
    rows = np.arange(_TRAINED + _HELD)
    pictures = np.random.default_rng(1).integers(0, 255, (8, 64, 64, 3), np.uint8)
    masks = pictures[..., 0] > 200
    known = Masked(pictures, masks, np.arange(8).astype(str), np.full(8, "spot"))
    with tempfile.TemporaryDirectory() as folder:
        trained = train(
            noise_data(Path(folder) / "set", len(rows)),
            rows=rows[:_TRAINED],
            validate=rows[_TRAINED:],
            policy=TrainingPolicy(epochs=2, batch=8, device="cpu"),
            tell=lambda _: None,
        )
        heat = fit_heatmap(known, HeatmapPlan(epochs=2, batch=4), lambda _: None)
    digest = hashlib.sha256(pack(arrays_of(trained.network)))
    digest.update(pack(arrays_of(heat)))
    return digest.hexdigest()


def said_by(*before: str) -> str:
    """Return what a process of its own learned, started through the words `before`."""
    command = [*before, sys.executable, "-m", "tests.benchmarks.processors", "--learn"]
    pinned = {**os.environ, **KERNELS}
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=pinned)
    return said.stdout.strip()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cpu", action="append", help=f"of `qemu-x86_64 -cpu help`; {_CPUS}")
    options.add_argument("--learn", action="store_true", help="train here and print the SHA-256")
    asked = options.parse_args()
    if asked.learn:
        print(learned())
        return
    qemu = shutil.which("qemu-x86_64")
    if qemu is None:
        sys.exit("qemu-x86_64 is not here: install Debian's package qemu-user")
    here = said_by()
    print(f"this_processor: {here[:16]}")
    told = {cpu: said_by(qemu, "-cpu", cpu) for cpu in asked.cpu or _CPUS}
    for cpu, there in told.items():
        print(f"{cpu}: {there[:16]} {'the same' if there == here else 'ANOTHER'}")
    sys.exit(any(there != here for there in told.values()))


if __name__ == "__main__":
    main()
