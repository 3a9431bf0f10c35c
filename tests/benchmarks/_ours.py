"""Our line: the worker's own wiring, with a clock around each thing it calls."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmindustry.config.load import Loaded
from mmindustry.config.policy import RunPolicy
from mmindustry.config.settings import Settings
from mmindustry.daemon.life import Life, living
from mmindustry.daemon.line import OpenLine, open_line
from mmindustry.domain import Features, Step
from mmindustry.fusion.policy import FusionPolicy
from mmindustry.store.policy import ArchivePolicy, StorePolicy
from mmindustry.telemetry.policy import TelemetryPolicy
from tests.benchmarks._reference import PATIENCE_SECONDS, Plan, stream_policy

PARTS = {
    "_source": "read",
    "_decode": "decode",
    "_assembler": "windowing",
    "_build": "features",
    "_predict": "predict",
    "_rules": "alarms",
    "_recorder": "save",
    "_archive": "archive",
    "_observe": "observe",
}
"""What a `Pipeline` holds -> the part its time belongs to."""
_STARTING = frozenset({"claim", "seek", "restore"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What a window cost our line: CPU seconds in all and by part, and a batch to look at."""

    total: float
    parts: dict[str, float]
    features: list[Features]
    database: Path


class Clocks:
    """CPU seconds of the line's thread by part; taking partitions over is kept apart."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self.windows = 0
        self.features: list[Features] = []

    def around(self, pipeline: Any) -> None:
        """Put a clock around everything the pipeline calls."""
        held = vars(pipeline)
        for name, part in PARTS.items():
            held[name] = (
                self.timed(held[name], part)
                if callable(held[name])
                else _Clocked(held[name], self, part)
            )

    def timed(self, call: Callable[..., Any], part: str) -> Callable[..., Any]:
        """Return `call` with its time added to `part`."""

        def clocked(*given: Any, **named: Any) -> Any:
            begun = time.thread_time()
            answer = call(*given, **named)
            self.parts[part] = self.parts.get(part, 0.0) + time.thread_time() - begun
            self._look(part, answer, given)
            return answer

        return clocked

    def _look(self, part: str, answer: Any, given: tuple[Any, ...]) -> None:
        if part == "features":
            self.features += [item for item in answer[0] if isinstance(item, Features)]
            del self.features[32:]
        if part == "save" and given and isinstance(given[0], Step):
            self.windows += len(given[0].windows)


class _Clocked:
    """An object whose methods are timed."""

    def __init__(self, inner: Any, clocks: Clocks, part: str) -> None:
        self._inner = inner
        self._clocks = clocks
        self._part = part
        self._timed: dict[str, Callable[..., Any]] = {}

    def __getattr__(self, name: str) -> Any:
        if name in self._timed:
            return self._timed[name]
        found = getattr(self._inner, name)
        if not callable(found):
            return found
        part = "start" if name in _STARTING else self._part
        self._timed[name] = self._clocks.timed(found, part)
        return self._timed[name]


def carry(
    servers: str, folder: Path, *, fusion: FusionPolicy, plan: Plan, archive: bool
) -> Carried:
    """Return what a window of the topics cost, in a fresh group and a fresh record.

    Starting up, taking partitions over and the first `warm` windows do not count: statements are
    made and caches filled by then, as in a line that has run for a minute.

    Raises:
        RuntimeError: The windows did not all come in time.
    """
    settings = Settings(
        run=RunPolicy(data_dir=folder),
        stream=stream_policy(servers, f"ours-{folder.name}"),
        fusion=fusion,
        store=StorePolicy(url=f"sqlite:///{folder / 'ours.db'}"),
        archive=ArchivePolicy(url=str(folder / "archive") if archive else "off", free_bytes=0),
        telemetry=TelemetryPolicy(port=-1, log_level="error"),
    )
    clocks = Clocks()
    with living("worker", Loaded(settings, {}, (), ())) as life, ExitStack() as stack:
        line = open_line(life, stack)
        clocks.around(line.pipeline)
        _join(line)
        _turn(line, life, clocks, until=plan.warm)
        clocks.parts.clear()
        warm, begun, main = clocks.windows, time.process_time(), time.thread_time()
        _turn(line, life, clocks, until=plan.windows)
        total, main = time.process_time() - begun, time.thread_time() - main
    parts = dict(clocks.parts)
    parts["pipeline"] = main - sum(parts.values())
    parts["read"] += total - main  # threads of the Kafka client
    count = clocks.windows - warm
    return Carried(
        total=total / count,
        parts={name: cost / count for name, cost in parts.items()},
        features=clocks.features,
        database=folder / "ours.db",
    )


def _turn(line: OpenLine, life: Life, clocks: Clocks, *, until: int) -> None:
    """Turn the line until so many windows are saved."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while clocks.windows < until:
        line.pipeline.turn()
        life.beat()
        if time.monotonic() > deadline:
            raise RuntimeError(f"{clocks.windows} of {until} windows in {PATIENCE_SECONDS} s")


def _join(line: OpenLine) -> None:
    """Poll until the group gives its partitions; what is assigned is still paused then."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not line.source.held():
        line.source.poll()
        if time.monotonic() > deadline:
            raise RuntimeError(f"no partition within {PATIENCE_SECONDS} s: {line.source.trouble()}")
