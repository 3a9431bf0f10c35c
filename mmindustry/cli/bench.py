"""`mmindustry bench ...`: the simulator's bench, resumable, one result file a cell."""

import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from mmindustry.cli.options import JsonOut
from mmindustry.cli.outcome import keep, said
from mmindustry.errors import InputError, MissingExtra

app = typer.Typer(help="Compare fusions on the simulator's hard split; check what keeps it honest.")

Work = Annotated[Path, typer.Option(help="Keep windows and cells here; go on from what stands.")]
Data = Annotated[
    Path | None,
    typer.Option(envvar="MMINDUSTRY_DATA", help="Folder of real data, for gate 8."),
]
_WORK = Path("bench-work")


@app.callback()
def bench() -> None:
    """Compare fusions on the simulator's hard split; check what keeps it honest."""


@app.command()
def fusion(
    only: Annotated[str, typer.Option(help="Fusions, comma between them; all by default.")] = "",
    sizes: Annotated[str, typer.Option(help="Numbers of training windows.")] = "500,4000",
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each cell.")] = 3,
    work: Work = _WORK,
    data: Data = None,
    out: JsonOut = None,
) -> None:
    """Train every fusion at every size and seed; print one table with gates 1 to 8 in it.

    Example: mmindustry bench fusion --only late,concat --sizes 500 --seeds 1
    """
    _needs_torch()
    from mmindustry.simulate.difficulty import hard
    from mmindustry.training.bench.fusion import FusionBench, cells_folder, run_bench
    from mmindustry.training.provenance import made_of

    asked = FusionBench(
        work=work,
        only=tuple(_names(only)),
        sizes=tuple(_numbers(sizes)),
        seeds=seeds,
        data=data,
    )
    keys = asked.keys()

    def run() -> dict[str, Any]:
        found = run_bench(asked, said)
        folder = cells_folder(work, hard())
        return found | {"made_of": made_of(folder / f"{key.name}.json" for key in keys)}

    _show_table(_timed("bench-fusion", run, out))


@app.command()
def gates(work: Work = _WORK, data: Data = None, out: JsonOut = None) -> None:
    """Check gates 1 to 8 in full: trains the reference network once, unless its cell stands.

    Example: mmindustry bench gates --json gates.json
    """
    _needs_torch()
    from mmindustry.simulate.difficulty import hard
    from mmindustry.training.bench.arena import open_arena
    from mmindustry.training.bench.fusion import all_gates, cells_folder
    from mmindustry.training.bench.gates import void

    def run() -> dict[str, Any]:
        card = hard()
        arena = open_arena(card, work, said)
        found = all_gates(arena, cells_folder(work, card), data, said)
        documents = [gate.document() for gate in found]
        return {"card_hash": card.hash, "gates": documents, "void": void(found)}

    _show_gates(_timed("bench-gates", run, out))


@app.command()
def choose(
    size: Annotated[int, typer.Option(min=32, help="Training windows.")] = 500,
    folds: Annotated[int, typer.Option(min=2, help="Outer folds, and inner folds of each.")] = 3,
    purge: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Leave out episodes, not machines, and learn from nothing that begins within so "
            "many hours of a tested window of its machine.",
        ),
    ] = None,
    work: Work = _WORK,
    out: JsonOut = None,
) -> None:
    """Choose the default fusion by nested cross-validation, simplest within a standard error.

    Examples: mmindustry bench choose --size 500

    mmindustry bench choose --size 500 --purge 6
    """
    _needs_torch()
    from mmindustry.simulate.difficulty import hard
    from mmindustry.training.bench.arena import open_arena
    from mmindustry.training.bench.choose import choose_default
    from mmindustry.training.bench.fusion import cells_folder

    def run() -> dict[str, Any]:
        card = hard()
        arena, folder = open_arena(card, work, said), cells_folder(work, card)
        return choose_default(arena, folder, said, windows=size, folds=folds, purge_hours=purge)

    figures = _timed("bench-choose", run, out)
    for name, scores in figures["scores"].items():
        print(f"{name}: {' '.join(f'{score:.3f}' for score in scores)}")
    print(f"chosen: {figures['chosen']}")


@app.command()
def transfer(
    data: Data = None,
    bundle: Annotated[str, typer.Option(help="Bundle folder of the encoders.")] = "builtin",
    out: JsonOut = None,
) -> None:
    """Say whether encoders and heat map that learned on the simulator beat random ones on real
    material.

    Example: mmindustry bench transfer --data ../shared/data
    """
    _needs_torch()
    from mmindustry.training.bench.transfer import transfer as compare

    if data is None:
        raise InputError("transfer: --data is missing; give the folder of real data")
    folder = data
    found = _timed("bench-transfer", lambda: compare(folder, bundle, said), out)
    for kind, one in found["kinds"].items():
        material = f"{one['windows']} windows of {one['groups']} {one['groups_are']}"
        print(f"{kind}: {material}, {one['draws']} draws")
        for row in one["labels"].values():
            told = {name: value for name, value in row.items() if name != "learned_from"}
            print(f"  {row['learned_from']} labels: {_plain(told)}")
    if (heat := found["heatmap"]) is not None:
        print(f"heat map: {heat['pictures']} pictures of products, no label")
        for name in ("ours", "brightness"):
            print(f"  {name}: {_plain(heat[name])}")
        for seed, row in enumerate(heat["random"]):
            print(f"  random {seed}: {_plain(row)}")
    for name, reason in found["left_out"].items():
        print(f"left out: {name}: {reason}")


def _timed(name: str, run: Callable[[], dict[str, Any]], out: Path | None) -> dict[str, Any]:
    begin = time.monotonic()
    figures = run()
    keep(name, figures, out, seconds=time.monotonic() - begin)
    return figures


def _show_table(found: Mapping[str, Any]) -> None:
    from mmindustry.training.bench.table import table_text

    print(table_text(found["rows"], void=bool(found["void"])))
    print()
    _show_gates(found)


def _show_gates(found: Mapping[str, Any]) -> None:
    said = {True: "holds", False: "FAILS", None: "not tried: no data"}
    for gate in found["gates"]:
        print(f"gate {gate['gate']}: {said[gate['passed']]}: {gate['rule']}")
        for name, value in gate.items():
            if name not in {"gate", "rule", "passed"}:
                print(f"  {name}: {_plain(value)}")
    print(f"figures: {'void, a gate fails' if found['void'] else 'count, no gate fails'}")
    print(f"card: {found['card_hash']}")


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(inner)}" for name, inner in value.items())
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _names(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()]


def _numbers(listed: str) -> list[int]:
    try:
        return [int(name) for name in _names(listed)]
    except ValueError as error:
        raise InputError(
            f"sizes: {listed!r} is no list of whole numbers such as 500,4000"
        ) from error


def _needs_torch() -> None:
    if find_spec("torch") is None:
        raise MissingExtra("bench: needs torch; install mmindustry with the extra 'torch'")
