"""How values look on a page: hostile text harmless, times with zone, numbers with units."""

import json
import unicodedata
from datetime import UTC, datetime, timedelta
from math import log10
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

_KEPT = frozenset("\n\t")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_LIMIT = 8192
_UNITS = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def escape_sequence(character: str) -> str:
    r"""Return how a hidden character is written out.

    >>> escape_sequence("\x1b"), escape_sequence("\u202e")
    ('\\x1b', 'U+202E')
    """
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"U+{code:04X}"  # noqa: PLR2004 - one byte


def is_hidden(character: str) -> bool:
    """Return whether a character shows nothing or turns its neighbours around."""
    return character not in _KEPT and unicodedata.category(character) in _HIDDEN


def plain(text: str) -> str:
    """Return `text` with hidden characters written out, for places without markup (titles)."""
    return "".join(escape_sequence(c) if is_hidden(c) else c for c in text[:_LIMIT])


def visible(text: object) -> Markup:
    r"""Return text of strangers for a page: escaped, hidden characters shown and marked.

    >>> visible("a<b\u202e")
    Markup('a&lt;b<span class="esc">U+202E</span>')
    """
    parts: list[Markup] = []
    run: list[str] = []
    whole = str(text)
    for character in whole[:_LIMIT]:
        if not is_hidden(character):
            run.append(character)
            continue
        parts += [escape("".join(run)), _mark(escape_sequence(character))]
        run = []
    parts.append(escape("".join(run)))
    if len(whole) > _LIMIT:
        parts.append(_mark(f"+{len(whole) - _LIMIT}"))
    return Markup().join(parts)


def _mark(text: str) -> Markup:
    return Markup('<span class="esc">{}</span>').format(text)


def breakable(text: object) -> Markup:
    """Return a path or a name of strangers as `visible` does, to be broken behind its slashes.

    >>> breakable("a/b")
    Markup('a/<wbr>b')
    """
    pieces = str(text).split("/")
    return Markup("/<wbr>").join(visible(piece) for piece in pieces)


def coded(text: str) -> Markup:
    """Return one of our own texts with what stands between backticks as code.

    >>> coded("run `mmindustry demo`")
    Markup('run <code>mmindustry demo</code>')
    """
    parts = text.split("`")
    return Markup().join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


def local(moment: datetime, zone: str, *, seconds: bool = True) -> str:
    """Return a moment in a site's zone, the zone named.

    >>> local(datetime(2026, 1, 1, 12, tzinfo=UTC), "Europe/Berlin")
    '2026-01-01 13:00:00 CET'
    """
    there = moment.astimezone(ZoneInfo(zone))
    return f"{there:%Y-%m-%d %H:%M:%S %Z}" if seconds else f"{there:%Y-%m-%d %H:%M %Z}"


def stamp(moment: datetime | None, zone: str) -> Markup:
    """Return a `<time>` element: the site's zone shown, UTC on hover; a dash for None."""
    if moment is None:
        return Markup('<span class="none">–</span>')
    utc = moment.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        utc.isoformat(), f"{utc:%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC", local(moment, zone)
    )


def clock_time(moment: datetime, zone: str, *, tenths: bool = True) -> Markup:
    """Return a short `<time>`, to tenths of a second or seconds; the page names day and zone."""
    utc, there = moment.astimezone(UTC), moment.astimezone(ZoneInfo(zone))
    shown = f"{there:%H:%M:%S}" + (f".{there.microsecond // 100_000}" if tenths else "")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        utc.isoformat(), local(moment, zone), shown
    )


def percent(value: float | None) -> str:
    """Return a probability as a percentage that never claims certainty.

    >>> percent(0.1234), percent(0.99999), percent(0.00001), percent(None)
    ('12 %', '> 99 %', '< 1 %', '–')
    """
    if value is None:
        return "–"
    if 0.0 < value < 0.01:  # noqa: PLR2004 - below what is shown
        return "< 1 %"
    if 0.995 < value < 1.0:  # noqa: PLR2004 - above what is shown
        return "> 99 %"
    return f"{value * 100:.0f} %"


def duration(value: float | timedelta | None) -> str:
    """Return a length of time in its two largest fitting units.

    >>> duration(42), duration(3720), duration(86400), duration(None)
    ('42 s', '1 h 2 min', '1 d', '–')
    """
    if value is None:
        return "–"
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    sign, seconds = ("−" if seconds < 0 else ""), abs(seconds)
    for unit, name, part, part_name in _UNITS:
        if seconds >= unit:
            rest = int(seconds % unit // part)
            return f"{sign}{int(seconds // unit)} {name}" + (f" {rest} {part_name}" if rest else "")
    digits = 1 if seconds < 10 and seconds != int(seconds) else 0  # noqa: PLR2004 - tenths matter
    return f"{sign}{seconds:.{digits}f} s"


def number(value: float | None, digits: int = 2) -> str:
    """Return a number in significant digits, a dash for None.

    >>> number(1480.0, 4), number(0.01234), number(None)
    ('1480', '0.012', '–')
    """
    return "–" if value is None else f"{value:.{digits}g}"


def surprise(p_value: float | None) -> float | None:
    """Return -log10 of a p-value: 0 = as ever, 2 = once in a hundred normal windows; at most 6.

    >>> surprise(0.01), surprise(None)
    (2.0, None)
    """
    return None if p_value is None else min(6.0, max(0.0, -log10(max(p_value, 1e-6))))


def json_text(value: object) -> str:
    """Return plain JSON, indented, as text for a person."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
