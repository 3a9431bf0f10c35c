"""All tables of the record (design: one row is written once; the exceptions say so).

Times are UTC. `start` is a window's start and, on PostgreSQL, the day that partitions the big
tables. `written_at` is the wall time of writing and decides retention only.
"""

from mmindustry.store.tables.alarms import (
    alarm_actions,
    alarm_transitions,
    alarms,
    labels,
    outbox,
)
from mmindustry.store.tables.metadata import BY_DAY, metadata
from mmindustry.store.tables.models import assignments, bundles, profiles
from mmindustry.store.tables.plant import assets, places, sensors, sites
from mmindustry.store.tables.progress import (
    alarm_states,
    asset_state,
    closed_progress,
    layout,
    partition_progress,
    retired,
)
from mmindustry.store.tables.record import (
    dead_letters,
    entries,
    gaps,
    late,
    predictions,
    shards,
    states,
    windows,
)

__all__ = [
    "BY_DAY",
    "alarm_actions",
    "alarm_states",
    "alarm_transitions",
    "alarms",
    "asset_state",
    "assets",
    "assignments",
    "bundles",
    "closed_progress",
    "dead_letters",
    "entries",
    "gaps",
    "labels",
    "late",
    "layout",
    "metadata",
    "outbox",
    "partition_progress",
    "places",
    "predictions",
    "profiles",
    "retired",
    "sensors",
    "shards",
    "sites",
    "states",
    "windows",
]
