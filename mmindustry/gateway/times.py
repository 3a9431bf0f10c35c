"""When a recorded item happened: read from its name or a column, then laid on the time line."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mmindustry.codec.rfc3339 import format_time, parse_duration
from mmindustry.errors import InputError

_FORMS = ("rfc3339", "unix", "unix_ms")
_SHIFT = re.compile(r"(?P<sign>[+-]?)(?P<days>\d{1,6})d", re.ASCII)
_MICROSECOND = timedelta(microseconds=1)


def parse_zone(name: str) -> tzinfo:
    """Return the time zone of an IANA name or an offset such as `+01:00`.

    Raises:
        InputError: There is none of that name.
    """
    if name.upper() in ("UTC", "Z"):
        return UTC
    offset = re.fullmatch(r"([+-])(\d\d):(\d\d)", name, re.ASCII)
    if offset:
        minutes = int(offset[2]) * 60 + int(offset[3])
        return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(f"zone: {name}: no such IANA zone, such as Europe/Berlin") from error


def check_form(form: str) -> None:
    """Refuse a form of times that nothing could have.

    Raises:
        InputError: It is neither a name nor a format of `strptime`.
    """
    if form in _FORMS:
        return
    if "%" not in form:
        raise InputError(
            f"format: {form}: expected {', '.join(_FORMS)}, or a format such as %Y-%m-%d %H:%M:%S"
        )
    try:
        datetime.strptime("", form)  # noqa: DTZ007 - only the format is looked at
    except re.error as error:
        raise InputError(f"format: {form}: {error}") from error
    except ValueError as error:
        if "does not match format" not in str(error):
            raise InputError(f"format: {form}: {error}") from error


def _tell_nobody(_: str) -> None:
    return


def parse_instant(
    text: str, form: str, zone: tzinfo, *, doubted: Callable[[str], None] = _tell_nobody
) -> datetime:
    """Return the instant that `text` names, in UTC.

    Args:
        text: What a name or a cell holds.
        form: `rfc3339`, `unix` (seconds), `unix_ms`, or a format of `strptime`.
        zone: Of a time that names none.
        doubted: Told where that zone's clocks never show the time, or show it twice.

    Raises:
        ValueError: `text` is no such time.
    """
    try:
        time = _named(text.strip(), form)
        return time.astimezone(UTC) if time.tzinfo else settle(time, zone, doubted)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text.strip()!r} is no time of the form {form}: {error}") from error


def settle(local: datetime, zone: tzinfo, doubted: Callable[[str], None]) -> datetime:
    """Return the instant, in UTC, at which the clocks of `zone` show a local time.

    Where they are set back they show it twice: the first is taken. Where they are set forward they
    never show it: it is read as if they had not been.

    >>> from zoneinfo import ZoneInfo
    >>> settle(datetime(2025, 10, 26, 2, 30), ZoneInfo("Europe/Berlin"), print).hour
    2025-10-26 02:30:00 is there twice in Europe/Berlin; taken as the first, 2025-10-26T00:30:00Z
    0
    """
    first, second = local.replace(tzinfo=zone, fold=0), local.replace(tzinfo=zone, fold=1)
    instant = first.astimezone(UTC)
    if first.utcoffset() != second.utcoffset():
        is_twice = instant.astimezone(zone).replace(tzinfo=None) == local
        why, how = ("is there twice", "the first, ") if is_twice else ("does not exist", "")
        doubted(f"{local} {why} in {zone}; taken as {how}{format_time(instant)}")
    return instant


def _named(text: str, form: str) -> datetime:
    """Return the time that `text` names, without a zone where it names none."""
    if form in ("unix", "unix_ms"):
        scale = 1_000_000 if form == "unix" else 1_000
        return datetime(1970, 1, 1, tzinfo=UTC) + round(float(text) * scale) * _MICROSECOND
    if form == "rfc3339":
        return datetime.fromisoformat(text)
    return datetime.strptime(text, form)  # noqa: DTZ007 - the plan's zone follows


def parse_shift(text: str) -> timedelta:
    """Return a signed duration: as `parse_duration`, or any number of days.

    Raises:
        InputError: It is none.

    >>> parse_shift("-3652d").days
    -3652
    """
    found = _SHIFT.fullmatch(text)
    if found:
        days = timedelta(days=int(found["days"]))
        return -days if found["sign"] == "-" else days
    sign = -1 if text.startswith("-") else 1
    return sign * parse_span(text.removeprefix("-").removeprefix("+"), "shift")


def parse_span(text: str, field: str) -> timedelta:
    """Return a duration above 0.

    Raises:
        InputError: It is none; the message names `field`.
    """
    try:
        span = parse_duration(text)
    except ValueError as error:
        raise InputError(f"{field}: {error}") from error
    if not span:
        raise InputError(f"{field}: must be above 0")
    return span


def parse_at(told: str | None, now: datetime) -> datetime | None:
    """Return the instant that a plan's `at` names: RFC 3339 with a zone, or `now`.

    Raises:
        InputError: It is none.
    """
    if told is None or told == "now":
        return None if told is None else now
    try:
        time = datetime.fromisoformat(told)
    except ValueError as error:
        raise InputError(f"at: {told}: expected RFC 3339, or now") from error
    if time.tzinfo is None:
        raise InputError(f"at: {told}: add the zone, Z or an offset such as +01:00")
    return time.astimezone(UTC)


def lay(
    own: Sequence[datetime],
    *,
    at: datetime | None,
    shift: timedelta | None,
    every: timedelta | None,
) -> list[datetime]:
    """Return the times of items on the plan's time line, given their own, in ascending order.

    `every` sets their distance, else it is kept; `at` sets the first, else all move by `shift`.

    >>> day = datetime(2026, 3, 1, tzinfo=UTC)
    >>> [t.day for t in lay([day, day], at=None, shift=None, every=timedelta(days=1))]
    [1, 2]
    """
    if not own:
        return []
    first = at if at is not None else own[0] + (shift or timedelta(0))
    if every is not None:
        return [first + index * every for index in range(len(own))]
    return [first + (time - own[0]) for time in own]
