"""The daemons: `mmindustry run`, `worker`, `notifier`, `dashboard`, `profiler`."""

from typing import TYPE_CHECKING

import typer

from mmindustry.cli.config import read_settings
from mmindustry.cli.options import ConfigFile

if TYPE_CHECKING:
    from mmindustry.config.load import Loaded


def _settings_of(ctx: typer.Context, file: ConfigFile) -> "Loaded":
    """Return the settings, `-q` and `-v` of the root command over them."""
    return read_settings(file, {"telemetry.log_level": ctx.obj})


def worker(ctx: typer.Context, file: ConfigFile = None) -> None:
    """Read the stream, judge its windows, write the record, until SIGTERM.

    Example: mmindustry worker -c mmindustry.yaml
    """
    loaded = _settings_of(ctx, file)
    from mmindustry.daemon.worker import run_worker

    run_worker(loaded)


def notifier(ctx: typer.Context, file: ConfigFile = None) -> None:
    """Send alarms to Alertmanager and webhooks, until SIGTERM.

    Example: mmindustry notifier -c mmindustry.yaml
    """
    loaded = _settings_of(ctx, file)
    from mmindustry.daemon.notifier import run_notifying

    run_notifying(loaded)


def dashboard(ctx: typer.Context, file: ConfigFile = None) -> None:
    """Show the plant to people, until SIGTERM; the URL is printed.

    Example: mmindustry dashboard -c mmindustry.yaml
    """
    loaded = _settings_of(ctx, file)
    from mmindustry.daemon.dashboard import run_dashboard

    run_dashboard(loaded, started=lambda url: print(url, flush=True))


def profiler(ctx: typer.Context, file: ConfigFile = None) -> None:
    """Learn what is normal for each asset once it has been for long enough, until SIGTERM.

    Example: mmindustry profiler -c mmindustry.yaml
    """
    loaded = _settings_of(ctx, file)
    from mmindustry.daemon.profiler import run_profiler

    run_profiler(loaded, file)


def run(ctx: typer.Context, file: ConfigFile = None) -> None:
    """Run workers, notifier, dashboard and profiler as one process tree, until SIGTERM.

    Example: mmindustry run -c mmindustry.yaml
    """
    loaded = _settings_of(ctx, file)
    from mmindustry.daemon.all_in_one import run_all

    run_all(loaded, file)
