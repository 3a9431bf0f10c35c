"""The rows of a CSV or JSONL file, each with its line; none is cut short in silence."""

import csv
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from json import dumps
from pathlib import Path

import msgspec

from mmindustry.errors import InputError
from mmindustry.gateway.plan import Logs, States

Row = Mapping[str, object]

_JSON_LINES = (".jsonl", ".ndjson")
_DELIMITERS = ";\t|,"
_FIELD_BYTES = 10_000_000


def read_rows(file: Path, plan: Logs | States) -> Iterator[tuple[int, Row | str]]:
    """Yield line numbers and rows of a table; a text in place of a row says why it is none.

    Raises:
        InputError: The file can't be read, or is no such file.
    """
    try:
        with file.open(encoding=plan.encoding, newline="") as opened:
            if file.suffix.lower() in _JSON_LINES:
                yield from _json_rows(opened)
            else:
                yield from _csv_rows(opened, plan.delimiter)
    except OSError as error:
        raise InputError(f"{plan.source}: {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{plan.source}: {file} is not {plan.encoding} (byte {error.start}); "
            "name its `encoding`, such as gb18030 or cp1252"
        ) from error
    except (csv.Error, LookupError, ValueError) as error:
        raise InputError(f"{plan.source}: {file}: {error}") from error


def _csv_rows(opened: Iterator[str], delimiter: str) -> Iterator[tuple[int, Row | str]]:
    csv.field_size_limit(_FIELD_BYTES)
    reader = csv.reader(opened, delimiter=delimiter, strict=True)
    head = next(reader, [])
    twice = [name for name, count in Counter(filter(None, head)).items() if count > 1]
    if twice:
        raise ValueError(f"the head line names {', '.join(twice)} twice; rename one")
    for cells in reader:
        if cells:
            yield reader.line_num, _row(head, cells, delimiter)


def guess_delimiter(head: Collection[str]) -> str:
    """Return a hint where a head line looks as if another character parted its names."""
    names = "".join(head)
    for other in _DELIMITERS if len(head) == 1 else ():
        if other in names:
            return f"; is it {other!r} that parts them? then say `delimiter: {dumps(other)}`"
    return ""


def _row(head: list[str], cells: list[str], delimiter: str) -> Row | str:
    """Return the cells by their names, or why they don't fit the head line.

    Cells beyond the head that say nothing are let go.
    """
    told = f"{len(cells)} cells under a head line of {len(head)}"
    if any(cell.strip() for cell in cells[len(head) :]):
        quotes = f'put a field that holds {delimiter!r} in quotes, "like this"'
        return f"{told}: {quotes}{guess_delimiter(head)}"
    if len(cells) < len(head):
        return f"{told}: cells are missing; write a {delimiter!r} for each empty one"
    return dict(zip(head, cells, strict=False))


def _json_rows(lines: Iterator[str]) -> Iterator[tuple[int, Row | str]]:
    decoder = msgspec.json.Decoder(dict[str, object])
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, decoder.decode(line)
        except msgspec.DecodeError as error:
            yield number, f"no JSON object: {error}"
