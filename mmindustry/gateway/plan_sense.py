"""What a plan says that no single value of it shows to be wrong."""

import codecs
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import PurePath

from mmindustry.errors import InputError
from mmindustry.gateway.plan import Frames, Logs, Plan, Sound, Source, States
from mmindustry.gateway.times import check_form, parse_at, parse_shift, parse_span, parse_zone

_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)

Nonsense = tuple[str, str, str]
"""Where the source stands, the field, what is wrong with it."""


def nonsense(plan: Plan) -> Iterator[Nonsense]:
    """Yield every contradiction of a plan, source by source."""
    seen: set[tuple[str, str, str]] = set()
    for index, source in enumerate(plan.sources):
        where = f".sources[{index}]"
        for field, told in _of_source(source):
            yield where, field, told
        key = (source.source, source.asset, source.path)
        if key in seen:
            yield where, "source", "the same source, asset and path stand there twice"
        seen.add(key)


def _of_source(source: Source) -> Iterator[tuple[str, str]]:
    if source.at is not None and source.shift is not None:
        yield "shift", "`at` and `shift` exclude each other; keep one"
    if isinstance(source, Frames | Sound) and source.time == "interval" and source.at is None:
        yield "at", "`time: interval` needs `at`, the first item's time"
    if isinstance(source, Frames) and source.time == "interval" and source.every is None:
        yield "every", "`time: interval` needs `every`, the pause between frames"
    for field, check in _checks(source):
        try:
            check()
        except InputError as error:
            yield field, str(error)


def _checks(source: Source) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the fields of a source that are text with a meaning, each with what reads it."""
    yield "at", lambda: parse_at(source.at, _ANY_TIME)
    yield "shift", lambda: source.shift is None or parse_shift(source.shift)
    yield "every", lambda: source.every is None or parse_span(source.every, "every")
    yield "zone", lambda: parse_zone(source.zone)
    yield "format", lambda: check_form(source.format)
    match source:
        case Frames():
            yield from _files(source)
        case Sound():
            yield from _files(source)
            yield "chunk", lambda: parse_span(source.chunk, "chunk")
        case Logs():
            yield "encoding", lambda: _check_encoding(source.encoding)
            precision = source.time_precision
            yield (
                "time_precision",
                lambda: precision is None or parse_span(precision, "time_precision"),
            )
        case States():
            yield "encoding", lambda: _check_encoding(source.encoding)


def _files(source: Frames | Sound) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "glob", lambda: _check_glob(source.glob)
    if source.time == "name":
        yield "pattern", lambda: _check_pattern(source.pattern)


def _check_glob(glob: str) -> None:
    if not glob or PurePath(glob).is_absolute():
        raise InputError(f"glob: {glob!r}: give a pattern below `path`, such as *.jpg")


def _check_pattern(pattern: str) -> None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise InputError(f"pattern: {pattern}: {error}") from error
    if not groups:
        raise InputError(f"pattern: {pattern}: put the time in a group, such as x_([0-9]+)")


def _check_encoding(encoding: str) -> None:
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise InputError(
            f"encoding: {encoding}: no such encoding; utf-8-sig, gb18030 and cp1252 are some"
        ) from error
