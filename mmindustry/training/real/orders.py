"""Failure modes of work orders told from their text alone, assets left out."""

import csv
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmindustry.errors import InputError
from mmindustry.training.tasks.text import TextTask
from mmindustry.training.texts import read_text

CAVEAT = (
    "the failure modes of this set were made by rules on the same words: a high score says that "
    "the plumbing works, not that failures are understood"
)
_TEXT, _MODE, _ASSET = "OriginalShorttext", "FM", "Asset"
_LEAST_ORDERS = 20
_LEAST_ASSETS = 2


@dataclass(frozen=True, slots=True)
class Order:
    """One work order: its text, failure mode and asset."""

    text: str
    mode: str
    asset: str


def read_orders(data: Path) -> list[Order]:
    """Return the orders with a failure mode of every table in `data/text/nestor`.

    Raises:
        InputError: The folder or a column is missing, no order has a failure mode, or a file is
            no table in UTF-8.
    """
    folder = data / "text" / "nestor"
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give --data DIR with DIR/text/nestor in it")
    found = [order for path in sorted(folder.glob("*.csv")) for order in _of(path)]
    if not found:
        raise InputError(f"{folder}: no .csv holds a work order with a failure mode")
    return found


def _of(path: Path) -> list[Order]:
    try:
        told = _rows(path)
    except csv.Error as error:
        raise InputError(f"{path}: not a readable table ({error})") from error
    return [Order(text, mode, asset) for text, mode, asset in told if text and mode and asset]


def _rows(path: Path) -> list[tuple[str, str, str]]:
    """Return text, failure mode and asset of each row."""
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""))
    absent = {_TEXT, _MODE, _ASSET} - set(rows.fieldnames or ())
    if absent:
        raise InputError(f"{path}: no column {', '.join(sorted(absent))}")
    return [(row[_TEXT], row[_MODE], row[_ASSET]) for row in rows]


def evaluate_nestor(data: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Return how well failure modes are told on assets that were left out.

    Modes of fewer than 20 orders are left out, and counted.

    Raises:
        InputError: The folder lacks what is needed.
    """
    orders = read_orders(data)
    counts = Counter(order.mode for order in orders)
    kept = [order for order in orders if counts[order.mode] >= _LEAST_ORDERS]
    if not kept:
        raise InputError(f"no failure mode has {_LEAST_ORDERS} orders")
    if len({order.asset for order in kept}) < _LEAST_ASSETS:
        raise InputError(
            f"all orders are of the asset {kept[0].asset}: one is left out at a time, so orders of "
            "at least two assets are needed"
        )
    say(f"{len(kept)} of {len(orders)} orders, {len({order.mode for order in kept})} modes")
    _, found = TextTask.fit(
        [order.text for order in kept],
        [order.mode for order in kept],
        [order.asset for order in kept],
    )
    return found | {"rare_modes_left_out": len(orders) - len(kept), "caveat": CAVEAT}
