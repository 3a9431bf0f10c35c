"""`mmindustry gateway`."""

import typer

from mmindustry.cli.config import read_settings
from mmindustry.cli.options import ConfigFile


def gateway(ctx: typer.Context, file: ConfigFile = None) -> None:
    """Take events by `POST /v1/events` into the stream, until SIGTERM; the URL is printed.

    Example: mmindustry gateway -c mmindustry.yaml

    \b
    curl -X POST http://127.0.0.1:8081/v1/events -d "bearing runs hot" \\
      -H "ce-specversion: 1.0" -H "ce-type: io.mmindustry.log.v1" -H "ce-id: 1" \\
      -H "ce-source: log-1" -H "ce-subject: north/press/line-1/pump-1" \\
      -H "content-type: text/plain"
    """  # noqa: D301 - the \b is one, for the help to keep these lines
    loaded = read_settings(file, {"telemetry.log_level": ctx.obj})
    from mmindustry.daemon.gateway import run_gateway

    run_gateway(loaded, started=lambda url: print(url, flush=True))
