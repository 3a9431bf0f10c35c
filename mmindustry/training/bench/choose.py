"""Which fusion is the default: grouped nested cross-validation, simplest within one standard error.

Every training is kept as a small file, so that choosing goes on where it was stopped.
"""

import json
from hashlib import sha256
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.training.bench.arena import Arena, Rows, Tell
from mmindustry.training.bench.cell import CellKey, fit_rows, score_on
from mmindustry.training.folds import Purge, nested_folds, simplest
from mmindustry.training.provenance import made_of
from mmindustry.training.results import result, write_result

CANDIDATES = ("late", "concat", "gmu", "self_attention")
"""Simplest first."""

_SEED = 1


def choose_default(  # noqa: PLR0913 - what is compared, and how windows are dealt
    arena: Arena,
    folder: Path,
    tell: Tell,
    *,
    windows: int,
    folds: int,
    purge_hours: float | None = None,
) -> dict[str, Any]:
    """Return the choice, what the inner folds said, and what choosing is worth on outer folds.

    Args:
        arena: The windows.
        folder: Where every training is kept.
        tell: Takes progress.
        windows: To learn from.
        folds: Outer ones, and inner ones of each.
        purge_hours: None: folds leave out machines. Else they leave out episodes, and what begins
            within so many hours of a tested window of the same machine is not learned from.
    """
    rows, kept = arena.draw(windows, _SEED), set[Path]()
    command = f"mmindustry bench choose --size {windows} --folds {folds}"
    command += "" if purge_hours is None else f" --purge {purge_hours:g}"
    groups, purge = dealt_by(arena, rows, purge_hours)

    def score(name: str, learn: Rows, tried: Rows) -> float:
        named = sha256(rows[learn].tobytes() + b"/" + rows[tried].tobytes()).hexdigest()[:16]
        path = folder / f"fold-{name}-{windows}-{named}.json"
        kept.add(path)
        if path.exists():
            return float(json.loads(path.read_text("utf-8"))["figures"]["macro_f1"])
        begin = process_time()
        key = CellKey(fusion=name, windows=windows, seed=_SEED)
        trained = fit_rows(arena, key, rows[learn], lambda _: None)
        found = score_on(arena, trained, rows[tried])
        figures = {"macro_f1": found, "card": arena.card.hash}
        figures["train_cpu_seconds"] = cost = process_time() - begin
        write_result(path, result("fold", figures, command=command, seconds=cost))
        tell(f"fold of {name}: {found:.3f} on {len(tried)} windows")
        return found

    outer = nested_folds(CANDIDATES, score, groups, k=folds, seed=_SEED, purge=purge)
    overall = {name: [fold.scores[name] for fold in outer] for name in CANDIDATES}
    return {
        "grouped_by": "machine" if purge is None else "episode",
        "purge_hours": purge_hours,
        "chosen": simplest(overall),
        "scores": overall,
        "inner": [dict(fold.inner) for fold in outer],
        "chosen_in_each": [fold.chosen for fold in outer],
        "nested_macro_f1": [fold.score for fold in outer],
        "card_hash": arena.card.hash,
        "made_of": made_of(sorted(kept)),
    }


def dealt_by(
    arena: Arena, rows: Rows, purge_hours: float | None
) -> tuple[NDArray[np.str_], Purge | None]:
    """Return the group of each row, and what is purged: machines whole, or episodes in time.

    Raises:
        InputError: The hours are below 0.
    """
    targets = arena.data.targets().take(rows)
    if purge_hours is None:
        return targets.group, None
    purge = Purge(targets.begin, targets.group, 3600 * purge_hours)
    return arena.episode[rows].astype(np.str_), purge
