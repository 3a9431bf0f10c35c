"""What importing costs: all that a worker on CPU imports, beside the same worker with torch and
librosa.

    python -m tests.benchmarks.imports [--quick]

The worker: its line, ONNX Runtime, Kafka, PostgreSQL. The other: that, torch, and librosa up to its
first mel spectrum. Fresh interpreters, interleaved, the best of the rounds; CPU seconds and the
most resident memory in MB. `mmindustry --help` beside them.
"""

import os
import sys

WORKER = """
import mmindustry.daemon.line, mmindustry.daemon.worker
import mmindustry.stream.kafka.source, mmindustry.stream.kafka.publisher
import mmindustry.fusion.onnx_runtime, cv2, psycopg, sqlalchemy.dialects.postgresql.psycopg
"""
FAT = f"""{WORKER}
import librosa, numpy, torch
librosa.feature.melspectrogram(y=numpy.zeros(16_000, numpy.float32), sr=16_000)
"""
HELP = """
import os, sys
sys.argv, sys.stdout = ['mmindustry', '--help'], open(os.devnull, 'w')
from mmindustry.cli import main
main()
"""


def cost(program: str) -> tuple[float, float]:
    """Return CPU seconds and peak megabytes of a fresh interpreter that runs `program`.

    Raises:
        RuntimeError: It failed.
    """
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", program], os.environ)
    _, status, used = os.wait4(child, 0)
    if status:
        raise RuntimeError(f"the program failed ({status}):{program}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def measure(rounds: int) -> dict[str, float]:
    """Return every figure by name."""
    runs = [[cost(program) for program in (WORKER, FAT, HELP)] for _ in range(rounds)]
    worker, fat, told = (min(seconds for seconds, _ in side) for side in zip(*runs, strict=True))
    worker_mb, fat_mb, _ = (min(size for _, size in side) for side in zip(*runs, strict=True))
    return {
        "imports_worker_cpu_s": worker,
        "imports_fat_cpu_s": fat,
        "imports_ratio": worker / fat,
        "imports_worker_rss_mb": worker_mb,
        "imports_fat_rss_mb": fat_mb,
        "imports_help_cpu_s": told,
    }


def main() -> None:
    """Print one `name: value` line a figure."""
    for name, value in measure(2 if "--quick" in sys.argv else 5).items():
        print(f"{name}: {value:.3f}")


if __name__ == "__main__":
    main()
