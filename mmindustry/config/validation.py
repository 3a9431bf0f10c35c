"""Values of all sources together -> settings, or every mistake in them at once."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mmindustry.config import shape
from mmindustry.config.convert import Converter
from mmindustry.config.mistakes import BadConfig, Mistake, Origin, Path
from mmindustry.config.settings import Settings
from mmindustry.config.tree import Tree
from mmindustry.telemetry.logs import MASK, is_secret_name, mask_text

_LONGEST_GOT = 60
_RULE = "value_error"
"""Pydantic's name for what a policy's own `__post_init__` raised."""
_EXPECTED = {
    "int": "expected an integer",
    "float": "expected a number",
    "bool": "expected true or false",
    "string": "expected text",
    "tuple": "expected a list",
    "list": "expected a list",
    "dict": "expected a mapping",
    "dataclass": "expected a section (key: value lines)",
    "model": "expected a section (key: value lines)",
    "path": "expected a path",
}


def validated(merged: Tree) -> Settings:
    """Return the settings that the values make.

    A policy stops at its first broken rule, and checks none where a key is unknown or of a wrong
    type. So what is wrong is noted and set aside, and the rest is judged again, until nothing is.

    Raises:
        BadConfig: With every mistake there is, each with its place.
    """
    converter = Converter(merged.origins)
    values = converter.convert(merged.values, Settings)
    judge = _Judge(values, merged.origins)
    for mistake in (*merged.mistakes, *converter.wrong):
        judge.note(mistake)
    judge.note_strays()
    settings = judge.settle()
    if judge.mistakes or settings is None:
        raise BadConfig(judge.mistakes)
    return settings


def origin_of(path: Path, origins: Mapping[Path, Origin]) -> Origin:
    """Return where the value at `path` came from: it, else what is in it, else what it is in."""
    if path in origins:
        return origins[path]
    inside = sorted(_inside(path, origins), key=str)
    if path and inside:
        return origins[inside[0]]
    for length in range(len(path) - 1, 0, -1):
        if path[:length] in origins:
            return origins[path[:length]]
    return Origin("defaults")


class _Judge:
    """Judges values until nothing new is wrong with them; `mistakes` holds what was."""

    def __init__(self, values: dict[str, Any], origins: Mapping[Path, Origin]) -> None:
        self.mistakes: list[Mistake] = []
        self._values = values
        self._origins = origins
        self._aside: set[str] = set()

    def note(self, mistake: Mistake) -> bool:
        """Add a mistake and set its value aside; return whether there was one."""
        if mistake.path not in {known.path for known in self.mistakes} or not mistake.path:
            self.mistakes.append(mistake)
        return self._set_aside(mistake.path)

    def note_strays(self) -> None:
        """Note every key that no section knows; a variable's is told under the variable's name."""
        for path in list(_strays(self._values, Settings, ())):
            close = get_close_matches(str(path[-1]), _siblings(path), n=1)
            self._aside.update(close)  # the key that was meant is not as its writer thinks
            told = [path] if path in self._origins else _inside(path, self._origins)
            for place in told or [path]:
                origin = origin_of(place, self._origins)
                self.mistakes.append(Mistake(origin, path, "unknown key", hint=_meant(path, close)))
            self._set_aside(path)

    def settle(self) -> Settings | None:
        """Return the settings of what is not set aside; None where that can't be found out."""
        while True:
            try:
                return Settings.model_validate(self._values)
            except ValidationError as error:
                details = error.errors(include_url=False)
            moved = [self._take(detail) for detail in details]
            if not any(moved):
                return None

    def _take(self, detail: ErrorDetails) -> bool:
        mistake = _mistake(detail, self._origins)
        if detail["type"] != _RULE:
            return self.note(mistake)
        cause = _cause(mistake, self._origins)
        told = replace(mistake, origin=origin_of(cause, self._origins))
        moved = not self._is_echo(mistake) and self.note(told)
        return self._set_aside(cause) or moved

    def _is_echo(self, mistake: Mistake) -> bool:
        """Return whether a rule speaks of a key that is set aside: its default broke it, maybe."""
        words = set(re.findall(r"\w+", mistake.expected))
        return any(_names(name) & words for name in self._aside)

    def _set_aside(self, path: Path) -> bool:
        """Take the value at `path` (the whole list, where it is in one) out of the values."""
        below: Any = self._values
        keys = path[: next((i for i, step in enumerate(path) if isinstance(step, int)), len(path))]
        for key in keys[:-1]:
            if not isinstance(below.get(key), dict):
                return False
            below = below[key]
        if not keys or keys[-1] not in below:
            return False
        del below[keys[-1]]
        self._aside.add(str(keys[-1]))
        return True


