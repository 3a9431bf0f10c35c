"""Files of a plan's source: which they are, and when each was recorded."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from mmindustry.errors import InputError
from mmindustry.gateway.exif import taken_at
from mmindustry.gateway.notes import Notes
from mmindustry.gateway.plan import Frames, Sound
from mmindustry.gateway.times import parse_instant, parse_zone

_DIGITS = re.compile(r"(\d+)")
_EXIF_BYTES = 256 * 1024


def find_files(root: Path, plan: Frames | Sound, endings: frozenset[str]) -> list[Path]:
    """Return the files of a source, in natural order of their names.

    Raises:
        InputError: There are none.
    """
    start = root / plan.path
    if start.is_file():
        return [start]
    if not start.is_dir():
        raise InputError(f"{plan.source}: {start}: no such file or folder")
    found = [
        path for path in start.glob(plan.glob) if path.is_file() and path.suffix.lower() in endings
    ]
    if not found:
        wanted = ", ".join(sorted(endings))
        raise InputError(f"{plan.source}: no file {plan.glob} of {wanted} in {start}")
    return sorted(found, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Order names as people do: frame-2 before frame-10."""
    parts = _DIGITS.split(path.as_posix())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def own_times(
    files: Sequence[Path], plan: Frames | Sound, notes: Notes
) -> list[tuple[datetime, Path]]:
    """Return each file with its own time, in order of time; by interval they keep their order.

    Times that are doubtful go to `notes`.

    Raises:
        InputError: A file does not tell its time; the message lists up to ten of them.
    """
    zone = parse_zone(plan.zone)
    times = []
    mistakes = []
    for index, file in enumerate(files):
        try:
            clock = _Clock(file, zone, notes)
            times.append((_own_time(clock, plan, index), file))
        except ValueError as error:
            mistakes.append(f"{file.name}: {error}")
    if mistakes:
        shown = "; ".join(mistakes[:10])
        more = f" and {len(mistakes) - 10} more" if len(mistakes) > 10 else ""  # noqa: PLR2004
        raise InputError(f"{plan.source}: no time by `time: {plan.time}` for {shown}{more}")
    return sorted(times, key=lambda timed: timed[0])


@dataclass(frozen=True, slots=True)
class _Clock:
    """A file, the zone of times that name none, and who is told of doubtful ones."""

    file: Path
    zone: tzinfo
    notes: Notes

    def doubted(self, told: str) -> None:
        self.notes.doubtful.append(f"{self.file}: {told}")


def _own_time(clock: _Clock, plan: Frames | Sound, index: int) -> datetime:
    """Return when a file was recorded, by the plan's rule."""
    if plan.time == "name":
        return _name_time(clock, plan)
    if plan.time == "mtime":
        return datetime.fromtimestamp(clock.file.stat().st_mtime, UTC)
    if plan.time == "exif":
        with clock.file.open("rb") as opened:
            time = taken_at(opened.read(_EXIF_BYTES), clock.zone, doubted=clock.doubted)
        if time is None:
            raise ValueError("no EXIF time; take `name`, `mtime` or `interval`")
        return time
    return datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=index)


def _name_time(clock: _Clock, plan: Frames | Sound) -> datetime:
    """Return the time in a file's name."""
    try:
        found = re.search(plan.pattern, clock.file.stem)
    except re.error as error:
        raise InputError(f"{plan.source}: pattern {plan.pattern}: {error}") from error
    if found is None or not found.groups():
        raise ValueError(f"the pattern {plan.pattern} finds no group in it")
    return parse_instant(found[1], plan.format, clock.zone, doubted=clock.doubted)
