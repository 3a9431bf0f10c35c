"""`mmindustry task ...`."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmindustry.cli.options import AsJson, JsonOut
from mmindustry.cli.outcome import keep, said
from mmindustry.clock import SystemClock

if TYPE_CHECKING:
    from mmindustry.training.tasks.learn import Learned

app = typer.Typer(help="Tell classes of text, sound or pictures by themselves.")


class Kind(StrEnum):
    """What a task is about."""

    TEXT = "text"
    SOUND = "sound"
    PICTURE = "picture"


@app.command()
def learn(
    kind: Annotated[Kind, typer.Argument(help="What it tells classes of.")],
    data: Annotated[
        Path,
        typer.Argument(
            help="Text: a .csv or .jsonl table. Else a folder a class, in it files, or a folder a "
            "machine, which are never parted."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Write what was learned here.")] = Path("task.json"),
    text: Annotated[str, typer.Option(help="Column of the text.")] = "text",
    label: Annotated[str, typer.Option(help="Column of the class.")] = "label",
    group: Annotated[
        str, typer.Option(help="Column of what is never parted; default: the same words.")
    ] = "",
    encoder: Annotated[
        str, typer.Option(help="What looks at pictures: builtin, or efficientnet-lite0 (extra).")
    ] = "builtin",
    result: JsonOut = None,
) -> None:
    """Learn to tell classes, and print what that is worth on groups that were left out.

    Example: mmindustry task learn sound recordings --out sound.json

    Example: mmindustry task learn text orders.csv --label failure_mode --group asset
    """
    from mmindustry.training.tasks import learn as learning
    from mmindustry.training.tasks.material import Columns

    clock = SystemClock()
    begun = clock.monotonic()
    if kind == Kind.TEXT:
        found = learning.learn_text(data, Columns(text=text, label=label, group=group))
    elif kind == Kind.SOUND:
        found = learning.learn_sound(data)
    else:
        found = learning.learn_pictures(data, encoder=encoder)
    found.task.save(out)
    _show(found)
    said(f"written to {out}; use it by: mmindustry task tell {out} ...")
    keep(f"task-{kind}", found.figures, result, seconds=clock.monotonic() - begun)


def _show(found: "Learned") -> None:
    figures = found.figures
    low, high = figures["macro_f1_interval"]
    for name, rows in figures["left_out"].items():
        said(f"left out, met in one group only: {name} ({rows} rows)")
    print(f"rows: {figures['rows']} of {figures['groups']} groups")
    print(f"macro_f1: {figures['macro_f1']:.3f} ({low:.3f}-{high:.3f}, groups drawn)")
    for name in ("accuracy", "ece", "control_majority_macro_f1"):
        print(f"{name}: {figures[name]:.3f}")
    for name, f1 in figures["f1"].items():
        print(f"f1 {name}: {f1:.3f}")


@app.command()
def tell(
    task: Annotated[Path, typer.Argument(help="What `task learn` wrote.")],
    inputs: Annotated[list[str], typer.Argument(help="Files; for a text task: lines.")],
    as_json: AsJson = False,
) -> None:
    """Tell the class of each file or line, with its probability.

    Example: mmindustry task tell sound.json new/*.wav

    Example: mmindustry task tell text.json "hose leaking oil"
    """
    from mmindustry.training.tasks.learn import open_task, tell_one

    opened = open_task(task)
    for one in inputs:
        likely = tell_one(opened, one)
        best = max(likely, key=lambda name: likely[name])
        if as_json:
            print(json.dumps({"input": one, "class": best, "probabilities": likely}), flush=True)
        else:
            print(f"{likely[best]:.3f}\t{best}\t{one}", flush=True)
