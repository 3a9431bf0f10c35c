"""`mmindustry feed`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmindustry.cli.config import read_settings
from mmindustry.cli.options import AsJson, ConfigFile, DryRun, speed_of

if TYPE_CHECKING:
    from mmindustry.clock import Clock
    from mmindustry.gateway.feed import FeedReport

_LINE_SECONDS = 10.0
_SHOWN = 5


def feed(
    plan: Annotated[Path, typer.Argument(help="The plan, a YAML file.")],
    speed: Annotated[
        str, typer.Option("--speed", help="Event seconds a second, at least 1; or max.")
    ] = "1",
    root: Annotated[
        Path | None, typer.Option("--root", help="What the plan's paths are relative to.")
    ] = None,
    *,
    file: ConfigFile = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Play recorded files into the stream with their own times. A second time changes nothing.

    Examples: mmindustry feed plan.yaml --speed max

    mmindustry feed plan.yaml --root /srv/recordings --speed 10
    """
    from mmindustry.clock import SystemClock
    from mmindustry.daemon.feeding import Wish, look_ahead, run_feed
    from mmindustry.daemon.stop import Stop

    wish = Wish(plan=plan, root=root, speed=speed_of("--speed", speed, least=1))
    stop = Stop()
    settings = read_settings(file).settings
    if dry_run:
        report, sensors = look_ahead(settings, wish)
        for sensor in sensors:
            every = "-" if sensor.every is None else f"{sensor.every.total_seconds():g} s"
            told = f"{sensor.modality:6} {sensor.source:24} {sensor.asset:40} every {every}"
            print(told, file=sys.stderr)
    else:
        report = run_feed(settings, wish, progress=_Progress(SystemClock()), stop=stop)
    _print(report, as_json=as_json, dry_run=dry_run)
    if report.stopped:
        raise typer.Exit(stop.exit_code)


class _Progress:
    """Tells how far a feed is: a line each ten seconds, on a terminal one that moves."""

    def __init__(self, clock: "Clock") -> None:
        self._clock = clock
        self._told_at = clock.monotonic()
        self._moves = sys.stderr.isatty()

    def __call__(self, report: "FeedReport") -> None:
        """Tell it, where it is time."""
        now = self._clock.monotonic()
        done = report.events == report.planned
        if now - self._told_at < (1.0 if self._moves else _LINE_SECONDS) and not done:
            return
        self._told_at = now
        line = f"{report.events} of {report.planned} events, at {report.last:%Y-%m-%d %H:%M:%S}Z"
        end = "\r" if self._moves and not done else "\n"
        print(line, end=end, file=sys.stderr, flush=True)


def _print(report: "FeedReport", *, as_json: bool, dry_run: bool) -> None:
    told = report.plain()
    if report.stopped:
        done = f"interrupted: sent {report.events} of {report.planned} events"
        rest = "the same command again sends the rest, and what is sent twice counts once"
        print(f"{done}; {rest}", file=sys.stderr)
    if as_json:
        print(json.dumps(told))
        return
    word = "would send" if dry_run else "sent"
    count = report.planned if dry_run else report.events
    between = f" from {told['first']} to {told['last']}" if count else ""
    print(f"{word} {count} events{between}")
    for source, sent in sorted(report.sent.items()):
        print(f"  {source}: {sent}")
    if report.doubtful:
        count = len(report.doubtful)
        print(f"doubtful local times: {count}, such as {report.doubtful[0]}", file=sys.stderr)
    for line in report.skipped[:_SHOWN]:
        print(f"skipped {line}", file=sys.stderr)
    if len(report.skipped) > _SHOWN:
        print(f"skipped {len(report.skipped) - _SHOWN} more", file=sys.stderr)
