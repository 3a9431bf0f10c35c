"""Closed windows and what was said of them: newest first, as a series, and one in full."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Connection, Row, Select, and_, func, select, type_coerce

from mmindustry.domain import WindowKey
from mmindustry.store.queries.page import Page, beyond, cut_page, read_cursor
from mmindustry.store.queries.scope import Scope
from mmindustry.store.tables import predictions, windows

Reading = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRow:
    """A window with the judgement of the bundle it was given to (None = nobody judged it).

    `health` = 1 - P(any fault); `risk_24h` = P(failure within 24 h); `novelty_p` = the lowest
    p-value of its modalities. `failed` = bounded code where no judgement came about.
    """

    id: str
    asset: str
    policy: str
    start: datetime
    end: datetime
    revision: int
    closed_by: str
    missing: tuple[str, ...]
    blind: bool
    fault: str | None
    fault_probability: float | None
    health: float | None
    risk_24h: float | None
    novelty_p: float | None
    failed: str | None


@dataclass(frozen=True, slots=True)
class Point:
    """One window of a series; `novelty` modality -> p-value."""

    window_id: str
    end: datetime
    health: float | None
    risk_24h: float | None
    novelty: Reading


_JUDGED = and_(
    predictions.c.start == windows.c.start,
    predictions.c.asset == windows.c.asset,
    predictions.c.policy == windows.c.policy,
    predictions.c.revision == windows.c.revision,
    predictions.c.bundle == windows.c.bundle,
)
_COLUMNS = (
    windows.c.id,
    windows.c.asset,
    windows.c.policy,
    windows.c.start,
    windows.c.end,
    windows.c.revision,
    windows.c.closed_by,
    windows.c.missing,
    windows.c.blind,
    predictions.c.fault,
    predictions.c.fault_probability,
    predictions.c.health,
    predictions.c.risk_24h,
    predictions.c.novelty_p,
    predictions.c.reason.label("failed"),
)
_ORDER = (windows.c.start, windows.c.policy, type_coerce(windows.c.revision, BigInteger))


def _rows(found: Sequence[Row[tuple[object, ...]]]) -> list[WindowRow]:
    return [
        WindowRow(**{**row._mapping, "missing": tuple(row.missing)})  # noqa: SLF001 - public name
        for row in found
    ]


def _listed() -> Select[tuple[object, ...]]:
    return select(*_COLUMNS).outerjoin(predictions, _JUDGED)


def list_windows(
    connection: Connection, scope: Scope, asset: str, *, after: str | None = None, limit: int = 50
) -> Page[WindowRow]:
    """Return an asset's windows, the newest first, revisions beside the first judgement.

    Raises:
        InputError: `after` is no cursor of this list.
    """
    query = _listed().where(windows.c.asset == asset, scope.covers(windows.c.asset))
    if after:
        key = read_cursor(after, (datetime, str, int))
        query = query.where(beyond(_ORDER, key, descending=True))
    query = query.order_by(*(column.desc() for column in _ORDER)).limit(limit + 1)
    rows = _rows(connection.execute(query).all())
    return cut_page(rows, limit, lambda row: (row.start, row.policy, row.revision))


def newest_windows(
    connection: Connection, scope: Scope, frontiers: Mapping[str, datetime]
) -> dict[str, WindowRow]:
    """Return asset -> its newest window, for the assets and ends of last windows given."""
    if not frontiers:
        return {}
    earliest = min(frontiers.values()) - timedelta(days=1)
    inner = windows.alias("inner_windows")
    newest = (
        select(func.max(inner.c.start))
        .where(inner.c.asset == windows.c.asset, inner.c.start >= earliest)
        .scalar_subquery()
    )
    found: dict[str, WindowRow] = {}
    for some in _chunks(list(frontiers), 400):
        query = _listed().where(
            scope.covers(windows.c.asset),
            windows.c.asset.in_(some),
            windows.c.start >= earliest,
            windows.c.start == newest,
        )
        for row in sorted(_rows(connection.execute(query).all()), key=lambda row: row.revision):
            found[row.asset] = row
    return found


def _chunks(items: list[str], size: int) -> list[list[str]]:
    return [items[place : place + size] for place in range(0, len(items), size)]


def neighbours(
    connection: Connection, scope: Scope, key: WindowKey
) -> tuple[str | None, str | None]:
    """Return the ids of the asset's windows before and after this one, newest revisions first."""
    same = and_(
        scope.covers(windows.c.asset),
        windows.c.asset == key.asset,
        windows.c.policy == key.policy,
    )
    before = (
        select(windows.c.id)
        .where(same, windows.c.start < key.start)
        .order_by(windows.c.start.desc(), windows.c.revision.desc())
        .limit(1)
    )
    after = (
        select(windows.c.id)
        .where(same, windows.c.start > key.start)
        .order_by(windows.c.start, windows.c.revision.desc())
        .limit(1)
    )
    return connection.execute(before).scalar(), connection.execute(after).scalar()


def count_judged(connection: Connection) -> int:
    """Return how many judgements there are, failures apart."""
    query = select(func.count()).select_from(predictions).where(predictions.c.reason.is_(None))
    return int(connection.execute(query).scalar_one())


def read_series(
    connection: Connection, scope: Scope, asset: str, *, since: datetime, points: int
) -> list[Point]:
    """Return an asset's judged windows since then, oldest first, at most about `points`.

    Longer series are thinned to the window of lowest health in each stretch: a fault stays seen.
    Of several revisions of one window the newest counts.
    """
    chosen = [
        predictions.c.window_id,
        predictions.c.end,
        predictions.c.health,
        predictions.c.risk_24h,
        predictions.c.novelty,
    ]
    query = (
        select(*chosen, windows.c.start, windows.c.policy)
        .join(windows, _JUDGED)
        .where(scope.covers(windows.c.asset), windows.c.asset == asset, windows.c.start >= since)
        .order_by(windows.c.start, windows.c.revision)
        .execution_options(yield_per=2000)
    )
    newest: dict[tuple[datetime, str], Point] = {}
    for row in connection.execute(query):
        point = Point(row.window_id, row.end, row.health, row.risk_24h, row.novelty or {})
        newest[row.start, row.policy] = point
    return thin(list(newest.values()), points)


def thin(series: list[Point], points: int) -> list[Point]:
    """Return at most about `points` of a series: of each stretch the one of lowest health."""
    if len(series) <= points:
        return series
    stretch = -(-len(series) // points)
    return [
        min(series[place : place + stretch], key=lambda p: 2.0 if p.health is None else p.health)
        for place in range(0, len(series), stretch)
    ]
