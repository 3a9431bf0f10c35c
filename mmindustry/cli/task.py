"""`mmindustry task ...`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmindustry.cli.options import AsJson
from mmindustry.cli.outcome import said
from mmindustry.cli.task_learn import app as learn

if TYPE_CHECKING:
    from mmindustry.training.defects.task import DefectTask, Seen

app = typer.Typer(
    help="Tell classes of text, sound or pictures by themselves, find defects on pictures."
)
app.add_typer(learn, name="learn")


@app.command()
def tell(
    task: Annotated[Path, typer.Argument(help="What `task learn` wrote.")],
    inputs: Annotated[list[str], typer.Argument(help="Files; for a text task: lines.")],
    maps: Annotated[
        Path | None,
        typer.Option(help="Defects: write each picture's heat map and mask here, as PNG."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell the class of each file or line with its probability, or the defects of each picture.

    Of a picture: its score, defective or normal, the share of normal pictures that look as
    strange, and of each region its score, left,top width x height, and area.

    Example: mmindustry task tell sound.json new/*.wav

    Example: mmindustry task tell defects.json new/*.jpg --maps maps
    """
    from mmindustry.training.defects.task import KIND, DefectTask
    from mmindustry.training.tasks.learn import CLASSIFIERS, open_task, tell_one
    from mmindustry.training.tasks.saved import kind_of

    if kind_of(task, known=(*CLASSIFIERS, KIND)) == KIND:
        _tell_defects(DefectTask.load(task), inputs, maps, as_json=as_json)
        return
    opened = open_task(task)
    for one in inputs:
        likely = tell_one(opened, one)
        best = max(likely, key=lambda name: likely[name])
        if as_json:
            print(json.dumps({"input": one, "class": best, "probabilities": likely}), flush=True)
        else:
            print(f"{likely[best]:.3f}\t{best}\t{one}", flush=True)


def _tell_defects(
    task: "DefectTask", pictures: Sequence[str], maps: Path | None, *, as_json: bool
) -> None:
    taken: dict[str, int] = {}
    for told in pictures:
        path = Path(told)
        seen = task.look(path)
        found: dict[str, Any] = {"input": told, **seen.to_json()}
        if maps is not None:
            again = taken[path.stem] = taken.get(path.stem, 0) + 1
            found |= _draw(maps, path.stem if again == 1 else f"{path.stem}-{again}", seen)
        if as_json:
            print(json.dumps(found), flush=True)
            continue
        verdict = "defective" if seen.regions else "normal"
        print(f"{seen.score:.3f}\t{verdict}\t{seen.normal_share:.3f}\t{told}", flush=True)
        for one in seen.regions:
            left, top, width, height = one.box
            print(f"\t{one.score:.3f}\t{left},{top} {width}x{height}\t{one.area} pixels")


def _draw(maps: Path, name: str, seen: "Seen") -> dict[str, str]:
    from mmindustry.training.pictures import write_picture

    maps.mkdir(parents=True, exist_ok=True)
    heat, mask = maps / f"{name}.heat.png", maps / f"{name}.mask.png"
    write_picture(heat, seen.drawn())
    write_picture(mask, seen.drawn_mask())
    said(f"wrote {heat} and {mask}")
    return {"heat": str(heat), "mask": str(mask)}
