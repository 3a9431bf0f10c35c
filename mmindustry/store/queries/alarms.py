"""Alarms with both trails: what the worker told and what operators answered."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, Select, func, select

from mmindustry.store.queries.page import Page, beyond, cut_page, read_cursor
from mmindustry.store.queries.scope import Scope
from mmindustry.store.tables import alarm_actions, alarm_transitions, alarms, windows


@dataclass(frozen=True, slots=True)
class ActionRow:
    """One answer of an operator."""

    id: int
    action: str
    at: datetime
    author: str
    until: datetime | None
    comment: str


@dataclass(frozen=True, slots=True)
class TransitionRow:
    """One step the worker told; `evidence` is plain JSON."""

    change: str
    at: datetime
    priority: str
    score: float
    bundle: str
    late: bool
    evidence: Mapping[str, object] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRow:
    """One alarm. `version` grows with every answer; `window_id` is the one that raised it."""

    id: str
    asset: str
    fault: str
    source: str
    priority: str
    raised_at: datetime
    cleared_at: datetime | None
    score: float
    bundle: str
    late: bool
    window_id: str | None
    actions: tuple[ActionRow, ...] = ()

    @property
    def version(self) -> int:
        """Id of the last answer, 0 before the first; a change must name it."""
        return self.actions[-1].id if self.actions else 0


@dataclass(frozen=True, slots=True)
class AlarmDetail:
    """An alarm with its whole trail."""

    alarm: AlarmRow
    evidence: Mapping[str, object] | None
    transitions: tuple[TransitionRow, ...]


_ORDER = (alarms.c.raised_at, alarms.c.id)


def _alarms() -> Select[tuple[object, ...]]:
    raised_by = (
        select(windows.c.id)
        .where(
            windows.c.start == alarms.c.window_start,
            windows.c.asset == alarms.c.asset,
            windows.c.policy == alarms.c.window_policy,
            windows.c.revision == alarms.c.window_revision,
        )
        .scalar_subquery()
    )
    return select(alarms, raised_by.label("window_id"))


def list_alarms(
    connection: Connection,
    scope: Scope,
    *,
    active: bool = True,
    after: str | None = None,
    limit: int = 50,
) -> Page[AlarmRow]:
    """Return alarms, the newest raise first.

    Args:
        connection: An open connection.
        scope: What the reader may see.
        active: Only those the worker has not cleared.
        after: Cursor of the page before.
        limit: Rows at most.

    Raises:
        InputError: `after` is no cursor of this list.
    """
    query = _alarms().where(scope.covers(alarms.c.asset))
    if active:
        query = query.where(alarms.c.cleared_at.is_(None))
    if after:
        key = read_cursor(after, (datetime, str))
        query = query.where(beyond(_ORDER, key, descending=True))
    query = query.order_by(*(column.desc() for column in _ORDER)).limit(limit + 1)
    rows = _with_actions(connection, connection.execute(query).all())
    return cut_page(rows, limit, lambda row: (row.raised_at, row.id))


def asset_alarms(
    connection: Connection, scope: Scope, asset: str, *, since: datetime, limit: int = 200
) -> tuple[AlarmRow, ...]:
    """Return an asset's alarms that were active after `since`, the newest raise first."""
    still = alarms.c.cleared_at.is_(None) | (alarms.c.cleared_at >= since)
    query = _alarms().where(scope.covers(alarms.c.asset), alarms.c.asset == asset, still)
    query = query.order_by(*(column.desc() for column in _ORDER)).limit(limit)
    return _with_actions(connection, connection.execute(query).all())


def window_alarms(connection: Connection, scope: Scope, window_id: str) -> tuple[AlarmRow, ...]:
    """Return the alarms that a window raised."""
    inner = _alarms().where(scope.covers(alarms.c.asset)).subquery()
    query = select(inner).where(inner.c.window_id == window_id).limit(50)
    key = (
        select(windows.c.asset, windows.c.start)
        .where(windows.c.id == window_id, scope.covers(windows.c.asset))
        .limit(1)
    )
    found = connection.execute(key).first()
    if found is None:
        return ()
    query = query.where(inner.c.asset == found.asset, inner.c.window_start == found.start)
    return _with_actions(connection, connection.execute(query).all())


def read_alarm(connection: Connection, scope: Scope, alarm_id: str) -> AlarmDetail | None:
    """Return one alarm with its trail; None where there is none in the scope."""
    query = _alarms().where(alarms.c.id == alarm_id, scope.covers(alarms.c.asset))
    found = connection.execute(query).all()
    if not found:
        return None
    trail = connection.execute(
        select(alarm_transitions)
        .where(alarm_transitions.c.alarm_id == alarm_id)
        .order_by(alarm_transitions.c.at, alarm_transitions.c.change.desc())
        .limit(200)
    ).all()
    steps = tuple(
        TransitionRow(t.change, t.at, t.priority, t.score, t.bundle, t.late, t.evidence)
        for t in trail
    )
    return AlarmDetail(_with_actions(connection, found)[0], found[0].evidence, steps)


def count_active(connection: Connection, scope: Scope) -> Mapping[str, int]:
    """Return priority -> number of alarms that are not cleared."""
    query = (
        select(alarms.c.priority, func.count())
        .where(scope.covers(alarms.c.asset), alarms.c.cleared_at.is_(None))
        .group_by(alarms.c.priority)
    )
    return {priority: int(count) for priority, count in connection.execute(query)}


def _with_actions(
    connection: Connection, found: Sequence[Row[tuple[object, ...]]]
) -> tuple[AlarmRow, ...]:
    answers = _actions(connection, [row.id for row in found])
    return tuple(
        AlarmRow(
            id=row.id,
            asset=row.asset,
            fault=row.fault,
            source=row.source,
            priority=row.priority,
            raised_at=row.raised_at,
            cleared_at=row.cleared_at,
            score=row.score,
            bundle=row.bundle,
            late=row.late,
            window_id=row.window_id,
            actions=tuple(answers.get(row.id, ())),
        )
        for row in found
    )


def _actions(connection: Connection, ids: Iterable[str]) -> dict[str, list[ActionRow]]:
    query = (
        select(alarm_actions)
        .where(alarm_actions.c.alarm_id.in_(list(ids)))
        .order_by(alarm_actions.c.id)
    )
    answers: dict[str, list[ActionRow]] = {}
    for row in connection.execute(query):
        action = ActionRow(row.id, row.action, row.at, row.author, row.until, row.comment)
        answers.setdefault(row.alarm_id, []).append(action)
    return answers
