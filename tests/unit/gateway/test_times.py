import io
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from mmindustry.codec.rfc3339 import format_time
from mmindustry.errors import InputError
from mmindustry.gateway.exif import taken_at
from mmindustry.gateway.times import (
    lay,
    parse_at,
    parse_instant,
    parse_shift,
    parse_span,
    parse_zone,
)

EIGHT = datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "form", "zone"),
    [
        ("2026-03-01T08:00:00Z", "rfc3339", "UTC"),
        ("2026-03-01 09:00:00", "rfc3339", "Europe/Berlin"),
        ("2026-03-01T10:00:00+02:00", "rfc3339", "UTC"),
        ("260301080000", "%y%m%d%H%M%S", "Z"),
        ("01.03.2026 16:00", "%d.%m.%Y %H:%M", "+08:00"),
        ("1772352000", "unix", "UTC"),
        ("1772352000000", "unix_ms", "Asia/Shanghai"),
    ],
)
def test_a_time_is_read_by_its_form_and_zone(text: str, form: str, zone: str) -> None:
    assert parse_instant(text, form, parse_zone(zone)) == EIGHT


@pytest.mark.parametrize(
    ("text", "form"), [("soon", "rfc3339"), ("31.02.2026", "%d.%m.%Y"), ("x", "unix")]
)
def test_what_is_no_time_is_refused(text: str, form: str) -> None:
    with pytest.raises(ValueError, match=text):
        parse_instant(text, form, UTC)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("8h", timedelta(hours=8)),
        ("-8h", timedelta(hours=-8)),
        ("+5000d", timedelta(days=5000)),
        ("-3652d", timedelta(days=-3652)),
    ],
)
def test_a_shift_goes_both_ways(text: str, span: timedelta) -> None:
    assert parse_shift(text) == span


def test_nonsense_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="every: soon"):
        parse_span("soon", "every")
    with pytest.raises(InputError, match="every: must be above 0"):
        parse_span("0s", "every")
    with pytest.raises(InputError, match="zone: Mars/Olympus"):
        parse_zone("Mars/Olympus")
    with pytest.raises(InputError, match="add the zone"):
        parse_at("2026-03-01T08:00:00", EIGHT)
    with pytest.raises(InputError, match="expected RFC 3339"):
        parse_at("noon", EIGHT)


def test_at_moves_all_and_every_sets_their_distance() -> None:
    own = [EIGHT, EIGHT + timedelta(hours=5)]
    later = EIGHT + timedelta(days=9)
    second = timedelta(seconds=1)

    assert lay(own, at=later, shift=None, every=None) == [later, later + timedelta(hours=5)]
    assert lay(own, at=None, shift=second, every=None) == [time + second for time in own]
    assert lay(own, at=None, shift=second, every=second) == [EIGHT + second, EIGHT + 2 * second]
    assert lay([], at=later, shift=None, every=None) == []
    assert parse_at("now", EIGHT) == EIGHT


def photograph(tags: dict[int, str], inner: dict[int, str]) -> bytes:
    """Return a JPEG whose EXIF block was written by Pillow."""
    exif = Image.Exif()
    exif.update(tags)
    if inner:
        exif.get_ifd(0x8769).update(inner)
    target = io.BytesIO()
    Image.new("RGB", (8, 8)).save(target, "JPEG", exif=exif)
    return target.getvalue()


@pytest.mark.parametrize(
    ("tags", "inner", "time"),
    [
        ({}, {0x9003: "2026:03:01 08:00:00"}, EIGHT),
        ({0x0132: "2026:03:01 08:00:00"}, {}, EIGHT),
        ({}, {0x9003: "2026:03:01 09:00:00", 0x9011: "+01:00"}, EIGHT),
        ({}, {0x9003: "2026:03:01 08:00:00", 0x9291: "25"}, EIGHT + timedelta(milliseconds=250)),
        ({}, {}, None),
        ({0x0132: "no time at all"}, {}, None),
    ],
    ids=["original", "file", "offset", "subsecond", "none", "nonsense"],
)
def test_exif_tells_when_a_picture_was_taken(
    tags: dict[int, str], inner: dict[int, str], time: datetime | None
) -> None:
    assert taken_at(photograph(tags, inner), UTC, doubted=pytest.fail) == time


def test_damaged_exif_tells_nothing() -> None:
    whole = photograph({}, {0x9003: "2026:03:01 08:00:00"})
    start = whole.index(b"Exif\0\0") + 6

    for position in range(start, start + 60):
        spoilt = whole[:position] + b"\xff\xff" + whole[position + 2 :]
        assert taken_at(spoilt, UTC, doubted=pytest.fail) in (None, EIGHT)
    assert taken_at(whole[:30], UTC, doubted=pytest.fail) is None
    assert taken_at(b"", UTC, doubted=pytest.fail) is None


@pytest.mark.parametrize(
    ("text", "instant", "doubts"),
    [
        ("2026-03-29 01:59", "2026-03-29T00:59:00Z", []),
        ("2026-03-29 02:30", "2026-03-29T01:30:00Z", ["does not exist in Europe/Berlin"]),
        ("2026-03-29 03:00", "2026-03-29T01:00:00Z", []),
        ("2025-10-26 01:59", "2025-10-25T23:59:00Z", []),
        ("2025-10-26 02:30", "2025-10-26T00:30:00Z", ["is there twice in Europe/Berlin"]),
        ("2025-10-26 03:00", "2025-10-26T02:00:00Z", []),
    ],
)
def test_local_times_that_no_clock_shows_or_that_it_shows_twice_are_told(
    text: str, instant: str, doubts: list[str]
) -> None:
    told: list[str] = []

    zone = parse_zone("Europe/Berlin")
    time = parse_instant(text, "%Y-%m-%d %H:%M", zone, doubted=told.append)
    named = parse_instant(text + "+01:00", "%Y-%m-%d %H:%M%z", zone, doubted=pytest.fail)

    assert format_time(time) == instant
    assert named.tzinfo is UTC
    assert [text in one and doubt in one for one, doubt in zip(told, doubts, strict=True)] == [
        True
    ] * len(doubts)
    assert all(instant in one for one in told)
