"""Serving cost of each preset: CPU-ms a window through ONNX Runtime, one thread.

    python -m tests.benchmarks.presets [--quick] [--only NAME ...] [--json OUT]

One `name: value` line a figure. Weights are drawn, not trained: what they are costs nothing.
`--quick` leaves out the preset of 150 million parameters. The default network is measured beside
them, each at batches of 1 and of 8 windows.
"""

import argparse
import os
import shlex
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before numpy wakes its threads
    os.environ.setdefault(_threads, "1")

import numpy as np
import torch

from mmindustry.features.spec import Recipe
from mmindustry.fusion.export import export_onnx
from mmindustry.fusion.network import Network
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.fusion.presets import PRESETS, with_preset
from mmindustry.fusion.runtime import Arrays
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.simulate.faults import CLASSES
from mmindustry.simulate.product import PRODUCT_CLASSES
from mmindustry.training.results import result, write_result

DEFAULT = "default"
BIG = 100_000_000
BATCHES = (1, 8)


def spec_of(name: str) -> NetworkSpec:
    """Return the preset's spec with the simulated plant's classes; the default network's too."""
    plain = NetworkSpec(recipe=Recipe(), faults=CLASSES, products=PRODUCT_CLASSES)
    return plain if name == DEFAULT else with_preset(plain, name)


def windows(spec: NetworkSpec, batch: int) -> Arrays:
    """Return full windows of noise: every item there, every word slot used."""
    random = np.random.default_rng(0)
    arrays = {}
    for name, (shape, dtype) in spec.recipe.shapes().items():
        size = (batch, *shape)
        drawn = random.integers(1, 1000, size) if dtype == "int32" else random.random(size)
        arrays[name] = drawn.astype(dtype)
        if name.endswith("_mask") or name in ("present", "quality"):
            arrays[name] = np.ones(size, np.float32)
    return arrays


def cpu_ms(runtime: OnnxRuntime, arrays: Arrays, rounds: int) -> float:
    """Return the median CPU-ms a window of this batch, after one run to warm up."""
    costs = []
    runtime.run(arrays)
    for _ in range(rounds):
        begin = time.process_time()
        runtime.run(arrays)
        costs.append((time.process_time() - begin) * 1e3 / len(arrays["present"]))
    return statistics.median(costs)


def measure(names: list[str], rounds: int) -> Iterator[tuple[str, float]]:
    """Yield (figure, value) of each preset as it is known."""
    torch.set_num_threads(1)
    for name in names:
        torch.manual_seed(0)
        network = Network(spec_of(name), [1.0 / len(CLASSES)] * len(CLASSES)).eval()
        yield f"{name}_parameters", sum(values.numel() for values in network.parameters())
        model = export_onnx(network)
        del network
        yield f"{name}_model_mb", len(model) / 1e6
        runtime = OnnxRuntime(model)
        for batch in BATCHES:
            arrays = windows(spec_of(name), batch)
            yield f"{name}_cpu_ms_a_window_batch_{batch}", cpu_ms(runtime, arrays, rounds)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no giant")
    parser.add_argument("--only", nargs="+", choices=[DEFAULT, *PRESETS], help="these alone")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    asked = parser.parse_args()
    usual = [n for n in PRESETS if not (asked.quick and PRESETS[n].parameters > BIG)]
    figures, begin = {}, time.perf_counter()
    for name, value in measure(asked.only or [DEFAULT, *usual], 3 if asked.quick else 9):
        figures[name] = value
        print(f"{name}: {value:.3f}", flush=True)
    if asked.json:
        command = shlex.join(["python", "-m", "tests.benchmarks.presets", *sys.argv[1:]])
        spent = time.perf_counter() - begin
        write_result(asked.json, result("presets", figures, command=command, seconds=spent))


if __name__ == "__main__":
    main()
