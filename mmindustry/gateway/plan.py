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

from typing import Annotated, Literal

import msgspec

from mmindustry.codec.envelope import ASSET_PATTERN, LONGEST_ATTRIBUTE

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
