"""What the notifier does between rows: beat, count what stands, let go of what is past."""

import threading
from collections.abc import Callable, Sequence

from mmindustry.alerting.budget import is_flood
from mmindustry.daemon.life import Life
from mmindustry.domain import OutboxRow, Outcome
from mmindustry.errors import MmindustryError
from mmindustry.store.archive import open_storage
from mmindustry.store.database import Database
from mmindustry.store.outbox import SqlOutbox
from mmindustry.store.queries.alarms import count_active, list_alarms
from mmindustry.store.queries.scope import Scope
from mmindustry.store.queries.trouble import count_quiet
from mmindustry.store.retention import Retention
from mmindustry.store.retry import Patience
from mmindustry.telemetry.metrics import PRIORITIES

_COUNT_SECONDS = 10.0
_RETENTION_SECONDS = 3600.0
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
        metrics.outbox_waiting.set(self._outbox.waiting())
        with self._database.read() as connection:
            active = count_active(connection, Scope())
            quiet = sum(count_quiet(connection, Scope()).values())
            newest = list_alarms(connection, Scope(), active=False, limit=_RECENT_ALARMS)
        for priority in PRIORITIES:
            metrics.alarms_active.labels(priority=priority).set(active.get(priority, 0))
        metrics.gaps_active.labels(kind="quiet").set(quiet)
        raised = sorted(alarm.raised_at for alarm in newest.rows)
        metrics.alarm_flood.set(is_flood(raised, self._life.clock.now()))


def keep_retention(life: Life, database: Database) -> Callable[[], None]:
    """Run retention every hour on a thread of its own; return how to end it."""
    thread = threading.Thread(target=_retain, args=(life, database), name="retention", daemon=True)
    thread.start()

    def end() -> None:
        thread.join(timeout=5)

    return end


def _retain(life: Life, database: Database) -> None:
    while not life.stop.wait(_RETENTION_SECONDS):
        run_retention(life, database)


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
