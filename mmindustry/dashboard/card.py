"""What is known of a machine from its papers, put into words with units."""

from collections.abc import Mapping, Sequence

from mmindustry.dashboard.show import number
from mmindustry.dashboard.words import Words

_UNITS = {"nominal_speed_rpm": " rpm", "line_frequency_hz": " Hz"}
_BOX = 4

Fact = tuple[str, tuple[str, ...]]


def tell_card(card: Mapping[str, object], words: Words) -> list[Fact]:
    """Return an asset card as (name, lines), the unknown left out.

    A kind or region that people commonly use has a word in every language; another is shown as
    it was written.
    """
    told = ((key, tuple(_lines(key, value, words))) for key, value in card.items())
    return [(words.code("card", key), lines) for key, lines in told if any(lines)]


def _lines(key: str, value: object, words: Words) -> list[str]:
    match key, value:
        case "kind", str():
            known = "machine." + value.strip().lower().replace(" ", "_")
            shown = words(known) if known in words.texts else value
            lines = [] if value == "unknown" else [shown]
        case "bearings", list():
            lines = [_bearing(one, words) for one in value if isinstance(one, Mapping)]
        case "regions", Mapping():
            lines = [_region(str(name), box, words) for name, box in value.items()]
        case _, int() | float():
            lines = [number(float(value), 6) + _UNITS.get(key, "")]
        case _:
            lines = [] if value is None else [str(value)]
    return lines


def _bearing(bearing: Mapping[str, object], words: Words) -> str:
    parts = [
        words(f"bearing.{key}", value=number(float(value), 6))
        for key, value in bearing.items()
        if isinstance(value, int | float) and f"bearing.{key}" in words.texts
    ]
    return f"{bearing.get('name', '')}: " + words("list.comma").join(parts)


def _region(name: str, box: object, words: Words) -> str:
    shown = words.code("region", name)
    if not isinstance(box, Sequence) or len(box) != _BOX:
        return shown
    left, top, width, height = (float(side) * 100.0 for side in box)
    return words(
        "card.region",
        name=shown,
        left=f"{left:.0f}",
        right=f"{left + width:.0f}",
        top=f"{top:.0f}",
        bottom=f"{top + height:.0f}",
    )
