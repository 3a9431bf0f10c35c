"""A plan's YAML file -> the plan, or all of its mistakes at once, each with its place."""

import re
from collections.abc import Iterator
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import msgspec

from mmindustry.errors import InputError
from mmindustry.gateway.plan import LogColumns, Plan, Source, StateColumns
from mmindustry.gateway.plan_sense import nonsense
from mmindustry.gateway.plan_yaml import Document, read_document

_MOST_MISTAKES = 50
_TOLD = re.compile(r"(?P<told>.*?)(?: - at `(?:key` in `)?\$(?P<where>[^`]*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_STAND_IN: dict[str, Any] = {"kind": "frames", "source": "-", "asset": "a/a/a/a", "path": "-"}
_FILLERS = {
    **_STAND_IN,
    "name": "-",
    "text": "-",
    "time": "-",
    "columns": {"time": "-"},
    "sources": [_STAND_IN],
}
_FIELDS = sorted(
    {field for kind in (Plan, *get_args(Source)) for field in kind.__struct_fields__} | {"kind"}
)
_COLUMNS = sorted({*LogColumns.__struct_fields__, *StateColumns.__struct_fields__})
_WORDS = {
    "asset": "is no asset path: four parts site/area/line/asset of small letters, digits and "
    "hyphens, such as north/press/line-1/pump-1",
    "kind": "is none of frames, audio, logs, states",
    "time": "is none of name, mtime, interval (frames: exif too)",
    "bad_rows": "is neither refuse nor skip",
}
"""What is wrong with a value of a field, where the bare rule would tell a person little."""


def read_plan(path: Path) -> Plan:
    """Return the plan that a YAML file holds.

    Raises:
        InputError: The file is missing or wrong; one line a mistake: file, line, column, what to
            do.
    """
    document = read_document(path)
    check = _Check(document)
    plan = check.converted()
    if plan is not None:
        check.sense(plan)
    if document.mistakes or plan is None:
        raise InputError(document.told())
    return plan


class _Check:
    """Holds a document against `Plan`: where a value is wrong it is told, then replaced by one
    that is right, so that the next mistake shows too."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._wrong: set[str] = set()

    def converted(self) -> Plan | None:
        """Return the plan, what was wrong in it replaced; None where it is past mending."""
        for _ in range(_MOST_MISTAKES):
            try:
                return msgspec.convert(self._document.root, Plan)
            except msgspec.ValidationError as error:
                if not self._mend(str(error)):
                    return None
        return None

    def sense(self, plan: Plan) -> None:
        """Tell what no single value shows."""
        for where, field, told in nonsense(plan):
            mended = any(_is_within(f"{where}.{field}", wrong) for wrong in self._wrong)
            if not mended and where not in self._wrong:
                self._document.wrong(f"{where}.{field}", f"{where.lstrip('.')}: {told}")

    def _mend(self, error: str) -> bool:
        """Tell one mistake and put something right in its place; False where that can't be."""
        found = _TOLD.fullmatch(error)
        told, where = (found["told"], found["where"] or "") if found else (error, "")
        if (unknown := _UNKNOWN.fullmatch(told)) is not None:
            name = unknown[1]
            self._stray(where, name)
            return self._put(f"{where}.{name}", None)
        if (missing := _MISSING.fullmatch(told)) is not None:
            name = missing[1]
            if where not in self._wrong:
                self._tell(f"{where}.{name}", "is missing")
            return self._fill(f"{where}.{name}")
        where = self._document.nearest(where)
        self._tell(where, self._in_words(where, told))
        return self._fill(where)

    def _stray(self, where: str, name: str) -> None:
        """Tell a field that nobody knows, with a guess at the one that was meant."""
        known = _COLUMNS if where.endswith(".columns") else _FIELDS
        for meant in get_close_matches(name, known, n=1):
            self._wrong.add(f"{where}.{meant}")
            self._tell(f"{where}.{name}", f"unknown field; did you mean `{meant}`?")
            return
        self._tell(f"{where}.{name}", f"unknown field; there are {', '.join(known)}")

    def _tell(self, where: str, told: str) -> None:
        self._wrong.add(where)
        self._document.wrong(where, f"{where.lstrip('.') or 'the plan'}: {told}")

    def _in_words(self, where: str, told: str) -> str:
        words = _WORDS.get(where.rpartition("].")[2])
        value = self._document.value(where)
        if words is None or not isinstance(value, str):
            return told
        return f"{value!r} {words}"

    def _fill(self, where: str) -> bool:
        """Put a value that is right at `where`; a source whose kind nobody knows goes whole."""
        parent, _, field = where.rpartition(".")
        whole = parent if field == "kind" else where
        if whole.endswith("]"):
            self._wrong.add(whole)
            return self._put(whole, _STAND_IN)
        is_needed = field in _FILLERS and (field != "time" or parent.endswith(".columns"))
        return self._put(where, _FILLERS[field] if is_needed else None)

    def _put(self, where: str, value: object) -> bool:
        """Set the value at `where`; None takes it out. Return whether there is such a place."""
        steps = list(_steps(where))
        if not steps:
            return False
        holder = self._document.value(where[: where.rfind(steps[-1][1])])
        key = steps[-1][0]
        is_item = isinstance(holder, list) and isinstance(key, int) and key < len(holder)
        if not is_item and not (isinstance(holder, dict) and isinstance(key, str)):
            return False
        if value is None:
            return not is_item and holder.pop(key, holder) is not holder
        holder[key] = deepcopy(value)
        return True


def _steps(where: str) -> Iterator[tuple[str | int, str]]:
    """Yield the keys of a place such as `.sources[2].time`, each with how it is written."""
    for step in _STEP.finditer(where):
        yield (step[1] if step[1] is not None else int(step[2])), step[0]


def _is_within(where: str, outer: str) -> bool:
    return where == outer or where.startswith((f"{outer}.", f"{outer}["))
