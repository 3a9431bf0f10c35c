"""The whole plant at one look: each asset's newest judgement, state, alarms and silence."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from mmindustry.store.queries.alarms import AlarmRow, list_alarms
from mmindustry.store.queries.plant import AssetRow, list_assets
from mmindustry.store.queries.scope import Scope
from mmindustry.store.queries.trouble import count_quiet
from mmindustry.store.queries.windows import WindowRow, newest_windows
from mmindustry.store.tables import assets, states

_MAX_ALARMS = 1000


@dataclass(frozen=True, slots=True)
class Operating:
    """An asset's newest operating state; None = unknown."""

    time: datetime
    running: bool | None
    speed_rpm: float | None


@dataclass(frozen=True, slots=True)
class AssetGlance:
    """One asset on the overview; `alarms` are its active ones, the gravest first."""

    asset: AssetRow
    window: WindowRow | None
    operating: Operating | None
    alarms: tuple[AlarmRow, ...]
    quiet_sources: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The assets of a scope, `total` of them; `next` = cursor of those the cap left out."""

    assets: tuple[AssetGlance, ...]
    total: int
    next: str | None


def read_overview(
    connection: Connection, scope: Scope, *, limit: int, after: str | None = None
) -> Overview:
    """Return every asset of the scope in order of its path, at most `limit`."""
    page = list_assets(connection, scope, after=after, limit=limit)
    frontiers = {row.asset: row.frontier for row in page.rows if row.frontier is not None}
    newest = newest_windows(connection, scope, frontiers)
    operating = _operating(connection, frontiers)
    active = _by_asset(list_alarms(connection, scope, active=True, limit=_MAX_ALARMS).rows)
    quiet = count_quiet(connection, scope)
    glances = tuple(
        AssetGlance(
            row,
            newest.get(row.asset),
            operating.get(row.asset),
            active.get(row.asset, ()),
            quiet.get(row.asset, 0),
        )
        for row in page.rows
    )
    total = select(func.count()).select_from(assets).where(scope.covers(assets.c.asset))
    return Overview(glances, int(connection.execute(total).scalar_one()), page.next)


def read_glance(connection: Connection, scope: Scope, row: AssetRow) -> AssetGlance:
    """Return one asset as the overview shows it."""
    frontiers = {row.asset: row.frontier} if row.frontier is not None else {}
    inner = Scope(row.asset) if scope.allows(row.asset) else scope
    active = list_alarms(connection, inner, active=True, limit=50).rows
    return AssetGlance(
        row,
        newest_windows(connection, inner, frontiers).get(row.asset),
        _operating(connection, frontiers).get(row.asset),
        _by_asset(active).get(row.asset, ()),
        count_quiet(connection, inner).get(row.asset, 0),
    )


_GRAVITY = {"high": 0, "medium": 1, "low": 2}


def _by_asset(rows: Iterable[AlarmRow]) -> dict[str, tuple[AlarmRow, ...]]:
    found: dict[str, tuple[AlarmRow, ...]] = {}
    for row in sorted(rows, key=lambda row: _GRAVITY.get(row.priority, 3)):
        found[row.asset] = (*found.get(row.asset, ()), row)
    return found


def _operating(connection: Connection, frontiers: Mapping[str, datetime]) -> dict[str, Operating]:
    if not frontiers:
        return {}
    earliest = min(frontiers.values()) - timedelta(days=1)
    inner = states.alias("inner_states")
    newest = (
        select(func.max(inner.c.time))
        .where(inner.c.asset == states.c.asset, inner.c.time >= earliest)
        .scalar_subquery()
    )
    query = select(states).where(
        states.c.asset.in_(list(frontiers)), states.c.time >= earliest, states.c.time == newest
    )
    return {
        row.asset: Operating(row.time, row.running, row.speed_rpm)
        for row in connection.execute(query)
    }
