"""What is wrong with a configuration: a place, a key, what was expected, what was there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from mmindustry.errors import ConfigError

Path = tuple[str | int, ...]
"""Where a value stands: section, key, index ..."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from; line and column count from 1, 0 = there is none."""

    source: str
    line: int = 0
    column: int = 0

    @override
    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong; `got` is masked already where it is a secret."""

    origin: Origin
    path: Path
    expected: str
    got: str = ""
    hint: str = ""

    @property
    def key(self) -> str:
        """The path as people write it."""
        return dotted(self.path)

    @override
    def __str__(self) -> str:
        parts = [f"{self.origin}: "]
        if self.path:
            parts.append(f"{self.key}: ")
        parts.append(self.expected)
        if self.got:
            parts.append(f", got {self.got}")
        if self.hint:
            parts.append(f" (hint: {self.hint})")
        return "".join(parts)

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain JSON."""
        return {
            "source": self.origin.source,
            "line": self.origin.line,
            "column": self.origin.column,
            "key": self.key,
            "expected": self.expected,
            "got": self.got,
            "hint": self.hint,
        }


class BadConfig(ConfigError):  # noqa: N818 - what is so; the root of its tree ends in Error
    """All mistakes of a configuration at once, one a line."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=_place))
        lines = [str(mistake) for mistake in self.mistakes]
        many = "mistake" if len(lines) == 1 else "mistakes"
        remedy = "Every key: mmindustry config init --stdout"
        super().__init__("\n".join([f"{len(lines)} {many} in the configuration", *lines, remedy]))


def dotted(path: Path) -> str:
    """Return a path as `a.b[0].c`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _place(mistake: Mistake) -> tuple[str, int, int, str]:
    return mistake.origin.source, mistake.origin.line, mistake.origin.column, mistake.key
