"""Cells -> the bench's table: mean and spread over seeds, and gates 1 to 8 beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Cells = Mapping[tuple[str, int], Sequence[Mapping[str, Any]]]
"""(fusion, windows) -> the figures of each seed."""


def rows_of(cells: Cells) -> list[dict[str, Any]]:
    """Return one row a fusion and size: mean and standard deviation over its seeds."""
    rows = []
    for (fusion, windows), each in sorted(cells.items(), key=lambda item: item[0][::-1]):
        row: dict[str, Any] = {"fusion": fusion, "windows": windows, "seeds": len(each)}
        for name in ("fused", "best_single", "gain", "shuffled", "inside"):
            row[name] = _spread([cell[name] for cell in each])
        row["synergy_gap"] = _spread([cell["synergy"]["gap"] for cell in each])
        row["ece"] = _spread([cell["ece"]["image+audio+text"] for cell in each])
        row["train_cpu_seconds"] = _spread([cell["train_cpu_seconds"] for cell in each])
        for modality in ("image", "audio", "text"):
            row[modality] = _spread([cell["single"][modality] for cell in each])
        rows.append(row)
    return rows


def table_text(rows: Sequence[Mapping[str, Any]], *, void: bool) -> str:
    """Return the rows as a Markdown table, void said on every figure where a gate fails."""
    head: tuple[str, ...] = (
        "fusion",
        "windows",
        "seeds",
        "fused",
        "best single",
        "gain",
        "image",
        "audio",
        "text",
    )
    head = (*head, "shuffled", "inside", "additive gap", "ECE", "train CPU s")
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for row in rows:
        figures = ("fused", "best_single", "gain", "image", "audio", "text", "shuffled", "inside")
        told = [_told(row[name]) for name in (*figures, "synergy_gap", "ece")]
        told = [f"void ({one})" if void else one for one in told]
        seconds = f"{row['train_cpu_seconds'][0]:.0f}"
        lines.append(
            " | ".join([row["fusion"], str(row["windows"]), str(row["seeds"]), *told, seconds])
        )
    return "\n".join(f"| {line} |" for line in lines)


def _spread(values: Sequence[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _told(spread: Sequence[float]) -> str:
    return f"{spread[0]:.3f} ± {spread[1]:.3f}"