def _cause(mistake: Mistake, origins: Mapping[Path, Origin]) -> Path:
    """Return the key whose value broke a rule: a default can't, but what is set beside it can."""
    if mistake.path in origins:
        return mistake.path
    words = set(re.findall(r"\w+", mistake.expected))
    beside = [path for path in origins if path and path[:-1] == mistake.path[:-1]]
    return next((path for path in beside if _names(path[-1]) & words), mistake.path)


def _names(key: str | int) -> set[str]:
    """Return how messages call a key: with its unit, and without."""
    return {str(key), re.sub(r"_(seconds|bytes)$", "", str(key))}


def _strays(values: Any, kind: Any, path: Path) -> Iterator[Path]:
    """Yield the path of each key that the settings do not have."""
    steps: Any = ()
    if isinstance(values, dict):
        steps = values.items()
    elif isinstance(values, list):
        steps = enumerate(values)
    known = shape.members(kind)
    for step, value in steps:
        here = (*path, step)
        if isinstance(step, str) and known is not None and step not in known:
            yield here
            continue
        inner = shape.at(kind, (step,))
        if inner is not None:
            yield from _strays(value, inner, here)


def _inside(path: Path, origins: Mapping[Path, Origin]) -> list[Path]:
    return [known for known in origins if known[: len(path)] == path]


def _siblings(path: Path) -> Mapping[str, Any]:
    return shape.members(shape.at(Settings, path[:-1])) or {}


def _meant(path: Path, close: list[str]) -> str:
    return f"did you mean `{close[0]}`?" if close else f"known here: {', '.join(_siblings(path))}"


def _mistake(detail: ErrorDetails, origins: Mapping[Path, Origin]) -> Mistake:
    path = _real_path(detail["loc"])
    if detail["type"] == "missing":
        return Mistake(origin_of(path, origins), path, "expected a value, there is none")
    if detail["type"] == _RULE:
        path, text = _blamed(path, str(detail["ctx"]["error"]))
        return Mistake(origin_of(path, origins), path, text)
    got = _shown(path, detail["input"])
    return Mistake(origin_of(path, origins), path, _expectation(detail), got)


def _expectation(detail: ErrorDetails) -> str:
    if detail["type"] in {"literal_error", "enum"}:
        return f"expected {detail['ctx']['expected']}"
    words = detail["type"].split("_")
    if words[-1] in {"type", "parsing"} or words[0] in {"dataclass", "model"}:
        known = _EXPECTED.get(words[0])
        if known:
            return known
    text = detail["msg"].removeprefix("Input should be ")
    return f"expected {text[0].lower()}{text[1:]}"


def _blamed(path: Path, message: str) -> tuple[Path, str]:
    """Return the key that a policy's own message begins with, and the rest of the message."""
    word = re.match(r"([\w.]+):? ", message)
    if word:
        blamed = (*path, *word[1].split("."))
        if shape.at(Settings, blamed) is not None:
            return blamed, message[word.end() :]
    return path, message


def _real_path(loc: tuple[int | str, ...]) -> Path:
    """Return the steps of `loc` that are keys; pydantic adds tags of unions between them."""
    path: Path = ()
    for step in loc:
        if shape.at(Settings, (*path, step)) is not None or step == loc[-1]:
            path = (*path, step)
    return path


def _shown(path: Path, value: Any) -> str:
    if any(is_secret_name(str(step)) for step in path):
        return MASK
    text = mask_text(json.dumps(value, default=str, ensure_ascii=False), ())
    return text if len(text) <= _LONGEST_GOT else f"{text[:_LONGEST_GOT]}..."
