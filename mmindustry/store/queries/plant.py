"""The plant as people know it: sites with their zone, assets, who is unregistered."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from mmindustry.store.queries.page import Page, cut_page, read_cursor
from mmindustry.store.queries.scope import Scope
from mmindustry.store.tables import asset_state, assets, places, sites


@dataclass(frozen=True, slots=True)
class PlantNames:
    """What people call things: `zones` site -> IANA zone, `names` path -> name."""

    zones: Mapping[str, str]
    names: Mapping[str, str]

    def zone(self, path: str) -> str:
        """Return the zone in which `path` shows its times; UTC where its site names none."""
        return self.zones.get(path.split("/", 1)[0], "UTC")

    def name(self, path: str) -> str:
        """Return what people call `path`; its last part where it has no name."""
        return self.names.get(path) or path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class AssetRow:
    """One asset; `frontier` is the end of its last closed window."""

    asset: str
    name: str
    registered: bool
    card: Mapping[str, object] | None
    first_seen: datetime
    frontier: datetime | None
    updated_at: datetime | None


def read_names(
    connection: Connection, scope: Scope, *, of_assets: Collection[str] = ()
) -> PlantNames:
    """Return the names and zones of the sites, areas and lines that the scope touches.

    Args:
        connection: An open connection.
        scope: What the reader may see.
        of_assets: Assets whose names are wanted too.
    """
    zones: dict[str, str] = {}
    names: dict[str, str] = {}
    for row in connection.execute(select(sites)):
        if scope.allows(row.site) or Scope(row.site).allows(scope.prefix):
            zones[row.site] = row.zone
            names[row.site] = row.name
    for row in connection.execute(select(places.c.path, places.c.name)):
        if scope.allows(row.path) or Scope(row.path).allows(scope.prefix):
            names[row.path] = row.name
    wanted = select(assets.c.asset, assets.c.name).where(
        assets.c.asset.in_(list(of_assets)), scope.covers(assets.c.asset)
    )
    if of_assets:
        names |= {row.asset: row.name for row in connection.execute(wanted)}
    return PlantNames(zones, names)


_SEEN = (
    select(
        asset_state.c.asset,
        func.max(asset_state.c.frontier).label("frontier"),
        func.max(asset_state.c.updated_at).label("updated_at"),
    )
    .group_by(asset_state.c.asset)
    .subquery()
)


def list_assets(
    connection: Connection,
    scope: Scope,
    *,
    registered: bool | None = None,
    after: str | None = None,
    limit: int = 50,
) -> Page[AssetRow]:
    """Return assets in order of their paths; `registered` None = all.

    Raises:
        InputError: `after` is no cursor of this list.
    """
    query = (
        select(assets, _SEEN.c.frontier, _SEEN.c.updated_at.label("moved_at"))
        .outerjoin(_SEEN, _SEEN.c.asset == assets.c.asset)
        .where(scope.covers(assets.c.asset))
        .order_by(assets.c.asset)
        .limit(limit + 1)
    )
    if registered is not None:
        query = query.where(assets.c.registered.is_(registered))
    if after:
        query = query.where(assets.c.asset > str(read_cursor(after, (str,))[0]))
    rows = [
        AssetRow(r.asset, r.name, r.registered, r.card, r.first_seen, r.frontier, r.moved_at)
        for r in connection.execute(query)
    ]
    return cut_page(rows, limit, lambda row: (row.asset,))


def read_asset(connection: Connection, scope: Scope, asset: str) -> AssetRow | None:
    """Return one asset; None where there is none in the scope."""
    if not scope.allows(asset):
        return None
    query = (
        select(assets, _SEEN.c.frontier, _SEEN.c.updated_at.label("moved_at"))
        .outerjoin(_SEEN, _SEEN.c.asset == assets.c.asset)
        .where(assets.c.asset == asset)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    return AssetRow(
        row.asset, row.name, row.registered, row.card, row.first_seen, row.frontier, row.moved_at
    )
