"""Who writes in the logbook, and how: each person has a hand of his own."""

from dataclasses import dataclass

import numpy as np

_NAMES_ENGLISH = (
    *("a.miller", "b.okoro", "c.novak", "d.hughes", "e.rossi", "f.larsen", "g.patel", "h.stone"),
    *("i.walsh", "j.moreno", "k.fischer", "l.adams", "m.osei", "n.byrne", "o.lund", "p.quinn"),
)
_NAMES_CHINESE = ("zhang.wei", "wang.fang", "li.na", "liu.yang", "chen.jie", "zhao.min", "sun.lei")
_CHINESE_SHARE = 0.3
_SHOUTING_CREW_SHARE = 0.3
_SHOUTING_SHARE = 0.81
_QUIET_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """One person's way of writing. Shares are 0..1: words put in trade short form, characters
    mistyped, entries all in capitals, entries with a work-order number or a date."""

    name: str
    language: str
    abbreviates: float
    mistypes: float
    shouts: float
    numbers: float
    terse: float


def draw_authors(rng: np.random.Generator) -> tuple[Author, ...]:
    """Return the three people who look after one asset.

    A crew either writes in capitals (81 % of its lines) or hardly ever (5 %): the two companies of
    the MaintNorm corpus differ just so. Three in ten write Chinese.
    """
    shouting = bool(rng.random() < _SHOUTING_CREW_SHARE)
    return tuple(_draw_author(rng, shouting=shouting) for _ in range(3))


def _draw_author(rng: np.random.Generator, *, shouting: bool) -> Author:
    chinese = bool(rng.random() < _CHINESE_SHARE)
    names = _NAMES_CHINESE if chinese else _NAMES_ENGLISH
    return Author(
        name=names[int(rng.integers(len(names)))],
        language="zh" if chinese else "en",
        abbreviates=float(rng.uniform(0.3, 0.8)),
        mistypes=float(rng.uniform(0.005, 0.02)),
        shouts=_SHOUTING_SHARE if shouting else _QUIET_SHARE,
        numbers=float(rng.uniform(0.25, 0.7)),
        terse=float(rng.uniform(0.1, 0.5)),
    )
