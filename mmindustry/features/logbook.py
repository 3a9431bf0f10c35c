"""An asset's log in few lines: chosen, quoted and grouped, never written anew. Pure.

Lines are compared by TF-IDF over normalised words, Chinese by pairs of characters.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from mmindustry.features.text import words

Array = NDArray[np.float64]

ALIKE = 0.8
"""Share of common shingles from which two lines say the same."""
RELEVANCE = 0.7
"""Weight of what a line tells against how much of it was told already (lambda of MMR)."""
APART = 0.75
"""Mean cosine distance from which groups of lines are not joined."""

_SHINGLE = 4
_FIRST_HAN, _LAST_HAN = "\u3400", "\u9fff"
_TOP = 3


@dataclass(frozen=True, slots=True)
class Chosen:
    """A line by its place in the list given, and how many lines said the same."""

    place: int
    times: int


@dataclass(frozen=True, slots=True)
class Group:
    """Lines that belong together by their places, ascending, and the terms they are known by."""

    terms: tuple[str, ...]
    places: tuple[int, ...]


def terms_of(text: str) -> list[str]:
    """Return what a line is compared by: words in full, numbers left out, Chinese in pairs.

    >>> terms_of("REPL brg P-101"), terms_of("轴承异响")
    (['replace', 'bearing'], ['轴承', '承异', '异响'])
    """
    found: list[str] = []
    for word in words(text):
        if _FIRST_HAN <= word[0] <= _LAST_HAN:
            found += [word[k : k + 2] for k in range(max(1, len(word) - 1))]
        elif len(word) > 1 and not set(word) <= {"0"}:
            found.append(word)
    return found


def shingles(text: str) -> frozenset[str]:
    """Return the runs of four characters of a line in its normalised words."""
    plain = " ".join(words(text))
    return frozenset(plain[k : k + _SHINGLE] for k in range(max(1, len(plain) - _SHINGLE + 1)))


def distinct(lines: Sequence[str]) -> list[Chosen]:
    """Return the first of each set of lines that say the same, in order (Broder, 1997)."""
    kept: list[tuple[int, frozenset[str]]] = []
    times: Counter[int] = Counter()
    for place, line in enumerate(lines):
        mine = shingles(line)
        twin = next((first for first, other in kept if _resemble(mine, other) >= ALIKE), None)
        if twin is None:
            kept.append((place, mine))
        times[place if twin is None else twin] += 1
    return [Chosen(place, times[place]) for place, _ in kept]


def _resemble(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / max(1, len(one | other))


def tf_idf(lines: Sequence[str]) -> tuple[Array, list[str]]:
    """Return rows of length 1 (lines, terms), 0 for a line without a term, and the terms, sorted.

    Weights (1 + log tf) (log((1 + n) / (1 + df)) + 1).
    """
    counted = [Counter(terms_of(line)) for line in lines]
    names = sorted(set().union(*counted)) if counted else []
    place = {name: at for at, name in enumerate(names)}
    counts = np.zeros((len(lines), len(names)))
    for row, one in enumerate(counted):
        for name, count in one.items():
            counts[row, place[name]] = count
    weight = np.where(counts > 0, 1.0 + np.log(np.maximum(counts, 1.0)), 0.0)
    weight *= np.log((1.0 + len(lines)) / (1.0 + (counts > 0).sum(axis=0))) + 1.0
    length = np.linalg.norm(weight, axis=1, keepdims=True)
    return weight / np.maximum(length, 1e-12), names


def summary(lines: Sequence[str], most: int) -> list[Chosen]:
    """Return at most `most` lines that together tell what the log tells, in the order given.

    Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): each next line is near the
    middle of all and far from those chosen. The same lines give the same choice.
    """
    several = distinct(lines)
    rows, _ = tf_idf([lines[one.place] for one in several])
    telling = [at for at in range(len(several)) if rows[at].any()]
    times = np.array([one.times for one in several], np.float64)
    middle = (rows * times[:, None]).sum(axis=0)
    relevant = rows @ (middle / max(float(np.linalg.norm(middle)), 1e-12))
    chosen: list[int] = []
    while telling and len(chosen) < most:
        told = (rows @ rows[chosen].T).max(axis=1) if chosen else np.zeros(len(rows))
        score = RELEVANCE * relevant - (1.0 - RELEVANCE) * told
        best = max(telling, key=lambda at: (round(float(score[at]), 12), -at))
        chosen.append(best)
        telling.remove(best)
    return [several[at] for at in sorted(chosen)]


def clusters(lines: Sequence[str]) -> list[Group]:
    """Return the lines in groups that belong together, the largest first; none is left out but
    those without a term.

    Agglomerative by mean cosine distance (average linkage). A group is known by the terms that
    weigh most in it.
    """
    rows, names = tf_idf(lines)
    places = [at for at in range(len(lines)) if rows[at].any()]
    if not places:
        return []
    kept = rows[places]
    groups: dict[int, list[int]] = {}
    for at, group in zip(places, _joined(kept), strict=True):
        groups.setdefault(group, []).append(at)
    found = [Group(_known_by(rows[members], names), tuple(members)) for members in groups.values()]
    return sorted(found, key=lambda group: (-len(group.places), group.places))


def _joined(rows: Array) -> Iterable[int]:
    if len(rows) == 1:
        return [1]
    distance = np.clip(1.0 - rows @ rows.T, 0.0, 1.0)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(np.round(distance, 9), checks=False), method="average")
    return [int(group) for group in fcluster(tree, t=APART, criterion="distance")]


def _known_by(rows: Array, names: Sequence[str]) -> tuple[str, ...]:
    weight = rows.sum(axis=0)
    order = sorted(range(len(names)), key=lambda at: (-round(float(weight[at]), 9), names[at]))
    return tuple(names[at] for at in order[:_TOP] if weight[at] > 0)
