"""Everything on one machine as one process tree."""

from collections.abc import Sequence
from pathlib import Path

from mmindustry.config.load import Loaded
from mmindustry.config.settings import Settings
from mmindustry.daemon.life import living
from mmindustry.daemon.places import make_data_dir, open_record
from mmindustry.daemon.profiler import why_idle
from mmindustry.daemon.refusals import check_workers
from mmindustry.daemon.supervise import Child, Family
from mmindustry.errors import ConfigError
from mmindustry.web.listen import require_free

_DASHBOARD = "dashboard"
_MOST_PORT = 65_535


def run_all(loaded: Loaded, file: Path | None) -> None:
    """Run workers, notifier, dashboard and profiler until SIGTERM; the dead are started again.

    Args:
        loaded: The settings.
        file: Where they came from; each child reads it again.

    Raises:
        ConfigError: Several workers on SQLite, or no room for the children's ports.
        Busy: A port is taken (exit 75); nothing was started.
        NotWritable: A folder takes no files (exit 73); nothing was started.
        ChildFailed: A child can't be kept alive; its exit code is ours.
    """
    settings = loaded.settings
    check_workers(settings)
    children = children_of(settings, file)
    _require_ports(settings, children)
    make_data_dir(settings)
    open_record(settings).close()
    _make_topics(settings)
    with living("run", loaded) as life:
        family = Family(children, settings.run, clock=life.clock, log=life.log)
        try:
            family.start()
            life.started()
            if reason := why_idle(settings):
                life.log.warning("profiler_idle", reason=reason)
            family.watch(life.stop, life.beat)
        finally:
            family.end()
        if family.failed:
            raise family.failed


def children_of(settings: Settings, file: Path | None) -> list[Child]:
    """Return the processes of `run`, each with a port of its own for its health pages."""
    config = ("-c", str(file)) if file else ()
    names = [
        *(("worker", ("worker", *config)) for _ in range(settings.run.workers)),
        ("notifier", ("notifier", *config)),
        (_DASHBOARD, (_DASHBOARD, *config)),
    ]
    if not why_idle(settings):
        names.append(("profiler", ("profiler", *config)))
    base = settings.telemetry.port
    return [
        Child(name, words, {"MMINDUSTRY__TELEMETRY__PORT": str(_port(base, at))})
        for at, (name, words) in enumerate(names, start=1)
    ]


def _port(base: int, at: int) -> int:
    """Return the port of the child number `at`; 0 (any) and -1 (none) hold for all."""
    return base + at if base > 0 else base


def _require_ports(settings: Settings, children: Sequence[Child]) -> None:
    """Refuse, before anything runs, ports that others hold: a child could only die of it."""
    telemetry = settings.telemetry
    most = _MOST_PORT - len(children)
    if telemetry.port > most:
        raise ConfigError(
            f"telemetry.port is {telemetry.port}, and each child takes one of those that follow: "
            f"set it to {most} or less, 0 for any, -1 for none"
        )
    pages = [at for at, child in enumerate(children, start=1) if child.name != _DASHBOARD]
    for at in (0, *pages):  # the tree's own, and a child's each that has no page of another kind
        require_free(telemetry.host, _port(telemetry.port, at), "telemetry.port")
    require_free(settings.dashboard.host, settings.dashboard.port, "dashboard.port")


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
