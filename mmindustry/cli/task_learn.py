"""`mmindustry task learn ...`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmindustry.cli.evaluate_cookie import figure_lines
from mmindustry.cli.options import JsonOut
from mmindustry.cli.outcome import keep, said
from mmindustry.clock import SystemClock

if TYPE_CHECKING:
    from mmindustry.training.tasks.learn import Learned

app = typer.Typer(
    help="Learn from files of one's own; print what that is worth on groups that were left out.\n\n"
    "Example: mmindustry task learn sound recordings --out sound.json"
)

Folder = Annotated[
    Path,
    typer.Argument(
        help="A folder a class, in it files, or a folder a machine, which are never parted."
    ),
]
Out = Annotated[Path, typer.Option(help="Write what was learned here.")]
Encoder = Annotated[
    str, typer.Option(help="What looks at pictures: builtin, or efficientnet-lite0 (extra).")
]
WRITTEN = Path("task.json")


@app.command()
def text(
    data: Annotated[Path, typer.Argument(help="A .csv or .jsonl table.")],
    out: Out = WRITTEN,
    column: Annotated[str, typer.Option("--text", help="Column of the text.")] = "text",
    label: Annotated[str, typer.Option(help="Column of the class.")] = "label",
    group: Annotated[
        str, typer.Option(help="Column of what is never parted; default: the same words.")
    ] = "",
    result: JsonOut = None,
) -> None:
    """Learn to tell classes of lines.

    Example: mmindustry task learn text orders.csv --label failure_mode --group asset
    """
    from mmindustry.training.tasks.learn import learn_text
    from mmindustry.training.tasks.material import Columns

    columns = Columns(text=column, label=label, group=group)
    _classes("text", lambda: learn_text(data, columns), out, result)


@app.command()
def sound(data: Folder, out: Out = WRITTEN, result: JsonOut = None) -> None:
    """Learn to tell classes of recordings.

    Example: mmindustry task learn sound recordings --out sound.json
    """
    from mmindustry.training.tasks.learn import learn_sound

    _classes("sound", lambda: learn_sound(data), out, result)


@app.command()
def picture(
    data: Folder, out: Out = WRITTEN, encoder: Encoder = "builtin", result: JsonOut = None
) -> None:
    """Learn to tell classes of pictures.

    Example: mmindustry task learn picture photographs --out picture.json
    """
    from mmindustry.training.tasks.learn import learn_pictures

    _classes("picture", lambda: learn_pictures(data, encoder=encoder), out, result)


@app.command()
def defects(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder of pictures, with masks (`masks/NAME.png`, `NAME_mask.png`) or outlines "
            "(labelme, COCO) of their defects, or without any."
        ),
    ],
    out: Out = WRITTEN,
    labels: Annotated[
        Path | None, typer.Option(help="Where else masks and outlines are looked for.")
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="masks, or normals: by normal pictures alone; default: masks where two groups "
            "have any."
        ),
    ] = "",
    group: Annotated[
        str,
        typer.Option(
            help="What is never parted: sequence, folder, look (near-copies) or picture; default: "
            "told from the pictures."
        ),
    ] = "",
    encoder: Encoder = "builtin",
    longest: Annotated[
        int, typer.Option(help="Pixels of the longer side that pictures are brought to.")
    ] = 640,
    false_share: Annotated[
        float,
        typer.Option(help="By normals: share of normal pictures that may hold a find."),
    ] = 0.05,
    work: Annotated[
        Path | None, typer.Option(help="Keep feature maps here (1 MB a picture) for a next run.")
    ] = None,
    result: JsonOut = None,
) -> None:
    """Learn to find defects on pictures: heat, regions, and which picture has any.

    Example: mmindustry task learn defects pictures --out defects.json

    Example: mmindustry task learn defects good-ones --by normals --encoder efficientnet-lite0
    """
    from mmindustry.training.defects.marked import find_marked
    from mmindustry.training.defects.task import DefectPlan, DefectTask

    begun = SystemClock().monotonic()
    plan = DefectPlan(encoder=encoder, by=by, longest=longest, false_share=false_share)
    marked = find_marked(data, labels=labels, grouped_by=group)
    task, figures = DefectTask.fit(marked, plan, said, work=work)
    task.save(out)
    print("\n".join(figure_lines(figures)))
    _kept("defects", figures, out, result, begun=begun)


def _classes(kind: str, learned: "Callable[[], Learned]", out: Path, result: Path | None) -> None:
    begun = SystemClock().monotonic()
    found = learned()
    found.task.save(out)
    _show(found)
    _kept(kind, found.figures, out, result, begun=begun)


def _kept(
    kind: str, figures: dict[str, Any], out: Path, result: Path | None, *, begun: float
) -> None:
    said(f"written to {out}; use it by: mmindustry task tell {out} ...")
    keep(f"task-{kind}", figures, result, seconds=SystemClock().monotonic() - begun)


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
