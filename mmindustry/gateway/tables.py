"""Work orders and states of a plan as items: what the rows of a table say."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from mmindustry.codec.decode import end_of
from mmindustry.domain import LogEntry, Modality, OperatingState
from mmindustry.errors import InputError
from mmindustry.gateway.item import Item
from mmindustry.gateway.notes import Notes
from mmindustry.gateway.plan import Logs, States
from mmindustry.gateway.rows import Row, guess_delimiter, read_rows
from mmindustry.gateway.times import (
    lay,
    parse_at,
    parse_instant,
    parse_shift,
    parse_span,
    parse_zone,
)

_YES = frozenset(("true", "yes", "1", "on", "running"))
_NO = frozenset(("false", "no", "0", "off", "stopped"))
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class _Timed:
    """A row with its own time, when it says it was written, and what is doubtful about them."""

    time: datetime
    written_at: datetime | None
    line: int
    row: Row
    doubts: tuple[str, ...]


def row_items(root: Path, plan: Logs | States, now: datetime, notes: Notes) -> Iterator[Item]:
    """Return the rows of a table on the plan's time line.

    Rows that are equal and name no id are events of their own, told apart by their number.

    Args:
        root: What the plan's path is relative to.
        plan: The source.
        now: What `at: now` means.
        notes: Takes bad rows, where the plan says `bad_rows: skip`, and doubtful times.

    Raises:
        InputError: The file or a row can't be used; the message lists file, line and why.
    """
    file = root / plan.path
    timed = sorted(_read_rows(file, plan, notes), key=lambda row: (row.time, row.line))
    timed = timed[: plan.limit]
    times = lay(
        [row.time for row in timed],
        at=parse_at(plan.at, now),
        shift=None if plan.shift is None else parse_shift(plan.shift),
        every=None if plan.every is None else parse_span(plan.every, "every"),
    )
    equal: Counter[tuple[datetime, str, LogEntry | OperatingState]] = Counter()
    for time, row in zip(times, timed, strict=True):
        notes.doubtful += [f"{file}:{row.line}: {doubt}" for doubt in row.doubts]
        content = _content(plan, row, moved=time - row.time)
        salt = _cell(row.row, plan.columns.id) if isinstance(plan, Logs) else ""
        before = equal[time, salt, content]
        equal[time, salt, content] += 1
        yield Item(
            time=time,
            due=end_of(content, time),
            source=plan.source,
            asset=plan.asset,
            modality=Modality.TEXT if isinstance(plan, Logs) else Modality.STATE,
            where=f"{file}:{row.line}",
            read=lambda content=content: content,  # type: ignore[misc]  # binds this row's content
            salt=salt or (f"\n{before}" if before else ""),  # no cell begins with a new line
        )


def _read_rows(file: Path, plan: Logs | States, notes: Notes) -> list[_Timed]:
    """Return the rows that can be used; refuse or skip the others, as the plan says."""
    usable, mistakes, rows = [], [], 0
    for line, row in read_rows(file, plan):
        rows += 1
        try:
            timed = _timed(plan, line, row)
        except ValueError as error:
            mistakes.append(f"{file}:{line}: {error}")
            continue
        if timed is not None:
            usable.append(timed)
    if mistakes and (plan.bad_rows == "refuse" or not usable):
        more = f"\n... and {len(mistakes) - _SHOWN} more" if len(mistakes) > _SHOWN else ""
        hint = "\n(`bad_rows: skip` leaves them out)" if plan.bad_rows == "refuse" else ""
        raise InputError("\n".join(mistakes[:_SHOWN]) + more + hint)
    if not usable:
        raise InputError(f"{plan.source}: {file}: {_why_none(plan, rows)}")
    notes.skipped += mistakes
    return usable


def _why_none(plan: Logs | States, rows: int) -> str:
    if not rows:
        return "holds no row; give a file that has some, or take the source out of the plan"
    return f"none of its {rows} rows is wanted by `where: {dict(plan.where)}`"


def _timed(plan: Logs | States, line: int, row: Row | str) -> _Timed | None:
    """Return a row with its time; None where the plan does not want it.

    Raises:
        ValueError: It can't be used.
    """
    if isinstance(row, str):
        raise ValueError(row)  # noqa: TRY004 - its text is why the row can't be read
    if not _is_wanted(row, plan.where):
        return None
    zone = parse_zone(plan.zone)
    doubts: list[str] = []
    parse = partial(parse_instant, form=plan.format, zone=zone, doubted=doubts.append)
    time, written_at = parse(_cell(row, plan.columns.time)), _written_at(row, plan, parse)
    timed = _Timed(time, written_at, line, row, tuple(doubts))
    _content(plan, timed, moved=timedelta(0))
    return timed


def _is_wanted(row: Row, where: Mapping[str, str | tuple[str, ...]]) -> bool:
    """Return whether a row has one of the wanted values in each column."""
    return all(
        _cell(row, column) in ((wanted,) if isinstance(wanted, str) else wanted)
        for column, wanted in where.items()
    )


def _cell(row: Row, column: str | None) -> str:
    """Return a cell as text; empty where the plan names no column.

    Raises:
        ValueError: The row has no such column.
    """
    if column is None:
        return ""
    if column not in row:
        there = f"there are {', '.join(map(str, row))}"
        raise ValueError(f"no column {column!r}; {there}{guess_delimiter(row)}")
    value = row[column]
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value).strip()


def _written_at(row: Row, plan: Logs | States, parse: Callable[[str], datetime]) -> datetime | None:
    told = _cell(row, plan.columns.written_at) if isinstance(plan, Logs) else ""
    return parse(told) if told else None


def _content(plan: Logs | States, timed: _Timed, *, moved: timedelta) -> LogEntry | OperatingState:
    """Return what a row says; a time inside it moves as the row moves.

    Raises:
        ValueError: It says nothing, or nonsense.
    """
    if isinstance(plan, States):
        return _state(plan, timed.row)
    columns = (plan.columns.text,) if isinstance(plan.columns.text, str) else plan.columns.text
    text = " ".join(filter(None, (_cell(timed.row, column) for column in columns)))
    if not text:
        raise ValueError(f"no text in {', '.join(columns)}")
    precision = timedelta(0)
    if plan.time_precision is not None:
        precision = parse_span(plan.time_precision, "time_precision")
    written_at = None if timed.written_at is None else timed.written_at + moved
    return LogEntry(text, _cell(timed.row, plan.columns.author) or None, written_at, precision)


def _state(plan: States, row: Row) -> OperatingState:
    told = _cell(row, plan.columns.running).lower()
    if told and told not in _YES | _NO:
        raise ValueError(f"{plan.columns.running}: {told!r} is neither yes nor no")
    speed = _number(_cell(row, plan.columns.speed_rpm), plan.columns.speed_rpm)
    load = _number(_cell(row, plan.columns.load_ratio), plan.columns.load_ratio)
    if not told and speed is None and load is None:
        raise ValueError("no column says anything")
    return OperatingState(told in _YES if told else None, speed, load)


def _number(text: str, column: str | None) -> float | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError as error:
        raise ValueError(f"{column}: {text!r} is no number") from error
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{column}: {text} must be finite and not negative")
    return number
