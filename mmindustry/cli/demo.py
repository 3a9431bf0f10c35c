"""`mmindustry demo`."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mmindustry.cli.exits import Exit
from mmindustry.cli.options import AsJson, duration_of

if TYPE_CHECKING:
    from mmindustry.daemon.demo import Report, SeenAlarm

_PATIENCE_SECONDS = 180.0


def demo(
    until_alarm: Annotated[
        bool,
        typer.Option("--until-alarm", help="End at the first alarm; 0 if it is the right one."),
    ] = False,
    healthy: Annotated[bool, typer.Option("--healthy", help="No fault comes.")] = False,
    lasting: Annotated[
        str, typer.Option("--for", help="End after this time, such as 120s; empty: at Ctrl-C.")
    ] = "",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of the dashboard; 0 takes a free one.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Another number, another plant.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Show a whole plant on this machine: simulated, watched, judged, in a browser.

    Nothing is downloaded, nothing is kept; Ctrl-C ends it all.

    Example: mmindustry demo --until-alarm

    Example: mmindustry demo --healthy --for 120s
    """
    if healthy and until_alarm:
        raise typer.BadParameter(
            "--until-alarm waits for an alarm, --healthy sees to it that none comes: give one",
            param_hint="--until-alarm",
        )
    seconds = duration_of("--for", lasting)
    from mmindustry.daemon.demo import Wish, run_demo

    wish = Wish(
        until_alarm=until_alarm,
        healthy=healthy,
        seconds=seconds or (_PATIENCE_SECONDS if until_alarm else None),
        port=port,
        seed=seed,
    )
    report = run_demo(wish, ready=_ready, raised=_raised)
    if until_alarm or seconds or as_json:
        _print(report, as_json=as_json)
    if not (until_alarm or seconds):
        return
    if report.exit_code:
        raise typer.Exit(report.exit_code)
    if not report.is_as_scripted or (until_alarm and not report.alarms):
        raise typer.Exit(Exit.FAILED)


def _ready(url: str) -> None:
    print(f"dashboard: {url}", flush=True)
    print("Ctrl-C ends the demo and removes what it made.", file=sys.stderr)


def _raised(alarm: "SeenAlarm") -> None:
    print(
        f"alarm after {alarm.after_seconds:.1f} s: {alarm.fault} at {alarm.asset} "
        f"({alarm.priority}, window ended {alarm.at.isoformat(timespec='seconds')})",
        file=sys.stderr,
        flush=True,
    )


def _print(report: "Report", *, as_json: bool) -> None:
    if report.cut_short:
        print(f"cut short: {report.cut_short}", file=sys.stderr)
    elif report.windows_judged < report.least_windows:
        few = f"only {report.windows_judged} windows were judged, {report.least_windows} at least"
        print(f"{few} are wanted: this shows nothing; give it more time", file=sys.stderr)
    first = report.alarms[0] if report.alarms else None
    facts = {
        "alarms": len(report.alarms),
        "seconds_to_alarm": round(first.after_seconds, 1) if first else None,
        "asset": first.asset if first else None,
        "fault": first.fault if first else None,
        "alarm_at": first.at.isoformat() if first else None,
        "onset": report.onset.isoformat() if report.onset else None,
        "scripted_asset": report.asset or None,
        "scripted_fault": report.fault or None,
        "windows_judged": report.windows_judged,
        "as_scripted": report.is_as_scripted,
        "seconds": round(report.seconds, 1),
    }
    if as_json:
        print(json.dumps(facts))
    else:
        print("\n".join(f"{name}: {'-' if v is None else v}" for name, v in facts.items()))
