"""Why a window was flagged, made ready for its page: cells over pictures, marked words, orders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from mmindustry.domain import Modality
from mmindustry.store.queries.detail import WindowDetail
from mmindustry.store.queries.surroundings import EntryRow

_LEAST_SHARE = 0.08
"""Share of the strongest effect below which a cell or a word stays unmarked."""
_WEAKEST = 0.02
"""Nats of the strongest effect below which nothing of a picture is marked: all is noise."""
_LEAST_CHANCE = 0.1
"""Probability of a defect below which a cell stays unmarked."""
_OPAQUE = 0.75
_LOUD, _MIDDLE = 0.66, 0.33
_BOX = 4
_MOST_ORDERS = 8

Box = tuple[float, float, float, float]
_WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Cell:
    """One marked cell: place and size in the drawing's units, how strong, for or against."""

    x: float
    y: float
    width: float
    height: float
    opacity: float
    against: bool
    text: str


@dataclass(frozen=True, slots=True)
class Overlay:
    """Cells over a frame: `number` of the frame in the evidence (None: it is gone), the part of
    the frame they cover (fractions); `learned`: they are chances of a defect, not effects."""

    number: int | None
    box: Box
    cells: tuple[Cell, ...]
    learned: bool = False


@dataclass(frozen=True, slots=True)
class SoundMap:
    """Cells over time (0..100 percent of the window) and bands; `hz`: the bands' edges."""

    cells: tuple[Cell, ...]
    hz: tuple[str, ...]
    bands: int


@dataclass(frozen=True, slots=True)
class Marked:
    """A log line with its effect, cut into (text, mark): "" or `for-1` .. `for-3`, `against-1`.."""

    time: datetime
    nats: float
    pieces: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class WhyView:
    """Everything the page draws of one explanation."""

    kind: str
    name: str
    shares: tuple[tuple[str, float], ...]
    regions: tuple[tuple[str, float], ...]
    orders: tuple[tuple[str, str, float], ...]
    frame: Overlay | None
    sound: SoundMap | None
    entries: tuple[Marked, ...]


def show_why(
    why: Mapping[str, Any],
    window: WindowDetail,
    entries: Sequence[EntryRow],
    card: Mapping[str, Any] | None,
) -> WhyView:
    """Return an explanation for the page of its window."""
    target = why["target"]
    shares = {name: nats for name, nats in why.get("shapley", {}).items() if name != "none"}
    return WhyView(
        kind=str(target["kind"]),
        name=str(target["name"]),
        shares=tuple(shares.items()),
        regions=tuple(why.get("regions", {}).items()),
        orders=tuple(_order(one) for one in why.get("orders", ())[:_MOST_ORDERS]),
        frame=_overlay(why, window, card or {}),
        sound=_sound(why.get("sound"), window),
        entries=_lines(why.get("entries", ()), entries),
    )


def _order(one: Mapping[str, Any]) -> tuple[str, str, float]:
    return str(one["name"]), ", ".join(f"{hz:g}" for hz in one["hz"]), float(one["nats"])


def _overlay(
    why: Mapping[str, Any], window: WindowDetail, card: Mapping[str, Any]
) -> Overlay | None:
    box, drawn = _WHOLE, why.get("frame")
    if "crop" in why:
        drawn = why["crop"]
        found = (card.get("regions") or {}).get("product", ())
        if len(found) != _BOX:
            return None
        box = (float(found[0]), float(found[1]), float(found[2]), float(found[3]))
    if not drawn:
        return None
    rows, columns = drawn["grid"]
    left, top, width, height = box
    wide, high = width / columns, height / rows
    learned = "defect" in drawn
    marks = _likely(drawn["defect"]) if learned else _strong(drawn["nats"])
    cells = tuple(
        Cell(left + wide * (n % columns), top + high * (n // columns), wide, high, *mark)
        for n, mark in marks
    )
    return Overlay(_newest(window, str(drawn["at"])), box, cells, learned)


def _newest(window: WindowDetail, at: str) -> int | None:
    """Return the number of the frame nearest to a time."""
    moment = datetime.fromisoformat(at)
    frames = [
        (abs((e.time - moment).total_seconds()), n)
        for n, e in enumerate(window.evidence)
        if e.modality is Modality.IMAGE and n not in window.dead
    ]
    return min(frames)[1] if frames else None


def _strong(nats: Sequence[float]) -> list[tuple[int, tuple[float, bool, str]]]:
    """Return (place, (opacity, against, text)) of the effects worth a mark."""
    most = max((abs(value) for value in nats), default=0.0)
    if most < _WEAKEST:
        return []
    return [
        (n, (round(_OPAQUE * abs(value) / most, 3), value < 0, f"{value:+.2f} nat"))
        for n, value in enumerate(nats)
        if abs(value) >= _LEAST_SHARE * most
    ]


def _likely(chances: Sequence[float]) -> list[tuple[int, tuple[float, bool, str]]]:
    """Return (place, (opacity, against, text)) of the cells that may be a defect."""
    return [
        (n, (round(_OPAQUE * chance, 3), False, f"{100 * chance:.0f} %"))
        for n, chance in enumerate(chances)
        if chance >= _LEAST_CHANCE
    ]


def _sound(drawn: Mapping[str, Any] | None, window: WindowDetail) -> SoundMap | None:
    if not drawn or not drawn["nats"]:
        return None
    length = (window.end - window.start).total_seconds()
    bands = len(drawn["nats"][0])
    flat = [value for row in drawn["nats"] for value in row]
    wide = 100.0 * float(drawn["length"]) / length
    cells = tuple(
        Cell(100.0 * drawn["seconds"][n // bands] / length, bands - 1 - n % bands, wide, 1.0, *mark)
        for n, mark in _strong(flat)
    )
    return SoundMap(cells, tuple(f"{hz / 1000.0:.1f}" for hz in drawn["hz"]), bands)


def _lines(told: Sequence[Mapping[str, Any]], entries: Sequence[EntryRow]) -> tuple[Marked, ...]:
    known = {(entry.source, entry.event_id, entry.time): entry for entry in entries}
    found = []
    for one in told:
        time = datetime.fromisoformat(str(one["time"]))
        entry = known.get((str(one["source"]), str(one["id"]), time))
        if entry is not None:
            found.append(Marked(time, float(one["nats"]), _pieces(entry.text, one["words"])))
    return tuple(found)


def _pieces(text: str, words: Sequence[Sequence[float]]) -> tuple[tuple[str, str], ...]:
    """Return a line cut where its marked words begin and end; every character once."""
    most = max((abs(word[2]) for word in words), default=0.0)
    marks = {
        (int(first), int(end)): _mark(nats, most)
        for first, end, nats in words
        if most >= _WEAKEST and abs(nats) >= _LEAST_SHARE * most
    }
    cuts = sorted({0, len(text), *(min(place, len(text)) for span in marks for place in span)})
    return tuple((text[a:b], marks.get((a, b), "")) for a, b in pairwise(cuts))


def _mark(nats: float, most: float) -> str:
    share = abs(nats) / most
    level = 3 if share >= _LOUD else 2 if share >= _MIDDLE else 1
    return f"{'against' if nats < 0 else 'for'}-{level}"
