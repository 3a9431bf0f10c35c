"""A YAML file as plain values, each with the line and column it stands at; times stay text."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from mmindustry.errors import InputError

_MOST_CHARACTERS = 1024 * 1024
_MOST_NODES = 100_000
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


@dataclass(slots=True)
class Document:
    """A file's values; `places`: `.sources[2].time` -> its line and column, both from 1."""

    path: Path
    root: Any = None
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    mistakes: list[tuple[tuple[int, int], str]] = field(default_factory=list)

    def wrong(self, where: str, told: str) -> None:
        """Note a mistake at a place, or at what it should stand in."""
        self.mistakes.append((self.places.get(self.nearest(where), (1, 1)), told))

    def told(self) -> str:
        """Return all mistakes in their order in the file, one a line."""
        return "\n".join(
            f"{self.path}:{line}:{column}: {told}"
            for (line, column), told in sorted(set(self.mistakes))
        )

    def nearest(self, where: str) -> str:
        """Return `where`, or what it stands in where there is no such place."""
        while where and where not in self.places:
            where = where[: max(where.rfind("."), where.rfind("["))]
        return where

    def value(self, where: str) -> Any:
        """Return the value at a place, None where there is none."""
        found = self.root
        for name, index in _STEP.findall(where):
            if name and isinstance(found, dict):
                found = found.get(name)
            elif index and isinstance(found, list) and int(index) < len(found):
                found = found[int(index)]
            else:
                return None
        return found


def read_document(path: Path) -> Document:
    """Return what a YAML file holds; what contradicts itself is among its `mistakes`.

    Raises:
        InputError: The file is missing, too large, or no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the plan {path} can't be read: {error}") from error
    if len(text) > _MOST_CHARACTERS:
        raise InputError(f"{path}: a plan has at most {_MOST_CHARACTERS} characters")
    document = Document(path)
    try:
        root = YAML(typ="rt", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise InputError(f"{place}: {error.problem}") from error
    if root is not None:
        document.root = _Reader(document).plain(root, "")
    return document


class _Reader:
    """Turns YAML nodes into plain values and notes their places."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._left = _MOST_NODES

    def plain(self, node: Node, where: str) -> Any:
        """Return a node's value, aliases followed.

        Raises:
            InputError: It is too much.
        """
        self._left -= 1
        if self._left < 0:
            raise InputError(
                f"{self._document.path}: a plan has at most {_MOST_NODES} values, aliases included"
            )
        self._note(where, node)
        if isinstance(node, MappingNode):
            return self._mapping(node, where)
        if isinstance(node, SequenceNode):
            return [self.plain(part, f"{where}[{i}]") for i, part in enumerate(node.value)]
        kind = _SCALARS.get(str(node.tag).removeprefix("tag:yaml.org,2002:"), str)
        try:
            return kind(node.value)
        except ValueError as error:
            self._document.wrong(where, f"{where.lstrip('.')}: {error}")
            return str(node.value)

    def _mapping(self, node: MappingNode, where: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value)
            place = f"{where}.{name}"
            if name in found:
                mark = key.start_mark
                twice = f"{place.lstrip('.')}: stands there twice"
                self._document.mistakes.append(((mark.line + 1, mark.column + 1), twice))
                continue
            self._note(place, key)
            found[name] = self.plain(value, place)
        return found

    def _note(self, where: str, node: Node) -> None:
        mark = node.start_mark
        self._document.places.setdefault(where, (mark.line + 1, mark.column + 1))


def _none(_: str) -> None:
    return None


_SCALARS: Mapping[str, Callable[[str], object]] = {
    "int": int,
    "float": float,
    "bool": lambda text: text.lower() == "true",
    "null": _none,
}
