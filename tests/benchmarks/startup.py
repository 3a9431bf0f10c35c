"""What starting costs in CPU: a worker beside one that imports torch and librosa; `--help`.

Run: python -m tests.benchmarks.startup [--quick]
"""

import resource
import subprocess
import sys

from tests.architecture.test_imports import NAIVE, WORKER

HELP = "import sys; sys.argv = ['mmindustry', '--help']\nfrom mmindustry.cli import main\nmain()"


def cpu_seconds(program: str) -> float:
    """Return the user and system seconds that a fresh interpreter spends on `program`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def measure(rounds: int) -> dict[str, float]:
    """Return the figures, the best of interleaved rounds each."""
    rows = [tuple(cpu_seconds(p) for p in (WORKER, NAIVE, HELP)) for _ in range(rounds)]
    worker, naive, help_ = (min(column) for column in zip(*rows, strict=True))
    return {
        "worker_import_cpu_seconds": worker,
        "torch_and_librosa_worker_import_cpu_seconds": naive,
        "worker_import_cpu_ratio": worker / naive,
        "help_cpu_seconds": help_,
    }


def main() -> None:
    """Print one `name: value` line a figure."""
    for name, value in measure(2 if "--quick" in sys.argv else 5).items():
        print(f"{name}: {value:.3f}")


if __name__ == "__main__":
    main()
