"""CPU of one window through the whole line, beside a naive line and beside the bare kernels.

    python -m tests.benchmarks.line [--quick]

The reference window: 5 frames 640x480 (JPEG, quality 85), 5 s of 16 kHz sound as five L16 chunks,
3 log lines, 10 s long, on real Kafka, of assets without papers. Ours is the worker's own wiring
on SQLite without archive; the naive line reads the same topics with kafka-python and does it with
Pillow, librosa, eager torch and an ORM; the kernels do the receiving, decoding, spectra, token
ids, network and inserts alone, in a straight line (`less_reading`: both without the receiving).
Most of its windows are flagged, so ours explains as many as it has time for; `unexplained` is ours
without.
Each round runs all of them one after the other, so that other load hits them alike, and leaves
out the first two windows of each asset; one `name: value` line a figure, medians, CPU ms a
window of the whole process, one thread each. Needs Java and Maven for Kafka (exit 69 without).
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_threads] = "1"

import cv2
import torch

from deploy.local.kafka import KafkaUnavailableError, LocalKafka
from mmindustry.errors import BundleError
from mmindustry.fusion.bundle import WEIGHTS, Bundle, builtin_bundle, read_bundle
from mmindustry.fusion.policy import FusionPolicy
from mmindustry.fusion.torch_runtime import open_torch
from mmindustry.fusion.weights import unpack
from tests.benchmarks._kernels import Kernels, rows_of
from tests.benchmarks._naive import Naive
from tests.benchmarks._ours import Carried, carry
from tests.benchmarks._reference import Plan, make_material, send
from tests.noise import noise_bundle

_UNAVAILABLE = 69
Costs = dict[str, float]


def serving_bundle() -> Bundle:
    """Return the bundle that ships, or where torch can't hold it one with untrained weights.

    Both are the same work; a bundle made by an earlier network serves from ONNX only.
    """
    try:
        bundle = read_bundle(builtin_bundle())
        open_torch(bundle.manifest.spec, unpack(bundle.weights, WEIGHTS), device="cpu", half=False)
    except BundleError as error:
        reason = str(error).splitlines()[0]
        sys.stderr.write(f"line: untrained weights stand in for the built-in bundle: {reason}\n")
        return read_bundle(noise_bundle())
    return bundle


class Rounds:
    """All ways of doing it, once a round, over the same messages."""

    def __init__(self, plan: Plan, bundle: Bundle, servers: str, folder: Path) -> None:
        self._plan = plan
        self._bundle = bundle
        self._servers = servers
        self._folder = folder
        self._kernels: Kernels | None = None

    def once(self, number: int) -> Costs:
        """Return the CPU milliseconds a window of each way, and of our parts."""
        ours = self._ours(f"{number}")
        naive = Naive(self._bundle, self._servers, self._room(f"naive-{number}"))
        spent = naive.run(self._plan)
        kernels = self._bare(ours, number)
        archived = self._ours(f"{number}-archived", archive=True)
        unexplained = self._ours(f"{number}-unexplained", explain=0.0)
        seconds = {
            "ours": ours.total,
            "naive": spent,
            "kernels": sum(kernels.values()),
            "unread": ours.total - ours.parts["read"],
            "unreceived": sum(kernels.values()) - kernels["receive"],
            "archived": archived.total,
            "unexplained": unexplained.total,
            **{f"part_{part}": cost for part, cost in ours.parts.items()},
            **{f"kernel_{name}": cost for name, cost in kernels.items()},
        }
        return {name: 1e3 * cost for name, cost in seconds.items()}

    def _room(self, name: str) -> Path:
        room = self._folder / name
        room.mkdir()
        return room

    def _ours(
        self, name: str, *, archive: bool = False, explain: float = FusionPolicy().explain_share
    ) -> Carried:
        bundle = str(self._bundle.folder)
        return carry(
            self._servers,
            self._room(name),
            fusion=FusionPolicy(bundle=bundle, device="cpu", explain_share=explain),
            plan=self._plan,
            archive=archive,
        )

    def _bare(self, ours: Carried, number: int) -> Costs:
        if self._kernels is None:
            self._kernels = Kernels(self._bundle, self._plan, features=ours.features)
        return self._kernels.run(
            rows_of(ours.database),
            self._room(f"kernels-{number}") / "kernels.db",
            self._servers,
        )


def figures(rounds: list[Costs]) -> dict[str, float]:
    """Return every figure by name, medians over the rounds."""

    def median(name: str) -> float:
        return statistics.median(costs[name] for costs in rounds)

    def ratio(over: str, under: str) -> float:
        return statistics.median(costs[over] / costs[under] for costs in rounds)

    found = {f"line_{name}_ms": median(name) for name in ("ours", "naive", "kernels")}
    found["line_naive_over_ours"] = ratio("naive", "ours")
    found["line_ours_over_kernels"] = ratio("ours", "kernels")
    found["line_ours_over_kernels_less_reading"] = ratio("unread", "unreceived")
    found["line_ours_archived_ms"] = median("archived")
    found["line_ours_unexplained_ms"] = median("unexplained")
    found["line_explained_over_unexplained"] = ratio("ours", "unexplained")
    parts = [name for name in rounds[0] if name.startswith(("part_", "kernel_"))]
    return found | {f"line_{name}_ms": median(name) for name in parts}


def measure(*, quick: bool) -> dict[str, float]:
    """Return the figures.

    Raises:
        KafkaUnavailableError: No broker can be run here.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    plan = Plan(make_material(), assets=32, each=6 if quick else 10)
    bundle = serving_bundle()
    with tempfile.TemporaryDirectory() as folder, LocalKafka() as broker:
        send(plan, broker.bootstrap_servers)
        ways = Rounds(plan, bundle, broker.bootstrap_servers, Path(folder))
        rounds = [ways.once(number) for number in range(1 if quick else 6)]
    return figures(rounds[-5:])  # in full the first round only wakes libraries and caches


def main() -> int:
    """Print the figures; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer windows and rounds")
    try:
        found = measure(quick=parser.parse_args().quick)
    except KafkaUnavailableError as error:
        sys.stderr.write(f"line: no Kafka here: {error}\n")
        return _UNAVAILABLE
    for name, value in found.items():
        print(f"{name}: {value:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
