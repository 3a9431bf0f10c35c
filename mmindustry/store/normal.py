"""Which windows of the record show an asset's normal, and why the others do not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select, tuple_

from mmindustry.alerting.watch import HOURS_NEEDED
from mmindustry.domain import Evidence, Window, WindowKey
from mmindustry.store.facts import evidence_of
from mmindustry.store.prediction_rows import HEALTHY
from mmindustry.store.registry import CHAMPION, longest_prefix, read_assignments
from mmindustry.store.tables import (
    alarms,
    assets,
    labels,
    predictions,
    profiles,
    shards,
    windows,
)

MOST_WINDOWS = 100_000
"""Newest windows that are looked at: eleven days of ten seconds."""

_REJECTED = "rejected"
_OF_SENSORS = ("sensor_quality", "quiet", "data_gap")
"""Alarms that speak of sensors: they say nothing of the machine before and after them."""

_Span = tuple[datetime, datetime | None]


class LeftOut(StrEnum):
    """Why a window does not count as normal."""

    FAILED = "failed"
    BLIND = "blind"
    SENSORS = "sensor_in_doubt"
    STANDING = "standing_still"
    ALARM = "alarm"
    LABEL = "label"
    ARCHIVE = "not_archived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Whose normal is looked for: windows of `policy` judged by `bundle`, in [first, last].

    `guard`: how far from a machine's alarm, or a label of a fault, nothing counts as normal.
    """

    asset: str
    bundle: str
    policy: str
    guard: timedelta
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class NormalWindow:
    """A window of normal and where its evidence lies (the paths of its shards)."""

    key: WindowKey
    end: datetime
    shards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Normal:
    """An asset's normal windows, oldest first, and how many others were left out, and why."""

    windows: tuple[NormalWindow, ...]
    left_out: Mapping[LeftOut, int]

    @property
    def hours(self) -> float:
        """Hours of event time the windows cover; where they overlap it counts once."""
        seconds, reached = 0.0, None
        for window in self.windows:
            begin = window.key.start if reached is None else max(window.key.start, reached)
            seconds += max(0.0, (window.end - begin).total_seconds())
            reached = window.end if reached is None else max(window.end, reached)
        return seconds / 3600.0


def read_normal(connection: Connection, sought: Sought) -> Normal:
    """Return the windows that show the asset's normal.

    These were judged without a failure, saw something, every awaited source gave its part, no
    sensor was in doubt, the machine was not known to stand still; no alarm was active, none was
    raised or cleared within the guard unless a person rejected it, nobody labelled a fault there;
    and their evidence is in the archive. Of windows with revisions the first judgement counts.
    """
    near_alarms = _alarm_spans(connection, sought)
    near_labels = _label_spans(connection, sought)
    found: list[NormalWindow] = []
    left_out: Counter[LeftOut] = Counter()
    for row in reversed(connection.execute(_newest(sought)).mappings().all()):
        why = _doubt(row)
        if why is None and _touches(row, near_alarms):
            why = LeftOut.ALARM
        if why is None and _touches(row, near_labels):
            why = LeftOut.LABEL
        if why is None and not row["uri"]:
            why = LeftOut.ARCHIVE
        if why is None:
            key = WindowKey(sought.asset, sought.policy, row["start"])
            found.append(NormalWindow(key, row["end"], (row["uri"],)))
        else:
            left_out[why] += 1
    return Normal(tuple(found), dict(left_out))


def _newest(sought: Sought) -> Select[Any]:
    judged = and_(
        predictions.c.start == windows.c.start,
        predictions.c.asset == windows.c.asset,
        predictions.c.policy == windows.c.policy,
        predictions.c.revision == windows.c.revision,
        predictions.c.bundle == sought.bundle,
    )
    there = and_(shards.c.id == windows.c.shard, shards.c.removed_at.is_(None))
    return (
        select(
            *(windows.c.start, windows.c.end, windows.c.blind, shards.c.uri),
            *(predictions.c.reason, predictions.c.findings, predictions.c.present),
            predictions.c.running,
        )
        .join(predictions, judged)
        .outerjoin(shards, there)
        .where(*_within(sought))
        .order_by(windows.c.start.desc())
        .limit(MOST_WINDOWS)
    )


def _within(sought: Sought) -> list[Any]:
    conditions = [
        windows.c.asset == sought.asset,
        windows.c.policy == sought.policy,
        windows.c.revision == 0,
    ]
    if sought.first is not None:
        conditions.append(windows.c.start >= sought.first)
    if sought.last is not None:
        conditions.append(windows.c.end <= sought.last)
    return conditions


def _doubt(row: Mapping[Any, Any]) -> LeftOut | None:
    """Return what speaks against a window itself."""
    if row["blind"]:
        return LeftOut.BLIND
    if row["reason"] is not None:
        return LeftOut.FAILED
    if row["findings"] or not any((row["present"] or {}).values()):
        return LeftOut.SENSORS
    return LeftOut.STANDING if row["running"] is False else None


