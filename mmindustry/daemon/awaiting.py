"""Waiting for what is not there yet, alive all the while."""

import threading
from collections.abc import Callable

from mmindustry.daemon.life import Life
from mmindustry.errors import DependencyDown
from mmindustry.store.database import Database
from mmindustry.store.schema import require_current

_BEAT_SECONDS = 1.0


def await_record(life: Life, database: Database) -> bool:
    """Wait until the database answers and has our layout; False where the end came first."""
    pause = life.settings.store.retry_first_seconds
    up = life.metrics.dependency_up.labels(dependency="database")
    while True:
        try:
            require_current(database)
        except DependencyDown as error:
            life.health.set("database", ok=False, detail=str(error))
            life.log.warning("database_awaited", error=str(error).splitlines()[0])
            up.set(0)
            life.health.beat()
            if life.stop.wait(pause):
                return False
            pause = min(pause * 2, life.settings.store.retry_most_seconds)
        else:
            life.health.set("database", ok=True)
            up.set(1)
            return True


def beating(life: Life) -> Callable[[], None]:
    """Beat on a thread of its own, for daemons whose loop is a web server; return how to end it."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(_BEAT_SECONDS):
            life.beat()

    thread = threading.Thread(target=beat, name="beat", daemon=True)
    thread.start()

    def end() -> None:
        done.set()
        thread.join(timeout=5)

    return end
