"""What people do with the topics, the same for both logs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mmindustry.domain import Message
from mmindustry.errors import InputError
from mmindustry.stream.layout import TopicLayout
from mmindustry.stream.policy import DEAD_LETTER_ROOM_BYTES, DEAD_LETTER_SUFFIX, TopicsPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """A topic to be made. Bytes and seconds as in `TopicsPolicy`."""

    name: str
    partitions: int
    replication: int
    max_message_bytes: int
    retention_seconds: float
    retention_bytes: int


class StreamAdmin(Protocol):
    """Makes, describes and reads topics outside any consumer group."""

    def create(self, specs: Sequence[TopicSpec]) -> Sequence[str]:
        """Make the topics that are missing; return their names.

        Raises:
            DependencyDown: The stream is out of reach.
            LayoutChanged: A topic is there with another partition count.
        """

    def delete(self, topics: Sequence[str]) -> None:
        """Remove topics with all they hold; one that is not there is no mistake."""

    def layouts(self, topics: Sequence[str] | None = None) -> Mapping[str, TopicLayout]:
        """Return what is there of `topics` (None = every topic), begins and ends included."""

    def lag(self, group: str, topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
        """Return for each (topic, partition) how many messages `group` has not committed."""

    def read(self, topic: str, partition: int, start: int, limit: int) -> Sequence[Message]:
        """Return up to `limit` messages from offset `start` on; fewer at the end."""

    def close(self) -> None:
        """Let go of connections."""


def specs_of(policy: TopicsPolicy) -> tuple[TopicSpec, ...]:
    """Return every topic the line uses: inputs, their dead-letter topics, outputs."""
    inputs = [_spec(policy, name, policy.max_message_bytes) for name in policy.inputs]
    refused = [
        _spec(policy, name + DEAD_LETTER_SUFFIX, policy.max_message_bytes + DEAD_LETTER_ROOM_BYTES)
        for name in policy.inputs
    ]
    outputs = [_spec(policy, n, 1024 * 1024) for n in (policy.predictions, policy.alarms)]
    return (*inputs, *refused, *outputs)


def _spec(policy: TopicsPolicy, name: str, limit: int) -> TopicSpec:
    return TopicSpec(
        name=name,
        partitions=policy.partitions,
        replication=policy.replication,
        max_message_bytes=limit,
        retention_seconds=policy.retention_seconds,
        retention_bytes=policy.retention_bytes,
    )


def layout_of(admin: StreamAdmin, topic: str) -> TopicLayout:
    """Return the layout of one topic.

    Raises:
        InputError: There is no such topic; the message names those that are.
    """
    layouts = admin.layouts()
    if topic not in layouts:
        there = ", ".join(sorted(layouts)) or "none"
        raise InputError(f"no topic {topic}; there are: {there}")
    return layouts[topic]


def tail(admin: StreamAdmin, topic: str, count: int) -> list[Message]:
    """Return the newest `count` messages of a topic over all partitions, oldest first."""
    layout = layout_of(admin, topic)
    found: list[Message] = []
    for partition in range(layout.partitions):
        start = max(layout.begins[partition], layout.ends[partition] - count)
        found.extend(admin.read(topic, partition, start, count))
    found.sort(key=lambda message: (message.append_time, message.position))
    return found[-count:] if count > 0 else []
