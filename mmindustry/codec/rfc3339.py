"""Times and durations as text: RFC 3339 with a zone, and `90s`, `5m`, `8h`, `1d`."""

import re
from datetime import UTC, datetime, timedelta

from mmindustry.errors import DecodeError

_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,12})?(?P<zone>[Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
_DURATION = re.compile(r"(?P<whole>\d{1,9})(?:\.(?P<part>\d{1,6}))?(?P<unit>ms|s|m|h|d)", re.ASCII)
_MICROSECONDS = {
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_LONGEST = timedelta(days=366)


def parse_time(text: str) -> datetime:
    """Return the instant that `text` names, aware, in UTC, cut to microseconds.

    Raises:
        DecodeError: `time_invalid`, `time_zone_missing` or `time_implausible`.

    >>> parse_time("2026-03-01T08:15:00.25+01:00").isoformat()
    '2026-03-01T07:15:00.250000+00:00'
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise DecodeError("time_invalid", f"{text:.80}: expected RFC 3339")
    if found["zone"] is None:
        raise DecodeError("time_zone_missing", f"{text:.80}: add Z or an offset")
    try:
        time = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise DecodeError("time_invalid", f"{text:.80}: {error}") from error
    if time < _EARLIEST:
        raise DecodeError("time_implausible", f"{text:.80}: before 1990")
    return time


def format_time(time: datetime) -> str:
    """Return an aware `time` in UTC by RFC 3339, microseconds only where there are any.

    >>> format_time(datetime(2026, 3, 1, 8, 15, tzinfo=UTC))
    '2026-03-01T08:15:00Z'
    """
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_duration(text: str) -> timedelta:
    """Return the duration that `text` names: a number and one of ms, s, m, h, d; up to 366 d.

    Raises:
        ValueError: `text` is not such a duration.

    >>> parse_duration("1.5h")
    datetime.timedelta(seconds=5400)
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text:.40}: expected a duration such as 30s, 5m, 8h or 1d")
    millionths = int(found["whole"]) * 1_000_000 + int((found["part"] or "").ljust(6, "0"))
    microseconds = millionths * _MICROSECONDS[found["unit"]] // 1_000_000
    if microseconds > _LONGEST // timedelta(microseconds=1):
        raise ValueError(f"{text:.40}: longer than 366d")
    return timedelta(microseconds=microseconds)


def format_duration(duration: timedelta) -> str:
    """Return a duration >= 0 in seconds, exact to the microsecond.

    >>> format_duration(timedelta(days=1, milliseconds=500))
    '86400.5s'
    """
    whole, rest = divmod(duration, timedelta(seconds=1))
    return f"{whole}.{rest.microseconds:06d}".rstrip("0").rstrip(".") + "s"
