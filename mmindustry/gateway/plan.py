"""A feed's plan: which recorded files become which source's events, and when.

name: composite-press
sources:
  - kind: frames                       # JPEG and PNG files of a folder
    source: cam-1
    asset: north/press/line-1/spindle-1
    path: images/bsdata                # relative to the plan, or to --root
    glob: "01_*_277500_315_*.jpg"
    time: name                         # name | exif | mtime | interval
    pattern: "01_([0-9]{12})_"         # its first group holds the time ...
    format: "%y%m%d%H%M%S"             # ... written so; or unix, unix_ms, rfc3339
    zone: Europe/Berlin                # of times that name none
    at: 2026-03-01T08:00:00Z           # laid so that the first item is here
    every: 2s                          # one item each 2 s, whatever their own distance
  - kind: audio                        # WAV, FLAC and what else libsndfile reads
    source: mic-1
    asset: north/press/line-1/spindle-1
    path: audio/bldc/Bearing_M4_1700.flac
    time: interval
    at: 2026-03-01T08:00:00Z
    chunk: 1s
  - kind: logs                         # CSV (with a head line) or JSONL work orders
    source: cmms
    asset: north/press/line-1/spindle-1
    path: text/orders.csv
    columns: {text: [Part, Action], time: Date, author: Who}
    where: {Asset: A}
    format: "%Y-%m-%d"
    time_precision: 1d
    shift: 5000d                       # own distances kept, all moved by this much
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from mmindustry.codec.envelope import ASSET_PATTERN, LONGEST_ATTRIBUTE
from mmindustry.errors import InputError

_PLAN_BYTES = 1024 * 1024
_PLAN_NODES = 100_000
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ATTRIBUTE)]
_Asset = Annotated[str, msgspec.Meta(pattern=f"^{ASSET_PATTERN}$", max_length=LONGEST_ATTRIBUTE)]
_Columns = str | tuple[str, ...]


class _Source(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"
):
    """What every source says. `at` and `shift` exclude each other."""

    source: _Name
    asset: _Asset
    path: Annotated[str, msgspec.Meta(min_length=1)]
    at: str | None = None
    shift: str | None = None
    every: str | None = None
    format: str = "rfc3339"
    zone: str = "UTC"
    limit: Annotated[int, msgspec.Meta(ge=1)] | None = None
    mounting: str = ""
    region: str = ""


class Frames(_Source, frozen=True, kw_only=True, tag="frames"):
    """A folder of pictures, or one picture."""

    glob: str = "*"
    time: Literal["name", "exif", "mtime", "interval"] = "name"
    pattern: str = "(.+)"


class Sound(_Source, frozen=True, kw_only=True, tag="audio"):
    """A folder of recordings, or one recording, cut into chunks."""

    glob: str = "*"
    time: Literal["name", "mtime", "interval"] = "name"
    pattern: str = "(.+)"
    chunk: str = "1s"


class LogColumns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which columns tell what; several text columns are joined by a blank."""

    text: _Columns
    time: str
    author: str | None = None
    written_at: str | None = None
    id: str | None = None


class StateColumns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which columns tell what; at least one beside the time."""

    time: str
    running: str | None = None
    speed_rpm: str | None = None
    load_ratio: str | None = None


class _Table(_Source, frozen=True, kw_only=True):
    """What CSV and JSONL files have in common."""

    where: dict[str, _Columns] = {}
    delimiter: Annotated[str, msgspec.Meta(min_length=1, max_length=1)] = ","
    encoding: str = "utf-8-sig"
    bad_rows: Literal["refuse", "skip"] = "refuse"


class Logs(_Table, frozen=True, kw_only=True, tag="logs"):
    """Log entries or work orders."""

    columns: LogColumns
    time_precision: str | None = None


class States(_Table, frozen=True, kw_only=True, tag="states"):
    """Operating states."""

    columns: StateColumns


Source = Frames | Sound | Logs | States


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All sources of one feed, laid on one time line."""

    name: _Name
    sources: Annotated[tuple[Source, ...], msgspec.Meta(min_length=1)]


def read_plan(path: Path) -> Plan:
    """Return the plan that a YAML file holds.

    Raises:
        InputError: The file is missing or wrong; the message says file, line and what to do.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the plan {path} can't be read: {error}") from error
    if len(text) > _PLAN_BYTES:
        raise InputError(f"{path}: a plan has at most {_PLAN_BYTES} characters")
    lines: dict[str, int] = {}
    try:
        root = YAML(typ="rt", pure=True).compose(text)
        document = None if root is None else _Reader(lines).plain(root, "")
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise InputError(f"{place}: {error.problem}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    try:
        plan = msgspec.convert(document, Plan)
    except msgspec.ValidationError as error:
        told, _, where = str(error).partition(" - at `$")
        where = where.rstrip("`").removeprefix("key` in ")
        raise InputError(f"{path}:{_line(lines, where)}: {where.lstrip('.')}: {told}") from error
    _check_sources(path, plan)
    return plan


def _check_sources(path: Path, plan: Plan) -> None:
    """Refuse what no single field shows."""
    seen: set[tuple[str, str, str]] = set()
    for number, source in enumerate(plan.sources, 1):
        place = f"{path}: source {number} ({source.source})"
        if source.at is not None and source.shift is not None:
            raise InputError(f"{place}: `at` and `shift` exclude each other; keep one")
        key = (source.source, source.asset, source.path)
        if key in seen:
            raise InputError(f"{place}: the same source, asset and path stand there twice")
        seen.add(key)
        if isinstance(source, Frames | Sound) and source.time == "interval" and source.at is None:
            raise InputError(f"{place}: `time: interval` needs `at`, the first item's time")
        if isinstance(source, Frames) and source.time == "interval" and source.every is None:
            raise InputError(f"{place}: `time: interval` needs `every`, the pause between frames")


def _line(lines: Mapping[str, int], where: str) -> int:
    """Return the line of a place such as `.sources[2].time`, or of what it stands in."""
    while where and where not in lines:
        where = where[: max(where.rfind("."), where.rfind("["))]
    return lines.get(where, 1)


class _Reader:
    """Turns YAML nodes into plain values and notes their lines; times stay text."""

    def __init__(self, lines: dict[str, int]) -> None:
        self._lines = lines
        self._left = _PLAN_NODES

    def plain(self, node: Node, where: str) -> Any:
        """Return a node's value, aliases followed.

        Raises:
            InputError: It is too much, or a scalar contradicts its tag.
        """
        self._left -= 1
        if self._left < 0:
            raise InputError(f"a plan has at most {_PLAN_NODES} values, aliases included")
        self._lines.setdefault(where, node.start_mark.line + 1)
        if isinstance(node, MappingNode):
            return self._mapping(node, where)
        if isinstance(node, SequenceNode):
            return [self.plain(part, f"{where}[{i}]") for i, part in enumerate(node.value)]
        kind = _SCALARS.get(str(node.tag).removeprefix("tag:yaml.org,2002:"), str)
        try:
            return kind(node.value)
        except ValueError as error:
            raise InputError(f"line {node.start_mark.line + 1}: {error}") from error

    def _mapping(self, node: MappingNode, where: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in found:
                raise InputError(f"line {key.start_mark.line + 1}: `{name}` stands there twice")
            found[name] = self.plain(value, f"{where}.{name}")
        return found


def _none(_: str) -> None:
    return None


_SCALARS: Mapping[str, Callable[[str], object]] = {
    "int": int,
    "float": float,
    "bool": lambda text: text.lower() == "true",
    "null": _none,
}