def _touches(row: Mapping[Any, Any], spans: Sequence[_Span]) -> bool:
    return any(
        row["end"] >= first and (last is None or row["start"] <= last) for first, last in spans
    )


def _alarm_spans(connection: Connection, sought: Sought) -> list[_Span]:
    """Return when an alarm of the asset was active, with the guard around those of the machine."""
    dismissed = _dismissed(connection, sought.asset)
    columns = (alarms.c.id, alarms.c.fault, alarms.c.raised_at, alarms.c.cleared_at)
    spans: list[_Span] = []
    for row in connection.execute(select(*columns).where(alarms.c.asset == sought.asset)):
        if row.id not in dismissed:
            guard = timedelta(0) if row.fault in _OF_SENSORS else sought.guard
            last = None if row.cleared_at is None else row.cleared_at + guard
            spans.append((row.raised_at - guard, last))
    return spans


def _dismissed(connection: Connection, asset: str) -> set[str]:
    """Return the alarms whose last verdict is that there was nothing."""
    query = (
        select(labels.c.alarm_id, labels.c.verdict)
        .where(labels.c.asset == asset, labels.c.alarm_id.is_not(None))
        .order_by(labels.c.id)
    )
    last = {row.alarm_id: row.verdict for row in connection.execute(query)}
    return {alarm for alarm, verdict in last.items() if verdict == _REJECTED}


def _label_spans(connection: Connection, sought: Sought) -> list[_Span]:
    """Return the stretches a person called faulty, the guard around them."""
    corrected = select(labels.c.supersedes).where(labels.c.supersedes.is_not(None))
    query = select(labels.c.start, labels.c.end).where(
        labels.c.asset == sought.asset,
        labels.c.fault.not_in((HEALTHY, *_OF_SENSORS)),
        labels.c.verdict != _REJECTED,
        labels.c.id.not_in(corrected),
    )
    return [(row.start - sought.guard, row.end + sought.guard) for row in connection.execute(query)]


def unlearned(connection: Connection, default_bundle: str) -> list[tuple[str, str]]:
    """Return (asset, serving bundle) of the registered assets that have no active profile of it.

    One that waits for more normal hours, to keep its budget of false alarms, counts as none.
    """
    champions = {"": default_bundle} | read_assignments(connection, CHAMPION)
    columns = (profiles.c.asset, profiles.c.bundle, profiles.c.limits)
    known = connection.execute(select(*columns).where(profiles.c.active))
    learned = {(row.asset, row.bundle) for row in known if not row.limits.get(HOURS_NEEDED)}
    query = select(assets.c.asset).where(assets.c.registered).order_by(assets.c.asset)
    wanted = [(asset, longest_prefix(champions, asset)) for asset in connection.scalars(query)]
    return [pair for pair in wanted if pair[1] and pair not in learned]


def hours_wanted(connection: Connection, asset: str, bundle: str) -> float:
    """Return the normal hours the asset's active profile asks for; 0 where it asks for none."""
    mine = (profiles.c.asset == asset, profiles.c.bundle == bundle, profiles.c.active)
    limits = connection.scalar(select(profiles.c.limits).where(*mine)) or {}
    return float(limits.get(HOURS_NEEDED, 0.0))


def count_archived(connection: Connection, sought: Sought) -> int:
    """Return how many windows could be normal at most: whole evidence is there, not blind.

    A quick look before the long one, `read_normal`.
    """
    there = select(shards.c.id).where(shards.c.uri.is_not(None), shards.c.removed_at.is_(None))
    possible = (
        select(windows.c.start)
        .where(
            *_within(sought),
            windows.c.bundle == sought.bundle,
            windows.c.blind.is_(False),
            windows.c.shard.in_(there),
        )
        .order_by(windows.c.start.desc())
        .limit(MOST_WINDOWS)
        .subquery()
    )
    return int(connection.scalar(select(func.count()).select_from(possible)) or 0)


def read_rows(
    connection: Connection, keys: Sequence[WindowKey]
) -> list[tuple[Window, tuple[Evidence, ...]]]:
    """Return the windows of these keys, by start, without their bytes, and the evidence of each."""
    names = tuple_(windows.c.start, windows.c.asset, windows.c.policy, windows.c.revision)
    query = select(windows).where(
        windows.c.start.in_({key.start for key in keys}),
        names.in_([(key.start, key.asset, key.policy, key.revision) for key in keys]),
    )
    return [
        (_bare(row), evidence_of(row["evidence"]))
        for row in connection.execute(query.order_by(windows.c.start)).mappings()
    ]


def _bare(row: Mapping[Any, Any]) -> Window:
    return Window(
        key=WindowKey(row["asset"], row["policy"], row["start"], row["revision"]),
        end=row["end"],
        partition=row["partition"],
        cut=row["cut"],
        items=(),
        missing=tuple(row["missing"]),
    )
