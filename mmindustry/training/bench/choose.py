"""Which fusion is the default: grouped nested cross-validation, simplest within one standard error.

Every training is kept as a small file, so that choosing goes on where it was stopped.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from mmindustry.training.bench.arena import Arena, Rows, Tell
from mmindustry.training.bench.cell import CellKey, fit_rows, score_on
from mmindustry.training.folds import nested_folds, simplest
from mmindustry.training.results import write_result

CANDIDATES = ("late", "concat", "gmu", "self_attention")
"""Simplest first."""

_SEED = 1


def choose_default(
    arena: Arena, folder: Path, tell: Tell, *, windows: int, folds: int
) -> dict[str, Any]:
    """Return the choice, what the inner folds said, and what choosing is worth on outer folds."""
    rows = arena.draw(windows, _SEED)
    data = arena.data

    def score(name: str, learn: Rows, tried: Rows) -> float:
        named = sha256(rows[learn].tobytes() + b"/" + rows[tried].tobytes()).hexdigest()[:16]
        path = folder / f"fold-{name}-{windows}-{named}.json"
        if path.exists():
            return float(json.loads(path.read_text("utf-8"))["macro_f1"])
        key = CellKey(fusion=name, windows=windows, seed=_SEED)
        trained = fit_rows(arena, key, rows[learn], lambda _: None)
        found = score_on(arena, trained, rows[tried])
        write_result(path, {"macro_f1": found, "card": arena.card.hash})
        tell(f"fold of {name}: {found:.3f} on {len(tried)} windows")
        return found

    outer = nested_folds(CANDIDATES, score, data.targets().group[rows], k=folds, seed=_SEED)
    overall = {name: [fold.scores[name] for fold in outer] for name in CANDIDATES}
    return {
        "chosen": simplest(overall),
        "scores": overall,
        "inner": [dict(fold.inner) for fold in outer],
        "chosen_in_each": [fold.chosen for fold in outer],
        "nested_macro_f1": [fold.score for fold in outer],
        "card_hash": arena.card.hash,
    }
