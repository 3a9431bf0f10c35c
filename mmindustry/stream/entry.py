"""The way in: the log that the policy names. Kafka is imported only where it is used."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from mmindustry.clock import Clock
from mmindustry.errors import DependencyDown
from mmindustry.ports import Publisher, Source
from mmindustry.stream.admin import StreamAdmin
from mmindustry.stream.policy import StreamPolicy
from mmindustry.telemetry.metrics import Metrics


class OpenSource(Source, Protocol):
    """A `Source` that can be closed and says why it reads nothing."""

    def trouble(self) -> str | None:
        """Return why nothing can be read now; None = all is well."""

    def close(self) -> None:
        """Leave the group."""


class OpenPublisher(Publisher, Protocol):
    """A `Publisher` that can be closed."""

    def close(self) -> None:
        """Let go of files and connections."""


def open_source(
    policy: StreamPolicy,
    *,
    clock: Clock,
    metrics: Metrics,
    is_stopping: Callable[[], bool] = lambda: False,
) -> OpenSource:
    """Return the source of the input topics.

    Args:
        policy: Which log, which group, which bounds.
        clock: Monotonic time for the arrival clock.
        metrics: Where failed commits are counted.
        is_stopping: Asked in `keep`, so that a retry ends when the process is to stop.

    Raises:
        MissingExtra: Kafka is wanted and `crc32c` is not installed.
        StoreError: The local log's folder can't be used, or is of another version.
        Busy: The local log is damaged and open elsewhere.
        DependencyDown: The local log can't be opened now.
    """
    if policy.kind == "kafka":
        from mmindustry.stream.kafka.source import KafkaSource  # noqa: PLC0415 - only if used

        return KafkaSource(policy, clock=clock, metrics=metrics, is_stopping=is_stopping)
    from mmindustry.stream.local.source import LocalSource  # noqa: PLC0415 - only if used

    return LocalSource(policy, clock=clock, metrics=metrics, is_stopping=is_stopping)


def open_publisher(policy: StreamPolicy, *, clock: Clock) -> OpenPublisher:
    """Return what writes into the stream.

    Raises:
        StoreError: The local log's folder can't be used, or is of another version.
        Busy: The local log is damaged and open elsewhere.
        DependencyDown: The local log can't be opened now (Kafka is reached on the first send).
    """
    if policy.kind == "kafka":
        from mmindustry.stream.kafka.publisher import KafkaPublisher  # noqa: PLC0415 - only if used

        return KafkaPublisher(policy.kafka)
    from mmindustry.stream.local.publisher import LocalPublisher  # noqa: PLC0415 - only if used

    return LocalPublisher(policy.local, clock=clock)


def open_admin(policy: StreamPolicy) -> StreamAdmin:
    """Return what makes, describes and reads topics.

    Raises:
        DependencyDown: The stream is out of reach.
        MissingExtra: Kafka is wanted and `crc32c` is not installed.
        StoreError: The local log's folder can't be used, or is of another version.
        Busy: The local log is damaged and open elsewhere.
    """
    if policy.kind == "kafka":
        from mmindustry.stream.kafka.admin import KafkaAdmin  # noqa: PLC0415 - only if used

        return KafkaAdmin(policy.kafka)
    from mmindustry.stream.local.log import LocalLog  # noqa: PLC0415 - only if used

    return LocalLog(policy.local)


def count_held(policy: StreamPolicy) -> int | None:
    """Return how many messages the input topics hold; None where the stream can't be reached.

    A local log that is not there yet holds nothing, and is not made by looking.
    """
    if policy.kind == "local" and not Path(policy.local.folder).is_dir():
        return 0
    try:
        admin = open_admin(policy)
    except DependencyDown:
        return None
    try:
        layouts = admin.layouts(policy.topics.inputs)
    except DependencyDown:
        return None
    finally:
        admin.close()
    return sum(
        layout.ends[partition] - layout.begins[partition]
        for layout in layouts.values()
        for partition in range(layout.partitions)
    )
