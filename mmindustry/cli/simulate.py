"""`mmindustry simulate`."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mmindustry.cli.config import read_settings
from mmindustry.cli.options import ConfigFile, DryRun, duration_of, speed_of

if TYPE_CHECKING:
    from datetime import datetime

    from mmindustry.config.load import Loaded
    from mmindustry.daemon.stop import Stop
    from mmindustry.simulate.plant import SimulatedPlant

Story = Literal["plant", "demo", "healthy"]
_MONTH_SECONDS = 30 * 86_400.0
Shown = Literal["nothing", "messages", "episodes", "equipment"]


def simulate(
    ctx: typer.Context,
    file: ConfigFile = None,
    story: Annotated[
        Story,
        typer.Option(help="plant: as the settings draw it; demo: a bearing fails; healthy: none."),
    ] = "plant",
    speed: Annotated[str, typer.Option(help="Times real time, or `max`.")] = "1",
    lasting: Annotated[
        str, typer.Option("--for", help="Plant time to play, such as 90s or 2h; empty: for ever.")
    ] = "",
    show: Annotated[
        Shown,
        typer.Option(
            help="On stdout as JSON (Lines): the truth of each message sent, the faults to come, "
            "or the registry document for `plant import`; the last two send nothing."
        ),
    ] = "nothing",
    dry_run: DryRun = False,
) -> None:
    """Play a simulated plant into the stream: frames, sound, log entries, states.

    Example: mmindustry simulate --story demo --for 60s --show messages

    Example: mmindustry simulate --show equipment > equipment.yaml
    """
    from mmindustry.clock import SystemClock
    from mmindustry.daemon.stop import Stop

    loaded = read_settings(file, {"telemetry.log_level": ctx.obj})
    pace, until = speed_of("--speed", speed), duration_of("--for", lasting)
    plant = _plant(loaded, story, SystemClock().now())
    if show == "equipment":
        print(json.dumps(plant.equipment(), indent=1))
    elif show == "episodes":
        for episode in plant.episodes(until or _MONTH_SECONDS):
            print(json.dumps(episode.document()))
    else:
        stop = Stop()
        sent = _play(loaded, plant, (pace, until), stop, show=show, dry_run=dry_run)
        cut = "interrupted: " if stop.wanted() else ""
        print(f"{cut}{'would send' if dry_run else 'sent'} {sent} messages", file=sys.stderr)
        if stop.wanted():
            raise typer.Exit(stop.exit_code)


def _plant(loaded: "Loaded", story: Story, start: "datetime") -> "SimulatedPlant":
    from mmindustry.simulate.plant import SimulatedPlant
    from mmindustry.simulate.scenario import demo_scenario, healthy_scenario

    policy, codec = loaded.settings.simulate, loaded.settings.codec
    if story == "plant":
        return SimulatedPlant(policy, start, codec=codec)
    made = demo_scenario if story == "demo" else healthy_scenario
    return made(policy.seed).plant(start, codec=codec)


def _play(
    loaded: "Loaded",
    plant: "SimulatedPlant",
    pace: tuple[float | None, float | None],
    stop: "Stop",
    *,
    show: Shown,
    dry_run: bool,
) -> int:
    """Play into the stream of the settings, or nowhere, until done, SIGTERM or Ctrl-C."""
    from mmindustry.clock import SystemClock
    from mmindustry.daemon.stop import obey_signals
    from mmindustry.simulate.play import Nowhere, Play, run_simulation, truth_of
    from mmindustry.simulate.roads import Emission
    from mmindustry.stream.entry import open_publisher

    def told(emission: Emission) -> None:
        if show == "messages":
            print(json.dumps(truth_of(emission), ensure_ascii=False), flush=True)

    clock = SystemClock()
    obey_signals(stop, drain_seconds=10.0)
    play = Play(speed=pace[0], until_seconds=pace[1], told=told)
    if dry_run:
        return run_simulation(plant, Nowhere(), clock=clock, stop=stop, play=play)
    publisher = open_publisher(loaded.settings.stream, clock=clock)
    try:
        return run_simulation(plant, publisher, clock=clock, stop=stop, play=play)
    finally:
        publisher.close()
