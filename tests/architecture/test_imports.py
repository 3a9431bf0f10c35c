"""What a process imports: a worker on CPU no torch, and little besides."""

import json
import resource
import subprocess
import sys

WORKER = "import mmindustry.daemon.line, mmindustry.daemon.worker, cv2, onnxruntime"
NAIVE = f"{WORKER}, torch, librosa; librosa.feature.melspectrogram; librosa.util.frame"


def modules_after(statement: str) -> list[str]:
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded: list[str] = json.loads(done.stdout)
    return loaded


def cpu_seconds(statement: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", statement], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def test_help_imports_nothing_heavy() -> None:
    loaded = modules_after("import mmindustry.cli.main")

    heavy = {"numpy", "torch", "sqlalchemy", "fastapi", "pydantic", "kafka", "cv2", "librosa"}
    assert heavy.isdisjoint(loaded)


def test_the_settings_import_no_torch_no_database_and_no_kafka() -> None:
    loaded = modules_after("import mmindustry.config.load")

    assert {"torch", "sqlalchemy", "kafka", "fastapi", "librosa"}.isdisjoint(loaded)


def test_importing_a_package_starts_no_thread() -> None:
    statement = (
        "import threading, mmindustry.config.load, mmindustry.daemon.life\n"
        "assert threading.active_count() == 1, threading.enumerate()"
    )

    subprocess.run([sys.executable, "-c", statement], check=True, capture_output=True)


def test_a_worker_starts_at_three_tenths_of_one_that_imports_torch_and_librosa() -> None:
    pairs = [(cpu_seconds(WORKER), cpu_seconds(NAIVE)) for _ in range(2)]
    ours, naive = (min(column) for column in zip(*pairs, strict=True))

    assert ours / naive <= 0.3


def test_no_daemon_imports_torch_librosa_or_kafka_unasked() -> None:
    names = (
        "line",
        "worker",
        "notifier",
        "dashboard",
        "gateway",
        "feeding",
        "demo",
        "all_in_one",
        "profiler",
        "learning",
    )
    loaded = modules_after("\n".join(f"import mmindustry.daemon.{name}" for name in names))

    assert {"torch", "librosa", "kafka", "transformers", "numba"}.isdisjoint(loaded)
