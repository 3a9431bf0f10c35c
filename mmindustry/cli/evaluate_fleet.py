"""`mmindustry evaluate fleet`: cold start on a simulated fleet."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mmindustry.cli.options import JsonOut
from mmindustry.cli.outcome import keep, said
from mmindustry.errors import InputError

_COLUMNS = (
    ("event_recall", "recall"),
    ("false_alarms_per_machine_week", "false/week"),
    ("lead_median_hours", "lead h"),
    ("lead_p10_hours", "lead p10"),
    ("delay_median_hours", "delay h"),
    ("alarm_precision", "precision"),
    ("armed_share", "armed"),
)


def fleet(
    assets: Annotated[int, typer.Option(min=1, help="Machines.")] = 20,
    days: Annotated[int, typer.Option(min=1, help="Days in all.")] = 60,
    normal_days: Annotated[int, typer.Option(min=1, help="First days, without a fault.")] = 7,
    seed: Annotated[int, typer.Option(min=0, help="Of machines and faults.")] = 202,
    budget: Annotated[
        float, typer.Option(min=0.01, max=100, help="False alarms a machine-week.")
    ] = 0.7,
    bundle: Annotated[str, typer.Option(help="Folder of the bundle that looks.")] = "builtin",
    work: Annotated[Path, typer.Option(help="Folder that keeps what was rendered.")] = Path(
        "fleet-work"
    ),
    json_out: JsonOut = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A coarse look at less, in seconds: no figure to quote.")
    ] = False,
) -> None:
    """Watch a simulated fleet that was told nothing but its first normal days.

    Example: mmindustry evaluate fleet --assets 20 --days 60 --seed 202 --json fleet.json
    """
    from mmindustry.fusion.bundle import bundle_folder
    from mmindustry.training.cold.fleet import FleetRun, evaluate_fleet
    from mmindustry.training.cold.life import FleetPlan

    begun = time.perf_counter()
    sizes: dict[str, Any] = (
        {"pool": 20, "fault_windows": 5, "step_seconds": 7200.0} if quick else {}
    )
    try:
        plan = FleetPlan(seed=seed, assets=assets, days=days, normal_days=normal_days, **sizes)
        run = FleetRun(plan=plan, bundle=bundle_folder(bundle), work=work, budget=budget)
        found = evaluate_fleet(run, said)
    except ValueError as error:
        raise InputError(str(error)) from error
    _print(found)
    keep("fleet", found, json_out, seconds=time.perf_counter() - begun)


def _print(found: Mapping[str, Any]) -> None:
    print(f"{'':14}" + "".join(f"{head:>11}" for _, head in _COLUMNS))
    for name, figures in found["ways"].items():
        cells = (figures.get(key) for key, _ in _COLUMNS)
        print(f"{name:14}" + "".join(f"{_cell(value):>11}" for value in cells))
    one = found["ways"]["all"]
    low, high = one.get("event_recall_95", (0.0, 0.0))
    print(f"events: {found['events']}")
    print(f"event_recall: {one['event_recall']:.3f} [{low:.3f}, {high:.3f}]")
    if one["achieved_over_budget"] is not None:
        low, high = one["false_alarms_per_machine_week_95"]
        rate = one["false_alarms_per_machine_week"]
        print(f"false_alarms_per_machine_week: {rate:.3f} [{low:.3f}, {high:.3f}]")
        print(f"achieved_over_budget: {one['achieved_over_budget']:.2f}")
    low, high = found["gain_over_audio_alone_95"]
    print(f"gain_over_audio_alone: {found['gain_over_audio_alone']:+.3f} [{low:+.3f}, {high:+.3f}]")


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else "-" if value is None else str(value)
