"""Lists as CSV: one row a line, formulas disarmed, for spreadsheets that trust what they open."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime

from mmindustry.dashboard.show import plain

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def disarm(text: str) -> str:
    """Return text that no spreadsheet takes for a formula (OWASP ASVS 5.0, 1.2.10).

    >>> disarm("=1+1"), disarm("bearing")
    ("'=1+1", 'bearing')
    """
    return "'" + text if text.startswith(_FORMULA) else text


def _cell(value: object) -> str:
    match value:
        case None:
            text = ""
        case datetime():
            text = value.isoformat()
        case bool():
            text = str(value).lower()
        case int() | float():
            text = str(value)  # a number is never text: a negative one stays a number
        case list() | tuple():
            text = disarm(" ".join(plain(str(part)) for part in value))
        case _:
            text = disarm(plain(str(value)))
    return text


def write_csv(fields: Sequence[str], rows: Iterable[object]) -> str:
    """Return rows (dataclasses) as CSV (RFC 4180) with a header; times in UTC, RFC 3339."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow(fields)
    for row in rows:
        if not is_dataclass(row) or isinstance(row, type):
            raise TypeError(f"{row!r} is no row of a list")
        values = asdict(row)
        writer.writerow([_cell(values[field]) for field in fields])
    return target.getvalue()
