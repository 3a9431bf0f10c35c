"""`mmindustry ledger`."""

import json
from typing import TYPE_CHECKING

import typer

from mmindustry.cli.config import read_settings
from mmindustry.cli.db import database_of
from mmindustry.cli.options import AsJson, ConfigFile

if TYPE_CHECKING:
    from mmindustry.store.ledger import Balance
    from mmindustry.store.pairs import Unpaired


def ledger(file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Print, per partition, what came and what became of it; exit 1 where it does not balance.

    received = stored + dead-lettered + dropped + in flight + retired. Received comes from
    offsets, stored and dead-lettered from rows, dropped and in flight from the worker's counts.

    Rows that stand alone are told too: a window without its prediction or the reverse, an alarm
    without its trail or the window it rests on.

    Example: mmindustry ledger --json
    """
    from mmindustry.store.ledger import read_ledger
    from mmindustry.store.pairs import read_unpaired
    from mmindustry.stream.entry import count_held

    settings = read_settings(file).settings
    database = database_of(settings)
    balances = read_ledger(database)
    alone = read_unpaired(database)
    database.close()
    is_right = not alone and all(balance.is_balanced for balance in balances)
    if as_json:
        told = {"balanced": is_right, "partitions": _rows(balances), "unpaired": _alone(alone)}
        print(json.dumps(told))
    elif not balances:
        print(_nothing(count_held(settings.stream)))
    else:
        print("\n".join(_lines(balances)))
        for one in alone:
            print(f"{one.what}: {one.rows:+d}  {one.example}".rstrip())
    if not is_right:
        raise typer.Exit(1)


def _alone(found: "list[Unpaired]") -> list[dict[str, object]]:
    return [{"what": one.what, "rows": one.rows, "example": one.example} for one in found]


def _rows(balances: "list[Balance]") -> list[dict[str, object]]:
    return [
        {
            "partition": balance.partition,
            "era": balance.era,
            "closed": balance.closed,
            "received": balance.received,
            "counted": balance.counted,
            "stored": balance.stored,
            "dead_lettered": balance.dead_lettered,
            "dropped": dict(balance.dropped),
            "in_flight": balance.in_flight,
            "retired": balance.retired,
            "balanced": balance.is_balanced,
            "difference": balance.difference,
        }
        for balance in balances
    ]


_COLUMNS = ("received", "stored", "dead_lettered", "in_flight", "retired")


def _lines(balances: "list[Balance]") -> list[str]:
    lines = ["partition " + " ".join(f"{name:>13}" for name in (*_COLUMNS, "dropped"))]
    for balance in balances:
        name = f"{balance.partition}" + (f" (era {balance.era})" if balance.closed else "")
        counts = [getattr(balance, column) for column in _COLUMNS]
        dropped = ", ".join(f"{why} {n}" for why, n in sorted(balance.dropped.items()) if n) or "0"
        verdict = "" if balance.is_balanced else f"  DOES NOT BALANCE ({balance.difference:+d})"
        numbers = " ".join(f"{count:>13}" for count in counts)
        lines.append(f"{name:9} {numbers} {dropped:>13}{verdict}")
    return lines


def _nothing(held: int | None) -> str:
    """Return what to do where no worker has read anything yet."""
    told = "no worker has read anything yet"
    carry = "`mmindustry run` (or `mmindustry worker`)"
    if held is None:
        return f"{told}, and the stream can't be reached now; once it is there, {carry} reads it"
    if not held:
        return f"{told}, and nothing waits in the log: send something, then start {carry}"
    return f"{told}: {held} events wait in the log; {carry} carries them"
