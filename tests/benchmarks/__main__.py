"""Run every benchmark, one process each: `python -m tests.benchmarks [--quick] [NAME ...]`."""

import subprocess
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run the named benchmarks (all by default); return the worst exit code."""
    options = [word for word in arguments if word.startswith("-")]
    wanted = set(arguments) - set(options)
    worst = 0
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if file.stem.startswith("_") or (wanted and file.stem not in wanted):
            continue
        print(f"# {file.stem}", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", f"tests.benchmarks.{file.stem}", *options], check=False
        )
        worst = max(worst, abs(done.returncode))
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
