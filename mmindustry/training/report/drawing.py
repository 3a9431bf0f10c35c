"""Drawings of a report as SVG text: bars with their intervals, reliability, confusion.

Plain shapes and words, no script and no font of its own; every value drawn also stands in a table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite

_INK, _FAINT, _BAR, _WRONG = "#1d2733", "#c9d1da", "#2f6f9f", "#b4532a"
_GROUND = "#f4f6f8"
_ROW, _LABEL, _WIDTH = 22, 190, 640
_SIDE, _MARGIN = 300, 46
_CELL = 34


@dataclass(frozen=True, slots=True)
class Bar:
    """One value in 0..1 with its interval; `faint`: a control, drawn grey."""

    label: str
    value: float
    low: float = float("nan")
    high: float = float("nan")
    faint: bool = False


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Return horizontal bars over 0..1, a whisker where there is an interval."""
    shown = [row for row in rows if isfinite(row.value)]
    span = _WIDTH - _LABEL - 60
    parts = [_grid(span, _ROW * len(shown))]
    for at, row in enumerate(shown):
        top, middle = at * _ROW + 4, at * _ROW + _ROW / 2
        length = _held(row.value) * span
        colour = _FAINT if row.faint else _BAR
        parts += [
            _words(_LABEL - 8, middle + 4, row.label, anchor="end"),
            _box(_LABEL, top, length, _ROW - 8, fill=colour),
            _words(_WIDTH - 50, middle + 4, f"{row.value:.3f}"),
        ]
        if isfinite(row.low) and isfinite(row.high):
            left, right = (_LABEL + _held(end) * span for end in (row.low, row.high))
            parts.append(_line(left, middle, right, middle, width=2))
    return _drawing(title, _WIDTH, _ROW * len(shown) + 24, parts)


def reliability(title: str, rows: Sequence[Sequence[float]]) -> str:
    """Return the reliability diagram of rows (confidence, share right, windows).

    A dot below the diagonal: too sure. Its area goes with the windows in the bin.
    """
    most = max((row[2] for row in rows), default=1.0)
    parts = [_square()]
    for confidence, right, count in rows:
        x, y = _MARGIN + confidence * _SIDE, 10 + (1 - right) * _SIDE
        radius = 2.0 + 4.0 * (count / most) ** 0.5
        parts += [
            _line(x, 10 + (1 - confidence) * _SIDE, x, y, colour=_WRONG),
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{_BAR}"/>',
        ]
    middle = _MARGIN + _SIDE / 2
    parts += [
        _words(middle, _SIDE + 42, "said: probability of the leading class", anchor="middle"),
        _turned(12, 10 + _SIDE / 2, _words(0, 0, "found: share right", anchor="middle"), by=-90),
    ]
    return _drawing(title, _SIDE + _MARGIN + 20, _SIDE + 50, parts)


def confusion(title: str, names: Sequence[str], table: Sequence[Sequence[int]]) -> str:
    """Return the confusion matrix, rows the truth, each shaded by its share of the row."""
    parts = []
    for row, (name, counts) in enumerate(zip(names, table, strict=True)):
        total, top = max(1, sum(counts)), row * _CELL + 6
        parts.append(_words(_LABEL - 8, top + _CELL / 2 + 4, name, anchor="end"))
        for column, count in enumerate(counts):
            left, share = _LABEL + column * _CELL, count / total
            colour = _BAR if row == column else _WRONG
            ink = "#ffffff" if share > 0.5 else _INK  # noqa: PLR2004 - dark ground, light words
            parts.append(
                _box(left, top, _CELL - 1, _CELL - 1, fill=colour, opacity=max(share, 0.02))
            )
            if count:
                parts.append(
                    _words(
                        left + _CELL / 2, top + _CELL / 2 + 4, str(count), anchor="middle", ink=ink
                    )
                )
    foot = len(names) * _CELL + 12
    for column, name in enumerate(names):
        at = _LABEL + column * _CELL + _CELL / 2
        parts.append(_turned(at, foot, _words(0, 4, name), by=60))
    return _drawing(title, _LABEL + len(names) * _CELL + 90, foot + 130, parts)


def _grid(span: float, height: float) -> str:
    lines = [
        _line(_LABEL + share * span, 0, _LABEL + share * span, height, colour=_FAINT)
        + _words(_LABEL + share * span, height + 16, f"{share:g}", anchor="middle")
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    return "".join(lines)


def _square() -> str:
    frame = _box(_MARGIN, 10, _SIDE, _SIDE, fill=_GROUND)
    marks = "".join(
        _words(_MARGIN + share * _SIDE, _SIDE + 26, f"{share:g}", anchor="middle")
        + _words(_MARGIN - 6, 14 + (1 - share) * _SIDE, f"{share:g}", anchor="end")
        for share in (0.0, 0.5, 1.0)
    )
    return frame + marks + _line(_MARGIN, 10 + _SIDE, _MARGIN + _SIDE, 10, colour=_FAINT)


def _box(  # noqa: PLR0913 - where, how large, how it looks
    x: float, y: float, wide: float, high: float, *, fill: str, opacity: float = 1.0
) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" fill="{fill}" '
        f'fill-opacity="{opacity:.3f}"/>'
    )


def _turned(x: float, y: float, inside: str, *, by: int) -> str:
    return f'<g transform="translate({x:.0f} {y:.0f}) rotate({by})">{inside}</g>'


def _held(value: float) -> float:
    return min(1.0, max(0.0, value))


def _line(  # noqa: PLR0913 - two points and how they are joined
    x: float, y: float, to_x: float, to_y: float, *, colour: str = _INK, width: int = 1
) -> str:
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )


def _words(x: float, y: float, text: str, *, anchor: str = "start", ink: str = _INK) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{ink}">{escape(text)}</text>'
    )


def _drawing(title: str, width: float, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:.0f} '
        f'{height:.0f}" width="{width:.0f}" height="{height:.0f}" font-family="sans-serif" '
        f'font-size="12"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )
