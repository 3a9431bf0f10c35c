"""Playing a plan into the stream: in order of time, at some speed, each batch acknowledged."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mmindustry.clock import Clock
from mmindustry.codec.encode import Encoded
from mmindustry.codec.policy import CodecPolicy
from mmindustry.codec.rfc3339 import format_time
from mmindustry.domain import Modality, Sensor
from mmindustry.errors import InputError
from mmindustry.gateway.item import Item
from mmindustry.gateway.plan import Plan
from mmindustry.gateway.policy import FeedPolicy
from mmindustry.gateway.sources import plan_items, sensors_of
from mmindustry.ports import Publisher

_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_ORDER = (Modality.IMAGE, Modality.TEXT, Modality.STATE, Modality.AUDIO)
"""Within a batch sound goes last: it alone moves its source's time beyond its own beginning."""
_TICK_SECONDS = 0.2
"""How much wall time one batch of a paced feed gathers."""


def _tell_nobody(_: "FeedReport") -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlets:
    """What a feed needs of the world.

    `codec` names the topics and how far ahead of the clock an event may be;
    `register` makes sources known before their first event; `wait` lets so many seconds pass and
    returns True when the feed should stop; `progress` is told after each batch.
    """

    publisher: Publisher
    register: Callable[[Sequence[Sensor]], None]
    clock: Clock
    wait: Callable[[float], bool]
    codec: CodecPolicy
    progress: Callable[["FeedReport"], None] = _tell_nobody


@dataclass(slots=True)
class FeedReport:
    """What was sent so far; `skipped` rows the plan let go, `stopped`: it was told to end."""

    planned: int
    sent: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    first: datetime | None = None
    last: datetime | None = None
    skipped: list[str] = field(default_factory=list)
    stopped: bool = False

    @property
    def events(self) -> int:
        """Events acknowledged, over all sources."""
        return self.sent.total()

    def plain(self) -> dict[str, object]:
        """Return the report as plain JSON."""
        return {
            "planned": self.planned,
            "events": self.events,
            "bytes": self.bytes,
            "sources": dict(self.sent),
            "first": None if self.first is None else format_time(self.first),
            "last": None if self.last is None else format_time(self.last),
            "skipped": self.skipped,
            "stopped": self.stopped,
        }


def feed(
    plan: Plan, root: Path, *, speed: float | None, outlets: Outlets, policy: FeedPolicy
) -> FeedReport:
    """Register the plan's sources and send all of their events; return what was sent.

    Args:
        plan: What to send.
        root: What its paths are relative to.
        speed: Seconds of event time a second, at least 1; None = as fast as it goes.
        outlets: Publisher, registry, clock, topics.
        policy: How much is under way at once.

    Raises:
        InputError: The speed is below 1, a source can't be used, or a time can't be sent.
        DependencyDown: The stream is out of reach; a second run goes on where this one ended.
    """
    if speed is not None and not speed >= 1:
        raise InputError(
            f"speed {speed:g}: below 1 every window would close before its events come; "
            "take 1 or more, or max"
        )
    report = FeedReport(planned=0)
    now = outlets.clock.now()
    items = plan_items(plan, root, now, report.skipped.append)
    report.planned = len(items)
    _check_times(items, now, speed, timedelta(seconds=outlets.codec.max_ahead_seconds))
    outlets.register(sensors_of(plan, items))
    pace = _Pace(outlets, items[0].due, speed) if items else None
    for batch in _batches(items, policy, speed):
        if pace is not None and pace.waits(batch[-1].due):
            report.stopped = True
            break
        _send(batch, outlets, policy, report)
        outlets.progress(report)
    return report


def _check_times(
    items: Sequence[Item], now: datetime, speed: float | None, max_ahead: timedelta
) -> None:
    """Refuse times that the line would not keep.

    Raises:
        InputError: A time lies before 1990, or ahead of the clock when its event is sent.
    """
    for item in items:
        sent_at = now if speed is None else now + (item.due - items[0].due) / speed
        if item.time < _EARLIEST:
            raise InputError(
                f"{item.where}: {format_time(item.time)} lies before 1990; lay the source later "
                "by `shift` or `at`"
            )
        if item.time > sent_at + max_ahead:
            raise InputError(
                f"{item.where}: {format_time(item.time)} lies ahead of the clock "
                f"({format_time(sent_at)} when it is sent); lay the source earlier by `shift` or "
                "`at`, or choose a lower speed"
            )


def _batches(
    items: Sequence[Item], policy: FeedPolicy, speed: float | None
) -> Iterator[list[Item]]:
    """Cut items so that no batch spans more event time than may be unacknowledged."""
    seconds = policy.unacknowledged_seconds
    if speed is not None:
        seconds = min(seconds, speed * _TICK_SECONDS)
    span = timedelta(seconds=seconds)
    batch: list[Item] = []
    for item in items:
        if batch and (item.due - batch[0].due >= span or len(batch) >= policy.batch_messages):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


class _Pace:
    """Lets event time run `speed` times as fast as the stop-watch."""

    def __init__(self, outlets: Outlets, first: datetime, speed: float | None) -> None:
        self._outlets = outlets
        self._first = first
        self._speed = speed
        self._begun = outlets.clock.monotonic()

    def waits(self, due: datetime) -> bool:
        """Wait until `due` has come; return whether the feed should stop."""
        if self._speed is None:
            return self._outlets.wait(0)
        elapsed = (due - self._first) / timedelta(seconds=1) / self._speed
        left = self._begun + elapsed - self._outlets.clock.monotonic()
        return self._outlets.wait(max(left, 0))


def _send(batch: Sequence[Item], outlets: Outlets, policy: FeedPolicy, report: FeedReport) -> None:
    """Send one batch, topic by topic; what is acknowledged is counted."""
    for modality in _ORDER:
        topic = outlets.codec.topic_of(modality)
        mine = [item for item in batch if item.modality is modality]
        for piece in _pieces(mine, outlets.codec, policy.batch_bytes):
            outlets.publisher.send(topic, [encoded for _, encoded in piece])
            report.bytes += sum(len(encoded.value) for _, encoded in piece)
            report.sent.update(item.source for item, _ in piece)
    report.first = report.first or batch[0].time
    report.last = batch[-1].time


def _pieces(
    items: Sequence[Item], codec: CodecPolicy, limit: int
) -> Iterator[list[tuple[Item, Encoded]]]:
    """Read items and cut them into pieces of about `limit` bytes."""
    piece: list[tuple[Item, Encoded]] = []
    held = 0
    for item in items:
        encoded = item.encode()
        if len(encoded.value) > codec.value_bytes:
            raise InputError(
                f"{item.where}: {len(encoded.value)} bytes, the line takes {codec.value_bytes}; "
                "make it smaller or raise codec.value_bytes"
            )
        piece.append((item, encoded))
        held += len(encoded.value)
        if held >= limit:
            yield piece
            piece, held = [], 0
    if piece:
        yield piece
