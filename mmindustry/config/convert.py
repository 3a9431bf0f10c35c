"""Durations, sizes and lists as people write them -> numbers and lists, led by the shape."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from mmindustry.config import shape
from mmindustry.config.mistakes import Mistake, Origin, Path
from mmindustry.config.units import parse_duration, parse_size


class Converter:
    """Makes values ready for validation and gathers in `wrong` what is no duration or size."""

    def __init__(self, origins: Mapping[Path, Origin]) -> None:
        self.wrong: list[Mistake] = []
        self._origins = origins

    def convert(self, value: Any, kind: Any, path: Path = ()) -> Any:
        """Return `value` with units turned into numbers and empty sections into {}."""
        if value is None and shape.members(kind) is not None:
            return {}
        if isinstance(value, dict):
            return {k: self._below(v, kind, (*path, k)) for k, v in value.items()}
        if isinstance(value, list):
            return [self._below(item, kind, (*path, i)) for i, item in enumerate(value)]
        return self._leaf(value, kind, path) if isinstance(value, str) and path else value

    def _below(self, value: Any, kind: Any, path: Path) -> Any:
        inner = shape.at(kind, path[-1:])
        return value if inner is None else self.convert(value, inner, path)

    def _leaf(self, text: str, kind: Any, path: Path) -> Any:
        try:
            return _measured(text, shape.bare(kind), str(path[-1]))
        except ValueError:
            self.wrong.append(self._unit_mistake(text, path))
            return None

    def _unit_mistake(self, text: str, path: Path) -> Mistake:
        size = str(path[-1]).endswith("_bytes")
        return Mistake(
            self._origins.get(path, Origin("defaults")),
            path,
            "expected a size in bytes" if size else "expected a duration in seconds",
            f'"{text}"',
            'such as 1048576 or "1MiB"' if size else 'such as 30 or "30s", "5m", "2h"',
        )


def _measured(text: str, kind: Any, name: str) -> Any:
    if kind is timedelta:
        return timedelta(seconds=parse_duration(text))
    if kind in {int, float} and name.endswith("_seconds"):
        return parse_duration(text)
    if kind in {int, float} and name.endswith("_bytes"):
        return parse_size(text)
    return text
