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
from mmindustry.gateway.batches import Stride, batches
from mmindustry.gateway.item import Item
from mmindustry.gateway.notes import Notes
from mmindustry.gateway.plan import Plan
from mmindustry.gateway.policy import FeedPolicy
from mmindustry.gateway.sources import plan_items, sensors_of
from mmindustry.ports import Publisher
from mmindustry.windowing.policy import WindowPolicy

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

    `codec` names the topics and how far ahead of the clock an event may be; `windows` says what
    the line forgives;
    `register` makes sources known before their first event; `wait` lets so many seconds pass and
    returns True when the feed should stop; `progress` is told after each batch.
    """

    publisher: Publisher
    register: Callable[[Sequence[Sensor]], None]
    clock: Clock
    wait: Callable[[float], bool]
    codec: CodecPolicy
    windows: WindowPolicy = field(default_factory=WindowPolicy)
    progress: Callable[["FeedReport"], None] = _tell_nobody


@dataclass(slots=True)
class FeedReport:
    """What was sent so far, `first` to `last` event time; `skipped` and `doubtful` as in `Notes`,
    `stopped`: it was told to end."""

    planned: int
    sent: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    first: datetime | None = None
    last: datetime | None = None
    skipped: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
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
            "doubtful": self.doubtful,
            "stopped": self.stopped,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a feed would send, found without touching anything: its events in the order in which
    they are sent, the sources to register, and what a person should know."""

    items: Sequence[Item]
    sensors: Sequence[Sensor]
    notes: Notes

    def report(self) -> FeedReport:
        """Return the report of a feed that has sent nothing yet."""
        notes = self.notes
        return FeedReport(
            planned=len(self.items), skipped=[*notes.skipped], doubtful=[*notes.doubtful]
        )

    @property
    def span(self) -> tuple[datetime, datetime]:
        """The earliest and the latest event time; events are sent in order of what is due."""
        times = [item.time for item in self.items]
        return min(times), max(times)


def survey(
    plan: Plan, root: Path, *, speed: float | None, now: datetime, codec: CodecPolicy
) -> Survey:
    """Look through a plan as a feed that begins `now` would, times included.

    Args:
        plan: What to send.
        root: What its paths are relative to.
        speed: Seconds of event time a second, at least 1; None = as fast as it goes.
        now: What the clock says; event times may not lie ahead of it when they are sent.
        codec: How far ahead they may lie.

    Raises:
        InputError: The speed is below 1, a source can't be used, or a time can't be sent.
    """
    if speed is not None and not speed >= 1:
        raise InputError(
            f"speed {speed:g}: below 1 every window would close before its events come; "
            "take 1 or more, or max"
        )
    notes = Notes()
    items = plan_items(plan, root, now, notes)
    _check_times(items, now, speed, timedelta(seconds=codec.max_ahead_seconds))
    return Survey(items=items, sensors=sensors_of(plan, items), notes=notes)


def feed(
    plan: Plan, root: Path, *, speed: float | None, outlets: Outlets, policy: FeedPolicy
) -> FeedReport:
    """Register the plan's sources and send all of their events; return what was sent.

    Args:
        plan: What to send.
        root: What its paths are relative to.
        speed: Seconds of event time a second, at least 1; None = as fast as it goes.
        outlets: Publisher, registry, clock, topics, windows.
        policy: How much is under way at once.

    Raises:
        InputError: The speed is below 1, a source can't be used, or a time can't be sent.
        DependencyDown: The stream is out of reach; a second run goes on where this one ended.
    """
    now = outlets.clock.now()
    found = survey(plan, root, speed=speed, now=now, codec=outlets.codec)
    report = found.report()
    outlets.register(found.sensors)
    pace = _Pace(outlets, found.items[0].due, speed)
    for batch in batches(found.items, found.sensors, _stride(policy, speed), outlets.windows):
        if pace.waits(batch[-1].due):
            report.stopped = True
            break
        _send(batch, outlets, policy, report)
        outlets.progress(report)
    return report


def _stride(policy: FeedPolicy, speed: float | None) -> Stride:
    """Return how far one batch may reach: of a paced feed, no farther than a moment's worth."""
    seconds = policy.unacknowledged_seconds
    if speed is not None:
        seconds = min(seconds, speed * _TICK_SECONDS)
    return Stride(timedelta(seconds=seconds), policy.batch_messages)


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
    times = [item.time for item in batch]
    report.first = min([*times, *([report.first] if report.first else [])])
    report.last = max([*times, *([report.last] if report.last else [])])


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
