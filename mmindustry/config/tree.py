"""YAML 1.2 -> plain values, with the place of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mmindustry.config.interpolate import interpolate
from mmindustry.config.mistakes import Mistake, Origin, Path

MAX_FILE_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_NODES = 20_000  # aliases expanded; the largest honest file has a few hundred
_FLOATS = {
    ".inf": float("inf"),
    "+.inf": float("inf"),
    "-.inf": float("-inf"),
    ".nan": float("nan"),
}
_TAG = "tag:yaml.org,2002:"


@dataclass(slots=True)
class Tree:
    """Values of one source, the origin of each path, and what was wrong with its text."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)


def read_yaml(text: str, source: str, environment: Mapping[str, str]) -> Tree:
    """Return the tree of one YAML text; every mistake found is in it, none is raised."""
    reader = _Reader(source, environment)
    if len(text.encode()) > MAX_FILE_BYTES:
        reader.wrong(None, (), f"expected at most {MAX_FILE_BYTES} bytes")
    else:
        reader.take_text(text)
    return reader.tree


def read_scalar(text: str) -> Any:
    """Return a lone value as YAML reads it: `5`, `true`, `[a, b]`, else the text itself."""
    try:
        root = YAML(typ="rt", pure=True).compose(text)
    except (YAMLError, ValueError):
        return text
    if root is None or isinstance(root, MappingNode):
        return text
    return _Reader("", {}).value(root, ())


class _Reader:
    def __init__(self, source: str, environment: Mapping[str, str]) -> None:
        self.tree = Tree()
        self._source = source
        self._environment = environment
        self._nodes = 0

    def wrong(self, node: Node | None, path: Path, expected: str, got: str = "") -> None:
        self.tree.mistakes.append(Mistake(self._place(node), path, expected, got))

    def take_text(self, text: str) -> None:
        try:
            root = YAML(typ="rt", pure=True).compose(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark
            place = Origin(self._source, mark.line + 1, mark.column + 1) if mark else None
            self._broken(str(error.problem), place)
        except RecursionError:
            self.wrong(None, (), f"expected at most {MAX_DEPTH} levels")
        except (YAMLError, ValueError) as error:
            self._broken(str(error), None)
        else:
            if isinstance(root, MappingNode):
                self.tree.values = self._mapping(root, ())
            elif root is not None:
                self.wrong(root, (), "expected sections, `name:` each on its line")

    def _broken(self, problem: str, place: Origin | None) -> None:
        self.tree.mistakes.append(
            Mistake(place or Origin(self._source), (), f"not YAML: {problem}")
        )

    def value(self, node: Node, path: Path) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            self._too_much(node, path)
            return None
        self.tree.origins[path] = self._place(node)
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _too_much(self, node: Node, path: Path) -> None:
        if self._nodes <= MAX_NODES:
            self.wrong(node, path[:3], f"expected at most {MAX_DEPTH} levels")
        elif self._nodes == MAX_NODES + 1:
            self.wrong(node, path[:3], f"expected at most {MAX_NODES} values, aliases expanded")

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            here = (*path, key)
            if not isinstance(key_node, ScalarNode) or key_node.tag == f"{_TAG}merge":
                self.wrong(key_node, path, "expected a plain key")
                continue
            if key in values:
                first = self.tree.origins[here]
                self.wrong(key_node, here, f"a key may stand once; it is in line {first.line} too")
                continue
            values[key] = self.value(value_node, here)
            self.tree.origins[here] = self._place(key_node)
        return values

    def _scalar(self, node: Node, path: Path) -> Any:
        text, tag = str(node.value), str(node.tag)
        try:
            filled = interpolate(text, self._environment)
        except ValueError as error:
            self.wrong(node, path, str(error))
            return None
        if filled != text and isinstance(node, ScalarNode) and node.style is None:
            tag = str(YAML(typ="rt", pure=True).resolver.resolve(ScalarNode, filled, (True, False)))
        return _typed(filled, tag.removeprefix(_TAG))

    def _place(self, node: Node | None) -> Origin:
        if node is None or node.start_mark is None:
            return Origin(self._source)
        return Origin(self._source, node.start_mark.line + 1, node.start_mark.column + 1)


def _typed(text: str, tag: str) -> Any:
    """Return a scalar by the core schema of YAML 1.2.2, section 10.3; anything else is text."""
    value: Any = text
    if tag == "null":
        value = None
    elif tag == "bool":
        value = text.lower() == "true"
    elif tag == "int":
        value = _integer(text.replace("_", ""))
    elif tag == "float":
        value = _FLOATS.get(text.lower()) or float(text.replace("_", ""))
    return value


def _integer(text: str) -> int:
    """Return an integer; `010` is ten, as YAML 1.2 has it."""
    based = text.lstrip("+-")[:2].lower() in {"0x", "0o"}
    return int(text, 0) if based else int(text)
