"""The worker: carries messages to durable facts until it is told to stop."""

from contextlib import ExitStack

from mmindustry.config.load import Loaded
from mmindustry.daemon.life import Life, living
from mmindustry.daemon.line import OpenLine, open_line
from mmindustry.daemon.places import make_data_dir
from mmindustry.errors import Fenced

_COUNT_SECONDS = 10.0


def run_worker(loaded: Loaded) -> None:
    """Run a worker until SIGTERM; the step in hand is finished, no window is closed early.

    Raises:
        Busy: Another worker holds the SQLite database (exit 75).
        NotWritable: `run.data_dir` takes no files (exit 73).
        ConfigError: The settings don't fit the bundle or this machine (exit 78).
    """
    _one_native_thread()
    make_data_dir(loaded.settings)
    with living("worker", loaded) as life, ExitStack() as stack:
        try:
            line = open_line(life, stack)
        except Fenced:
            return  # asked to stop while a dependency was awaited
        receiving = life.metrics.queue_limit.labels(stage="receiving")
        receiving.set(life.settings.stream.reading.poll_messages)
        life.started()
        count_at = life.clock.monotonic()
        while not life.stop.wanted():
            _turn(life, line)
            if life.clock.monotonic() >= count_at:
                count_at = life.clock.monotonic() + _COUNT_SECONDS
                life.metrics.open_windows.set(line.assembler.open_windows)


def _turn(life: Life, line: OpenLine) -> None:
    line.registry.refresh()
    begun = life.clock.monotonic()
    came = line.pipeline.turn()
    life.beat()
    metrics = life.metrics
    fenced = line.pipeline.fenced
    metrics.steps_total.labels(outcome="fenced" if fenced else "done" if came else "idle").inc()
    if fenced:
        life.log.warning("step_fenced", reason=fenced)
    elif came:
        metrics.step_duration_seconds.observe(life.clock.monotonic() - begun)
    metrics.held_bytes.set(line.assembler.held_bytes)
    partitions = len(line.source.held())
    metrics.held_limit_bytes.set(partitions * life.settings.windowing.budget_bytes)
    _tell(life, line)


def _tell(life: Life, line: OpenLine) -> None:
    """Say on `/readyz` what stands in the way."""
    trouble = line.source.trouble()
    life.metrics.dependency_up.labels(dependency="stream").set(0 if trouble else 1)
    life.health.set("stream", ok=not trouble, detail=trouble or "")
    letters = line.dead_letters.trouble()
    life.health.set("dead_letters", ok=not letters, detail=letters or "")
    stopped = "; ".join(f"partition {p}: {why}" for p, why in line.pipeline.stopped.items())
    life.health.set("layout", ok=not stopped, detail=stopped)


def _one_native_thread() -> None:
    """Keep OpenCV to one thread: a process a core is the unit of scale."""
    import cv2

    cv2.setNumThreads(1)
    cv2.ocl.setUseOpenCL(False)
