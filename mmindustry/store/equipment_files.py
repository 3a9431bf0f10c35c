"""Reads `equipment.yaml` and its CSV twin; says every mistake with its file and line."""

import csv
import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from mmindustry.errors import InputError
from mmindustry.store.equipment import (
    AreaEntry,
    AssetEntry,
    CardEntry,
    Equipment,
    LineEntry,
    SensorEntry,
    SiteEntry,
)

MOST_BYTES = 16 * 1024 * 1024

_CARD_COLUMNS = (
    "kind",
    "nominal_speed_rpm",
    "belt_ratio",
    "blades",
    "gear_teeth",
    "line_frequency_hz",
)
_SENSOR_COLUMNS = (
    "source",
    "modality",
    "every_seconds",
    "valid_from",
    "valid_to",
    "rate_hz",
    "sensitivity",
    "mounting",
    "region",
)
CSV_COLUMNS = ("asset", "zone", "name", "id", *_CARD_COLUMNS, *_SENSOR_COLUMNS)
"""One row a sensor, or an asset (no `source`); bearings and regions need the YAML form."""

_PATH_DEPTH = 4
_KEYS = {
    name
    for model in (
        Equipment,
        SiteEntry,
        AreaEntry,
        LineEntry,
        AssetEntry,
        CardEntry,
        SensorEntry,
    )
    for name in model.model_fields
}


def read_equipment(path: Path) -> Equipment:
    """Return the equipment that a YAML or CSV file describes.

    Raises:
        InputError: The file can't be read or has mistakes; the message lists all of them.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    if len(raw) > MOST_BYTES:
        raise InputError(f"{path}: {len(raw)} bytes; an equipment file has at most {MOST_BYTES}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    if path.suffix.lower() == ".csv":
        return _read_csv(path, text)
    return _read_yaml(path, text)


def _read_yaml(path: Path, text: str) -> Equipment:
    reader = YAML(typ="rt")
    reader.allow_duplicate_keys = False
    try:
        document = reader.load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{path}:{line}: {error.problem}") from error
    if not isinstance(document, Mapping):
        raise InputError(f"{path}:1: expected a mapping with the key `sites`")
    try:
        return Equipment.model_validate(document)
    except ValidationError as error:
        told = (
            f"{path}:{_line_of(document, item['loc'])}: {_told(item)}" for item in error.errors()
        )
        raise InputError("\n".join(told)) from error


def _line_of(document: Any, place: Sequence[int | str]) -> int:
    """Return the line, from 1, of the innermost part of `place` that exists."""
    node, line = document, 1
    for key in place:
        marks = getattr(node, "lc", None)
        try:
            marked = marks.key(key) if isinstance(node, Mapping) else marks.item(key)  # type: ignore[union-attr]
            node = node[key]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
        line = marked[0] + 1
    return line


def _told(item: Any) -> str:
    """Return one mistake as `place: what is wrong (hint)`."""
    place = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(item["loc"][-1]), _KEYS, n=1)
        return f"{place}: unknown key" + (f" (did you mean `{near[0]}`?)" if near else "")
    told = item["msg"].removeprefix("Value error, ")
    if item["type"] == "missing":
        return f"{place}: {told}"
    return f"{place}: {told}, got {item['input']!r}"[:500]


def _read_csv(path: Path, text: str) -> Equipment:
    lines = csv.reader(text.splitlines(), strict=True)
    try:
        rows = [(lines.line_num, row) for row in lines]
    except csv.Error as error:
        raise InputError(f"{path}:{lines.line_num}: {error}") from error
    header = [name.strip() for name in rows[0][1]] if rows else []
    unknown = [name for name in header if name not in CSV_COLUMNS]
    if "asset" not in header or unknown or len(set(header)) != len(header):
        raise InputError(
            f"{path}:1: columns must be different ones of {', '.join(CSV_COLUMNS)}, with `asset`"
            + (f"; unknown: {', '.join(unknown)}" if unknown else "")
        )
    mistakes: list[str] = []
    found: dict[str, dict[str, Any]] = {}
    for number, cells in rows[1:]:
        if any(cell.strip() for cell in cells):
            mistakes += _take(found, dict(zip(header, map(str.strip, cells), strict=False)), number)
    if mistakes:
        raise InputError("\n".join(f"{path}:{mistake}" for mistake in mistakes))
    return _assemble(path, found)


def _take(found: dict[str, dict[str, Any]], cells: dict[str, str], number: int) -> Iterable[str]:
    """Add one CSV row to `found`; yield its mistakes as `line: what`."""
    given = {name: value for name, value in cells.items() if value}
    parts = given.get("asset", "").split("/")
    if len(parts) != _PATH_DEPTH:
        return [f"{number}: asset: expected site/area/line/asset, got {given.get('asset', '')!r}"]
    asset = found.setdefault(given["asset"], {"line": number, "zone": "UTC", "sensors": []})
    card = {name: given[name] for name in _CARD_COLUMNS if name in given}
    sensor = {name: given[name] for name in _SENSOR_COLUMNS if name in given}
    told: list[str] = []
    try:
        CardEntry.model_validate(card)
        AssetEntry.model_validate({"key": parts[3], "sensors": [sensor] if sensor else []})
    except ValidationError as error:
        told = [f"{number}: {_told(item)}" for item in error.errors()]
    asset.update({name: given[name] for name in ("zone", "name", "id") if name in given})
    asset.setdefault("card", {}).update(card)
    asset["sensors"] += [sensor] if sensor else []
    return told


def _assemble(path: Path, found: Mapping[str, Mapping[str, Any]]) -> Equipment:
    """Return the tree of the assets in `found`."""
    sites: dict[str, Any] = {}
    for asset_path, asset in found.items():
        site_key, area_key, line_key, key = asset_path.split("/")
        site = sites.setdefault(site_key, {"key": site_key, "zone": asset["zone"], "areas": {}})
        area = site["areas"].setdefault(area_key, {"key": area_key, "lines": {}})
        line = area["lines"].setdefault(line_key, {"key": line_key, "assets": []})
        own = {name: asset[name] for name in ("name", "id", "card", "sensors") if name in asset}
        line["assets"].append({"key": key, **own})
    for site in sites.values():
        for area in site["areas"].values():
            area["lines"] = list(area["lines"].values())
        site["areas"] = list(site["areas"].values())
    try:
        return Equipment.model_validate({"sites": list(sites.values())})
    except ValidationError as error:
        raise InputError("\n".join(f"{path}: {_told(item)}" for item in error.errors())) from error
