"""What an alarm rests on, put into words: bars for shares, facts for all else."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mmindustry.dashboard.show import duration, json_text, local, number, percent, surprise
from mmindustry.dashboard.shown import AlarmView
from mmindustry.dashboard.words import Words

_TOP = 6
_FAMILIES = {
    "probabilities": "fault",
    "risk": "window.within",
    "terms": "modality",
    "quality": "modality",
    "novelty": "modality",
    "product": "product",
}
"""Parts of the evidence that are numbers by name -> the words for their names."""

_RULE = re.compile(r"\A(?P<k>\d+) of (?P<n>\d+)\Z")


@dataclass(frozen=True, slots=True)
class Bar:
    """One named number: `share` 0..1 of the bar's length (-1..1 where signed), and as text."""

    name: str
    share: float
    text: str


@dataclass(frozen=True, slots=True)
class Bars:
    """A part of the evidence as bars; `signed`: from the middle; `leads`: the first stands out."""

    title: str
    signed: bool
    leads: bool
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """Evidence in words: parts drawn as bars, and (name, text) facts."""

    parts: tuple[Bars, ...]
    facts: tuple[tuple[str, str], ...]


def tell_evidence(
    evidence: Mapping[str, object], words: Words, *, alarm: AlarmView, zone: str
) -> Told:
    """Return an alarm's plain JSON evidence in words, its times in `zone`.

    What is not known by name is told as a fact; a limit is told where it is one of probability.
    """
    hides = set() if alarm.probability is not None else {"threshold"}
    if alarm.source:
        hides.add("source")  # the page names it already
    parts: list[Bars] = []
    facts: list[tuple[str, str]] = []
    for key, value in evidence.items():
        numbers = _numbers(value)
        title = words.code("evidence", key)
        if key in _FAMILIES and numbers:
            parts.append(_bars(key, title, numbers, words))
        elif key not in hides and value not in (None, "", [], {}):
            facts.append((title, _fact(key, value, words, (alarm.asset, zone))))
    return Told(tuple(parts), tuple(facts))


def _numbers(value: object) -> dict[str, float]:
    if not isinstance(value, Mapping):
        return {}
    return {
        str(name): float(one)
        for name, one in value.items()
        if isinstance(one, int | float) and not isinstance(one, bool)
    }


def _bars(key: str, title: str, numbers: Mapping[str, float], words: Words) -> Bars:
    rows = list(numbers.items())
    if key != "risk":  # its horizons stand in their own order
        rows.sort(key=lambda row: -row[1])
    most = max(abs(value) for value in numbers.values()) or 1.0
    family = _FAMILIES[key]
    return Bars(
        title,
        key == "terms",
        key == "probabilities",
        tuple(
            Bar(words.code(family, name), *_measure(key, value, most))
            for name, value in rows[:_TOP]
        ),
    )


def _measure(key: str, value: float, most: float) -> tuple[float, str]:
    if key == "terms":
        return value / most, f"{value:+.1f} nat"
    if key == "novelty":
        level = surprise(value) or 0.0
        return level / 6.0, number(level)
    return min(1.0, max(0.0, value)), percent(value)


def _fact(key: str, value: object, words: Words, place: tuple[str, str]) -> str:
    asset, zone = place
    match key, value:
        case ("started" | "ended", str()):
            told = _moment(value, zone)
        case ("threshold", float()):
            told = percent(value)
        case ("rule", str()) if counts := _RULE.match(value):
            told = words("evidence.rule_counts", k=counts["k"], n=counts["n"])
        case ("findings", list()):
            told = ", ".join(
                f"{words.code('finding', str(code))} {str(source).removeprefix(asset + '/')}"
                for code, source in _pairs(value)
            )
        case ("covered", float()):
            told = percent(value)
        case ("classes", list()):
            told = ", ".join(words.code("fault", str(one)) for one in value)
        case ("remaining_life_seconds", list()):
            told = " … ".join(duration(float(one)) for one in value)
        case _:
            told = _other_fact(value, words)
    return told


def _moment(value: str, zone: str) -> str:
    try:
        return local(datetime.fromisoformat(value), zone)
    except ValueError:
        return value


def _other_fact(value: object, words: Words) -> str:
    if isinstance(value, Mapping):
        told = (
            f"{words.code('modality', str(name))}: {_plain(v, words)}" for name, v in value.items()
        )
        return ", ".join(told)
    return _plain(value, words)


def _pairs(value: list[object]) -> list[tuple[object, object]]:
    return [(one[0], one[1]) for one in value if isinstance(one, list) and len(one) == 2]  # noqa: PLR2004 - a pair


def _plain(value: object, words: Words) -> str:
    if isinstance(value, bool):
        return words("yes") if value else words("no")
    if isinstance(value, float):
        return number(value, 3)
    return value if isinstance(value, str) else json_text(value)
