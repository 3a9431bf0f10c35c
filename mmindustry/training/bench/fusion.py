"""`mmindustry bench fusion`: every cell that is not there yet, then gates, then one table."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from mmindustry.errors import InputError
from mmindustry.fusion.fusions import FUSIONS
from mmindustry.simulate.difficulty import Difficulty, hard
from mmindustry.training.bench.arena import Arena, Tell, open_arena
from mmindustry.training.bench.cell import FEW, CellKey, cell_policy, run_cell
from mmindustry.training.bench.gates import (
    Gate,
    gain_gate,
    leak_gate,
    oracle_gate,
    pairing_gate,
    shift_gate,
    single_gate,
    trivial_gate,
    void,
)
from mmindustry.training.bench.realism import realism_gate
from mmindustry.training.bench.table import rows_of

REFERENCE = "late"
"""The fusion whose network, steered by the dial, the gates are held against."""

_FEW_MACHINES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionBench:
    """What to run, and where its cells and windows are kept."""

    work: Path
    only: Sequence[str] = ()
    sizes: Sequence[int] = (500, 4_000)
    seeds: int = 3
    data: Path | None = None

    def keys(self) -> list[CellKey]:
        """Return the cells in the order they are run: few windows first, seed by seed.

        Raises:
            InputError: A fusion is not registered, or a size or number of seeds is too small.
        """
        if unknown := sorted(set(self.only) - set(FUSIONS)):
            raise InputError(f"unknown fusions {unknown}; known are {', '.join(sorted(FUSIONS))}")
        if self.seeds < 1 or min(self.sizes, default=0) < 100:  # noqa: PLR2004 - fewer teach nothing
            raise InputError("at least one seed and sizes of at least 100 windows are needed")
        names = list(self.only) or list(FUSIONS)
        return [
            CellKey(fusion=name, windows=windows, seed=seed)
            for windows in sorted(self.sizes)
            for seed in range(self.seeds)
            for name in names
        ]


def run_bench(bench: FusionBench, tell: Tell) -> dict[str, Any]:
    """Return the figures of all cells, and of the gates on the reference network.

    A cell that stands in the work folder is read, not made again: kill it at any time. The gates
    are tried anew by each run, since they are what keeps it honest.
    """
    card = hard()
    keys = bench.keys()
    arena = open_arena(card, bench.work, tell)
    folder = cells_folder(bench.work, card)
    cells: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for number, key in enumerate(keys):
        tell(f"cell {number + 1} of {len(keys)}: {key.name}")
        found = run_cell(arena, key, folder, _quiet)["figures"]
        cells.setdefault((key.fusion, key.windows), []).append(found)
    gates = all_gates(arena, folder, bench.data, tell)
    return {
        "card": card.document(),
        "card_hash": card.hash,
        "rows": rows_of(cells),
        "gates": [gate.document() for gate in gates],
        "void": void(gates),
    }


def all_gates(arena: Arena, folder: Path, data: Path | None, tell: Tell) -> list[Gate]:
    """Return gates 1 to 8: on the reference network with all training windows."""
    windows = arena.card.training_windows
    tell(f"gates: the reference network ({REFERENCE}) on {windows} windows")
    key = CellKey(fusion=REFERENCE, windows=windows, seed=0)
    cell = run_cell(arena, key, folder, tell)["figures"]
    tell("gates: trivial features, permuted labels, leaks, oracle, realism")
    return [
        trivial_gate(arena),
        single_gate(cell),
        gain_gate(cell),
        pairing_gate(arena, cell, windows=min(windows, FEW), tell=_quiet),
        shift_gate(arena, machines=_FEW_MACHINES, tell=_quiet),
        leak_gate(arena),
        oracle_gate(arena, machines=arena.card.unseen),
        realism_gate(arena.card, data),
    ]


def cells_folder(work: Path, card: Difficulty) -> Path:
    """Return where the cells of a card are kept; another way of training has another folder."""
    recipes = [asdict(cell_policy(CellKey(fusion="", windows=n, seed=0))) for n in (FEW, FEW + 1)]
    trained = sha256(json.dumps(recipes, sort_keys=True, default=str).encode()).hexdigest()
    return work / f"cells-{card.name}-{card.hash[:12]}-{trained[:8]}"


def _quiet(message: str) -> None:
    del message
