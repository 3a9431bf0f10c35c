"""What a task learns from: files in a folder a class, or lines in a table."""

import csv
import io
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmindustry.errors import InputError
from mmindustry.features.text import words
from mmindustry.training.texts import read_text

_LEAST_GROUPS = 2
_SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class Filed:
    """Files to learn from: the class of each, and what must not be parted (its machine).

    `left_out`: class -> files, where nothing could be tried on what was not learned.
    """

    classes: Mapping[Path, str]
    groups: Mapping[Path, str]
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines to learn from, with the class and the group of each; `left_out` as of `Filed`."""

    lines: Sequence[str]
    labels: Sequence[str]
    groups: Sequence[str]
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of a table's columns; an empty `group`: lines of the same words belong together."""

    text: str = "text"
    label: str = "label"
    group: str = ""


def files_by_class(folder: Path, suffixes: Collection[str]) -> Filed:
    """Return the files of FOLDER/CLASS/..., a folder below the class being a machine.

    A file right in its class's folder is a group by itself. Hidden files are passed.

    Raises:
        InputError: There are fewer than two classes of two groups each.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one that holds a folder a class")
    classes: dict[Path, str] = {}
    groups: dict[Path, str] = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        fitting = path.suffix.lower() in suffixes and path.is_file() and len(parts) > 1
        if not fitting or any(part.startswith(".") for part in parts):
            continue
        classes[path] = parts[0]
        groups[path] = "/".join(parts[1:2]) if len(parts) > 2 else str(path)  # noqa: PLR2004
    pairs = [(classes[path], groups[path]) for path in classes]
    rare = rare_classes(f"{folder} ({', '.join(sorted(suffixes))})", pairs)
    kept = {path: label for path, label in classes.items() if label not in rare}
    return Filed(kept, {path: groups[path] for path in kept}, rare)


def lines_in(path: Path, columns: Columns) -> Lines:
    """Return the lines of a .csv or .jsonl table that have a text and a label.

    Raises:
        InputError: It can't be read, a column is missing, or there is too little to learn from.
    """
    rows = _rows(path)
    if not rows:
        raise InputError(f"{path}: empty, there is no row in it; give labelled lines")
    wanted = [name for name in (columns.text, columns.label, columns.group) if name]
    told: list[tuple[str, str, str]] = []
    for number, row in enumerate(rows, start=1):
        if absent := [name for name in wanted if name not in row]:
            raise InputError(
                f"{path}: row {number} has no column {', '.join(absent)}; it has {', '.join(row)}"
            )
        text, label = (str(row[name] or "").strip() for name in (columns.text, columns.label))
        group = str(row[columns.group] or "") if columns.group else " ".join(words(text))
        if text and label:
            told.append((text, label, group))
    rare = rare_classes(str(path), [(label, group) for _, label, group in told])
    lines, labels, groups = zip(*(row for row in told if row[1] not in rare), strict=True)
    return Lines(lines, labels, groups, rare)


def rare_classes(place: str, pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return class -> rows of those that are met in one group only.

    Nothing of such a class could be tried on what was not learned.

    Args:
        place: Where they are from, for the error.
        pairs: (class, group) of each row.

    Raises:
        InputError: Fewer than two other classes are left.
    """
    met = Counter(label for label, _ in set(pairs))
    rare = {label for label, count in met.items() if count < _LEAST_GROUPS}
    if len(met) - len(rare) < 2:  # noqa: PLR2004 - nothing to tell apart
        raise InputError(
            f"{place}: {len(met)} classes, {len(rare)} of them met in one group only; two are "
            "needed that are met in two groups each: files, machines or different lines"
        )
    return {label: sum(1 for one, _ in pairs if one == label) for label in sorted(rare)}


def _separator(text: str) -> str:
    r"""Return what parts the names of the head line: whichever of `,`, `;` and tab is there most.

    >>> _separator("text;label\nruns hot, at night;bearing")
    ';'
    """
    head = text.lstrip("\r\n").partition("\n")[0]
    return max(_SEPARATORS, key=head.count)


def _rows(path: Path) -> list[Mapping[str, Any]]:
    text = read_text(path)
    if path.suffix.lower() != ".jsonl":
        lines = io.StringIO(text, newline="")
        return list(csv.DictReader(lines, restkey="(nameless)", delimiter=_separator(text)))
    found: list[Mapping[str, Any]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}: line {number} is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}: line {number} is no JSON object")
        found.append(row)
    return found
