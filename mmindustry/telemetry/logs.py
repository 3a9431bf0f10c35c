"""Structured logs on stderr: one event a line, named in the past tense, secrets masked."""

import logging
import re
from collections.abc import Collection, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor
from typing_extensions import override

from mmindustry.clock import Clock
from mmindustry.telemetry.metrics import Metrics
from mmindustry.telemetry.policy import TelemetryPolicy

MASK = "****"
_SECRET_KEY = re.compile(
    r"passw|secret|token|authorization|api_?key|credential|cookie", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"(?<=://)([^/@:\s]*):([^@/\s]+)@")
_SHORTEST_SECRET = 4  # shorter strings would mask half of every line


def open_log(
    policy: TelemetryPolicy,
    stream: TextIO,
    clock: Clock,
    *,
    secrets: Collection[str] = (),
    metrics: Metrics | None = None,
) -> FilteringBoundLogger:
    """Return a logger that writes to `stream`; no global state is touched.

    Args:
        policy: Level and format.
        stream: Where lines go, stderr in a daemon.
        clock: Gives each line its time.
        secrets: Strings that must never appear; each is replaced by `****` wherever it stands.
        metrics: Counts lines by level where given.
    """
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=_chain(policy, stream, clock, secrets=secrets, metrics=metrics),
        wrapper_class=structlog.make_filtering_bound_logger(policy.log_level),
        context_class=dict,
        cache_logger_on_first_use=False,
    )
    return logger


def make_default(
    policy: TelemetryPolicy,
    stream: TextIO,
    clock: Clock,
    *,
    secrets: Collection[str] = (),
    metrics: Metrics | None = None,
) -> None:
    """Let whoever asks structlog itself for a logger write as `open_log` does.

    The one process-wide setting of mmindustry, made by the command line and by each daemon.
    """
    structlog.configure(
        processors=_chain(policy, stream, clock, secrets=secrets, metrics=metrics),
        wrapper_class=structlog.make_filtering_bound_logger(policy.log_level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


def _chain(
    policy: TelemetryPolicy,
    stream: TextIO,
    clock: Clock,
    *,
    secrets: Collection[str],
    metrics: Metrics | None,
) -> list[Processor]:
    processors: list[Processor] = [
        _stamp(clock),
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        _mask(secrets),
    ]
    if metrics is not None:
        processors.append(_count(metrics))
    processors.append(_renderer(policy, stream))
    return processors


def adopt_library_logs(log: FilteringBoundLogger, level: str = "warning") -> logging.Handler:
    """Send what libraries log through `log` too, and return the handler that does it."""
    handler = _Adopted(log)
    handler.setLevel(level.upper())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level.upper())
    return handler


class Sparingly:
    """Lets one line a key through every `seconds`, and tells how many it kept back."""

    def __init__(self, clock: Clock, seconds: float = 10.0, keys: int = 1000) -> None:
        self._clock = clock
        self._seconds = seconds
        self._keys = keys
        self._seen: dict[str, tuple[float, int]] = {}

    def allow(self, key: str) -> int | None:
        """Return how many lines were kept back since the last one, or None: keep this back."""
        now = self._clock.monotonic()
        last, kept = self._seen.get(key, (now - self._seconds, 0))
        if now - last < self._seconds:
            self._seen[key] = (last, kept + 1)
            return None
        if len(self._seen) >= self._keys:
            self._seen.clear()
        self._seen[key] = (now, 0)
        return kept


class _Adopted(logging.Handler):
    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__()
        self._log = log

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._log.log(
            record.levelno,
            "library_said",
            library=record.name,
            text=record.getMessage(),
            exc_info=record.exc_info,
        )


def _stamp(clock: Clock) -> Processor:
    def stamp(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        line["time"] = clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return line

    return stamp


def _mask(secrets: Collection[str]) -> Processor:
    known = sorted((s for s in secrets if len(s) >= _SHORTEST_SECRET), key=len, reverse=True)

    def mask(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in line.items():
            line[key] = _masked(key, value, known)
        return line

    return mask


def _masked(key: str, value: Any, known: list[str]) -> Any:
    """Return `value` less every secret, by its key and by its text; containers are walked."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if is_secret_name(key):
        value = MASK
    if isinstance(value, dict):
        return {str(k): _masked(str(k), v, known) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked("", v, known) for v in value]
    return mask_text(str(value), known)


def is_secret_name(name: str) -> bool:
    """Return whether a field of this name holds a secret.

    >>> is_secret_name("sasl_password"), is_secret_name("length_seconds")
    (True, False)
    """
    return _SECRET_KEY.search(name) is not None


def mask_text(text: str, secrets: Collection[str]) -> str:
    """Return `text` less passwords in URLs and the given strings (longest first)."""
    text = _URL_PASSWORD.sub(rf"\1:{MASK}@", text)
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def _count(metrics: Metrics) -> Processor:
    def count(_: Any, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        metrics.log_messages_total.labels(level=line.get("level", method)).inc()
        return line

    return count


def _renderer(policy: TelemetryPolicy, stream: TextIO) -> Processor:
    people = policy.log_format == "console" or (policy.log_format == "auto" and stream.isatty())
    if people:
        return structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            exception_formatter=structlog.dev.plain_traceback,
            timestamp_key="time",
        )
    return structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=True)
