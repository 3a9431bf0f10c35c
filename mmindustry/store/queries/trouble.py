"""What did not go well: gaps in the data and messages that could not be read."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Connection, func, select, type_coerce

from mmindustry.store.queries.page import Page, beyond, cut_page, read_cursor
from mmindustry.store.queries.scope import Scope
from mmindustry.store.tables import dead_letters, gaps


@dataclass(frozen=True, slots=True)
class GapRow:
    """A stretch without data; `ended` None = it lasts. For `data_gap`, `source` is the topic."""

    asset: str
    source: str
    kind: str
    started: datetime
    ended: datetime | None
    partition: int
    first_offset: int | None
    last_offset: int | None


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A message that can't be used, where it stands and why; its bytes are in the topic."""

    topic: str
    partition: int
    offset: int
    reason: str
    stage: str
    modality: str | None
    detail: str
    key: str | None
    value_bytes: int
    append_time: datetime
    written_at: datetime
    era: int


_GAP_ORDER = (
    gaps.c.started,
    type_coerce(gaps.c.partition, BigInteger),  # a cursor may hold any integer
    gaps.c.asset,
    gaps.c.source,
    gaps.c.kind,
)
_LETTER_ORDER = (
    dead_letters.c.written_at,
    type_coerce(dead_letters.c.era, BigInteger),
    dead_letters.c.topic,
    type_coerce(dead_letters.c.partition, BigInteger),
    dead_letters.c.offset,
)


def list_gaps(
    connection: Connection,
    scope: Scope,
    *,
    active: bool = False,
    after: str | None = None,
    limit: int = 50,
) -> Page[GapRow]:
    """Return gaps, the newest first; `active` = only those that last.

    Raises:
        InputError: `after` is no cursor of this list.
    """
    query = select(gaps).where(scope.covers(gaps.c.asset))
    if active:
        query = query.where(gaps.c.ended.is_(None))
    if after:
        key = read_cursor(after, (datetime, int, str, str, str))
        query = query.where(beyond(_GAP_ORDER, key, descending=True))
    query = query.order_by(*(column.desc() for column in _GAP_ORDER)).limit(limit + 1)
    rows = [
        GapRow(
            r.asset,
            r.source,
            r.kind,
            r.started,
            r.ended,
            r.partition,
            r.first_offset,
            r.last_offset,
        )
        for r in connection.execute(query)
    ]
    return cut_page(
        rows, limit, lambda row: (row.started, row.partition, row.asset, row.source, row.kind)
    )


def count_quiet(connection: Connection, scope: Scope) -> dict[str, int]:
    """Return asset -> number of its sources that are quiet now."""
    query = (
        select(gaps.c.asset, func.count())
        .where(scope.covers(gaps.c.asset), gaps.c.ended.is_(None))
        .group_by(gaps.c.asset)
    )
    return {asset: int(count) for asset, count in connection.execute(query)}


def list_dead_letters(
    connection: Connection, scope: Scope, *, after: str | None = None, limit: int = 50
) -> Page[DeadLetterRow]:
    """Return dead letters, the newest first. A narrow scope sees those whose key lies in it.

    Raises:
        InputError: `after` is no cursor of this list.
    """
    key_column = func.coalesce(dead_letters.c.key, "")
    query = select(dead_letters).where(scope.covers(key_column))
    if after:
        key = read_cursor(after, (datetime, int, str, int, int))
        query = query.where(beyond(_LETTER_ORDER, key, descending=True))
    query = query.order_by(*(column.desc() for column in _LETTER_ORDER)).limit(limit + 1)
    rows = [
        DeadLetterRow(
            r.topic,
            r.partition,
            r.offset,
            r.reason,
            r.stage,
            r.modality,
            r.detail,
            r.key,
            r.value_bytes,
            r.append_time,
            r.written_at,
            r.era,
        )
        for r in connection.execute(query)
    ]
    return cut_page(
        rows, limit, lambda row: (row.written_at, row.era, row.topic, row.partition, row.offset)
    )


def count_dead_letters(connection: Connection, scope: Scope, *, since: datetime) -> int:
    """Return how many dead letters were written since then."""
    key_column = func.coalesce(dead_letters.c.key, "")
    query = select(func.count()).where(scope.covers(key_column), dead_letters.c.written_at >= since)
    return int(connection.execute(query.select_from(dead_letters)).scalar_one())
