"""The dashboard as a daemon: its record and archive opened, its pages served."""

from collections.abc import Callable
from contextlib import ExitStack

from mmindustry.config.load import Loaded
from mmindustry.daemon.awaiting import await_record, beating
from mmindustry.daemon.life import living
from mmindustry.daemon.places import open_record
from mmindustry.dashboard.app import create_app
from mmindustry.store.archive import open_archive
from mmindustry.store.registry import named_shards
from mmindustry.web.serve import serve


def run_dashboard(loaded: Loaded, *, started: Callable[[str], None]) -> None:
    """Serve the dashboard until SIGTERM.

    Args:
        loaded: The settings.
        started: Told the URL once the server accepts connections.

    Raises:
        ConfigError: The address is public and unprotected (exit 78).
        Busy: The port is taken (exit 75).
    """
    with living("dashboard", loaded, pages=False) as life, ExitStack() as stack:
        settings = life.settings
        database = open_record(settings)
        stack.callback(database.close)
        if not await_record(life, database):
            return
        archive = open_archive(settings.archive, clock=life.clock, named=named_shards(database))
        app = create_app(
            database,
            archive,
            policy=settings.dashboard,
            clock=life.clock,
            metrics=life.metrics,
        )

        def told(url: str) -> None:
            life.started()
            started(url)

        stack.callback(beating(life))
        serve(
            app,
            settings.dashboard,
            stop=life.stop.event,
            started=told,
            stopping=app.state.live.close,
        )
