"""What is known of an asset's normal, and how far the watch by it has come."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from mmindustry.alerting.watch import Watch, watches_in
from mmindustry.store.queries.scope import Scope
from mmindustry.store.tables import alarm_states, profiles


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalRow:
    """An active profile without its arrays; `watch`: None where no window met it yet."""

    profile: str
    version: int
    bundle: str
    normal_hours: float
    limits: Mapping[str, float]
    created_at: datetime
    watch: Watch | None


def newest_normal(connection: Connection, scope: Scope, asset: str) -> NormalRow | None:
    """Return the newest of an asset's active profiles; None where it has none."""
    table = profiles.c
    columns = [getattr(table, name) for name in NormalRow.__slots__ if name != "watch"]
    row = connection.execute(
        select(*columns)
        .where(scope.covers(table.asset), table.asset == asset, table.active)
        .order_by(table.created_at.desc(), table.version.desc())
        .limit(1)
    ).mappings()
    found = row.first()
    if found is None:
        return None
    return NormalRow(**found, watch=watch_of(connection, asset, str(found["profile"])))


def watch_of(connection: Connection, asset: str, profile: str) -> Watch | None:
    """Return how far the watch by a profile has come; None where no window met it yet."""
    query = select(alarm_states.c.memory).where(alarm_states.c.asset == asset)
    watches = watches_in(connection.scalar(query) or {}).values()
    return next((watch for name, watch in watches if name == profile), None)
