"""CPU-seconds of a training of the default network on 500 windows, one thread, features given.

    python -m tests.benchmarks.training [--quick]

Windows are noise: what a step costs does not depend on what is in them. Every epoch that the
default grants 500 windows is taken, none is saved by early stopping.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from mmindustry.training.dataset import DataSet, Label, write_shard
from mmindustry.training.loop import train
from mmindustry.training.policy import TrainingPolicy, epochs_for
from tests.noise import FAULTS, PRODUCTS, noise_features, noise_spec

_TRAINED, _HELD = 500, 100
_LIMIT_SECONDS = 120


def noise_data(folder: Path, count: int) -> DataSet:
    label = [
        Label(fault=f, product=p, hours=9.0, failed=True, group="m", severity=0.5)
        for f in FAULTS
        for p in PRODUCTS
    ]
    drawn = ((noise_features(seed), label[seed % len(label)]) for seed in range(count))
    return DataSet(noise_spec(), [write_shard(folder, noise_spec(), drawn, limit=count)])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="one epoch, the rest reckoned")
    quick = options.parse_args().quick
    torch.set_num_threads(1)
    epochs = epochs_for(_TRAINED)
    taken = 1 if quick else epochs
    with tempfile.TemporaryDirectory() as folder:
        data = noise_data(Path(folder) / "set", _TRAINED + _HELD)
        rows, held = np.arange(_TRAINED), np.arange(_TRAINED, _TRAINED + _HELD)
        train(  # what is loaded once is not counted
            data, rows=rows[:32], validate=held[:8], policy=TrainingPolicy(epochs=1), tell=print
        )
        begin = time.process_time()
        policy = TrainingPolicy(epochs=taken, patience=taken)
        train(data, rows=rows, validate=held, policy=policy, tell=print)
        seconds = (time.process_time() - begin) * epochs / taken
    print(f"training_windows: {_TRAINED}")
    print(f"training_epochs: {epochs}")
    print(f"training_cpu_seconds: {seconds:.1f}")
    print(f"training_limit_seconds: {_LIMIT_SECONDS}")


if __name__ == "__main__":
    main()
