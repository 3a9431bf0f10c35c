"""What the notifier does between rows: beat, count what stands, let go of what is past."""

import threading
from collections.abc import Callable, Sequence

from sqlalchemy import func, select

from mmindustry.alerting.budget import is_flood
from mmindustry.daemon.life import Life
from mmindustry.domain import OutboxRow, Outcome
from mmindustry.errors import MmindustryError
from mmindustry.store.archive import open_storage
from mmindustry.store.database import Database, told_plainly
from mmindustry.store.outbox import SqlOutbox
from mmindustry.store.queries.alarms import count_active, list_alarms
from mmindustry.store.queries.scope import Scope
from mmindustry.store.queries.trouble import count_quiet
from mmindustry.store.retention import Retention
from mmindustry.store.retry import Patience
from mmindustry.stream.entry import open_admin
from mmindustry.telemetry.metrics import PRIORITIES

_COUNT_SECONDS = 10.0
_RETENTION_SECONDS = 3600.0
_LAG_SECONDS = 15.0
_RECENT_ALARMS = 50


class Housekeeper:
    """A way out that nothing leaves by: the notifier's loop tends it in each round."""

    def __init__(
        self, life: Life, database: Database, outbox: SqlOutbox, *, patience: Patience
    ) -> None:
        self._life = life
        self._database = database
        self._outbox = outbox
        self._patience = patience
        self._count_at = life.clock.monotonic()

    def tend(self) -> None:
        """Beat; every few seconds count what stands."""
        self._life.beat()
        if self._life.clock.monotonic() >= self._count_at:
            self._count_at = self._life.clock.monotonic() + _COUNT_SECONDS
            self._patience.persist(self._count)

    def send(self, rows: Sequence[OutboxRow]) -> list[Outcome]:
        """Refuse all: no row names this way."""
        return [Outcome(row.id, sent=False, final=True, detail="no way out") for row in rows]

    def _count(self) -> None:
        metrics = self._life.metrics
        waiting = self._outbox.waiting()
        metrics.outbox_waiting.set(waiting)
        metrics.queue_depth.labels(stage="sending").set(waiting)
        with self._database.read() as connection:
            active = count_active(connection, Scope())
            quiet = sum(count_quiet(connection, Scope()).values())
            newest = list_alarms(connection, Scope(), active=False, limit=_RECENT_ALARMS)
        for priority in PRIORITIES:
            metrics.alarms_active.labels(priority=priority).set(active.get(priority, 0))
        metrics.gaps_active.labels(kind="quiet").set(quiet)
        raised = sorted(alarm.raised_at for alarm in newest.rows)
        metrics.alarm_flood.set(is_flood(raised, self._life.clock.now()))


def keep_house(life: Life, database: Database) -> Callable[[], None]:
    """Do the slow chores on a thread of their own; return how to end it.

    They may wait for a stream or database that is away, which no notification shall do.
    """
    thread = threading.Thread(target=_keep, args=(life, database), name="chores", daemon=True)
    thread.start()

    def end() -> None:
        thread.join(timeout=5)

    return end


def _keep(life: Life, database: Database) -> None:
    next_retention = life.clock.monotonic() + _RETENTION_SECONDS
    while not life.stop.wait(_LAG_SECONDS):
        tell_lag(life)
        tell_skew(life, database)
        if life.clock.monotonic() >= next_retention:
            next_retention = life.clock.monotonic() + _RETENTION_SECONDS
            run_retention(life, database)


def tell_lag(life: Life) -> None:
    """Export how far the workers' group is behind; where the stream is away, nothing."""
    policy = life.settings.stream
    try:
        admin = open_admin(policy)
    except MmindustryError as error:
        life.log.warning("lag_unknown", error=str(error))
        return
    try:
        lags = admin.lag(policy.reading.group, policy.topics.inputs)
    except MmindustryError as error:
        life.log.warning("lag_unknown", error=str(error))
    else:
        gauge = life.metrics.consumer_lag_messages
        for (topic, partition), count in lags.items():
            gauge.labels(topic=topic, partition=str(partition)).set(count)
    finally:
        admin.close()


def tell_skew(life: Life, database: Database) -> None:
    """Export this host's clock less that of the PostgreSQL server."""
    if database.backend != "postgresql":
        return
    try:
        with told_plainly(database), database.read() as connection:
            theirs = connection.scalar(select(func.clock_timestamp()))
    except MmindustryError:
        return  # its absence is told by the notifier's own loop
    if theirs is not None:
        skew = (life.clock.now() - theirs).total_seconds()
        life.metrics.clock_skew_seconds.labels(peer="database").set(skew)


def run_retention(life: Life, database: Database) -> None:
    """Delete once what is older than its class allows; a failure is logged and tried next time."""
    settings = life.settings
    storage = None if settings.archive.url == "off" else open_storage(settings.archive.url)

    def remove(uri: str) -> None:
        if storage is not None:
            storage.delete(uri)

    run = Retention(database, settings.retention, life.clock.now(), remove)
    try:
        deleted = run.run()
    except (OSError, MmindustryError) as error:
        life.log.warning("retention_failed", error=str(error))
    else:
        life.log.info("retention_ran", **{name: count for name, count in deleted.items() if count})
