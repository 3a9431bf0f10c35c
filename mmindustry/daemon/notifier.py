"""The notifier: carries what the record wants to tell out to people and programs."""

from collections.abc import Mapping
from contextlib import ExitStack
from random import Random

from mmindustry.config.load import Loaded
from mmindustry.daemon.awaiting import await_record
from mmindustry.daemon.housekeeping import Housekeeper, keep_house
from mmindustry.daemon.life import Life, living
from mmindustry.daemon.places import open_record
from mmindustry.errors import Fenced
from mmindustry.notify.outbox import Count, run_notifier
from mmindustry.notify.ways import make_notifiers
from mmindustry.ports import Notifier
from mmindustry.store.outbox import SqlOutbox
from mmindustry.store.retry import Patience
from mmindustry.stream.entry import open_publisher


def run_notifying(loaded: Loaded) -> None:
    """Carry rows out until SIGTERM; the rows in hand are finished first.

    Raises:
        Busy: Another notifier holds the SQLite database (exit 75).
    """
    with living("notifier", loaded) as life, ExitStack() as stack:
        database = open_record(life.settings)
        stack.callback(database.close)
        lock = database.lock("notifier")
        if lock is not None:
            stack.enter_context(lock)
        if not await_record(life, database):
            return
        patience = _patience(life)
        outbox = SqlOutbox(database, life.settings.outbox, patience=patience, clock=life.clock)
        ways: dict[str, Notifier] = dict(_ways(life, outbox, stack))
        ways["housekeeping"] = Housekeeper(life, database, outbox, patience=patience)
        stack.callback(keep_house(life, database))
        life.started()
        try:
            run_notifier(
                outbox,
                ways,
                life.settings.notify,
                stop=life.stop,
                count=_counted(life),
            )
        except Fenced:
            return  # asked to stop while the database was awaited


def _ways(life: Life, outbox: SqlOutbox, stack: ExitStack) -> Mapping[str, Notifier]:
    """Return channel -> its way out."""
    settings = life.settings
    policy, topics = settings.notify, settings.stream.topics
    publisher = open_publisher(settings.stream, clock=life.clock)
    stack.callback(publisher.close)
    leaving = (topics.predictions, topics.alarms)
    return make_notifiers(policy, life.clock, active=outbox.active, publish=(publisher, leaving))


def _patience(life: Life) -> Patience:
    up = life.metrics.dependency_up.labels(dependency="database")

    def keep() -> None:
        life.health.beat()
        if life.stop.wanted():
            raise Fenced("asked to stop")

    def failed(error: Exception) -> None:
        up.set(0)
        life.health.set("database", ok=False, detail=str(error).splitlines()[0])
        life.log.warning("database_awaited", error=str(error).splitlines()[0])

    def worked() -> None:
        up.set(1)
        life.health.set("database", ok=True)

    return Patience(
        keep=keep,
        wait=life.stop.wait,
        random=Random(),  # noqa: S311 - jitter
        policy=life.settings.store,
        failed=failed,
        worked=worked,
    )


def _counted(life: Life) -> Count:
    total = life.metrics.notifications_total

    def count(channel: str, outcome: str, rows: int) -> None:
        total.labels(channel=channel, outcome=outcome).inc(rows)
        if outcome != "sent":
            life.log.warning("notifications_not_sent", channel=channel, outcome=outcome, rows=rows)

    return count
