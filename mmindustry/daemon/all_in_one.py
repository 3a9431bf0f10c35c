"""Everything on one machine as one process tree."""

from pathlib import Path

from mmindustry.config.load import Loaded
from mmindustry.config.settings import Settings
from mmindustry.daemon.life import living
from mmindustry.daemon.supervise import Child, Family
from mmindustry.errors import ConfigError, DependencyDown

_SQLITE = "sqlite"


def run_all(loaded: Loaded, file: Path | None) -> None:
    """Run workers, notifier and dashboard until SIGTERM; the dead are started again.

    Args:
        loaded: The settings.
        file: Where they came from; each child reads it again.

    Raises:
        ConfigError: Several workers on SQLite.
        DependencyDown: A child can't be kept alive.
    """
    settings = loaded.settings
    _check(settings)
    _make_topics(settings)
    with living("run", loaded) as life:
        family = Family(
            children_of(settings, file),
            settings.run,
            clock=life.clock,
            log=life.log,
        )
        try:
            family.start()
            life.started()
            family.watch(life.stop, life.beat)
        finally:
            family.end()
        if family.given_up:
            raise DependencyDown(
                f"{family.given_up} can't be kept alive; its last log lines say why"
            )


def children_of(settings: Settings, file: Path | None) -> list[Child]:
    """Return the processes of `run`, each with a port of its own for its health pages."""
    config = ("-c", str(file)) if file else ()
    names = [
        *(("worker", ("worker", *config)) for _ in range(settings.run.workers)),
        ("notifier", ("notifier", *config)),
        ("dashboard", ("dashboard", *config)),
    ]
    base = settings.telemetry.port
    return [
        Child(name, words, {"MMINDUSTRY__TELEMETRY__PORT": str(_port(base, at))})
        for at, (name, words) in enumerate(names, start=1)
    ]


def _port(base: int, at: int) -> int:
    """Return the port of the child number `at`; 0 (any) and -1 (none) hold for all."""
    return base + at if base > 0 else base


def _check(settings: Settings) -> None:
    if settings.run.workers > 1 and settings.store.url.startswith(_SQLITE):
        raise ConfigError(
            f"run.workers is {settings.run.workers}, but SQLite admits one worker; "
            "set it to 1, or store.url to a PostgreSQL database"
        )


def _make_topics(settings: Settings) -> None:
    """Make the local log's topics; those of Kafka are made by `mmindustry topics create`."""
    if settings.stream.kind != "local":
        return
    from mmindustry.stream.admin import specs_of
    from mmindustry.stream.entry import open_admin

    admin = open_admin(settings.stream)
    try:
        admin.create(specs_of(settings.stream.topics))
    finally:
        admin.close()
