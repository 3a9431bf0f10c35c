"""What a speller has learned: counts of meanings, words and neighbours, and indexes over them."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from mmindustry.features.spelling import shapes
from mmindustry.features.spelling.likeness import is_within

Pairs = Sequence[tuple[str, str]]
"""A line: (as written, spelt out) of each token."""

EDGE = "^"
"""Stands before the first word of a line and after the last."""
_UNITS = 40
_LONGEST_PHRASE = 4
_PHRASES = 4
_LEAST_PHRASE = 2
_ALPHABET = 28
_SMOOTH = 0.2
_LEAST_SEEN = 2
"""A word of unlabelled lines counts as one from its second time on: most typos come once."""


@dataclass(frozen=True, slots=True)
class Lines:
    """What there is to learn from: spelt-out lines, and lines as written of the place itself."""

    spelt: Sequence[Pairs]
    written: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Letters:
    """A trigram model of letters: which strings look like words."""

    triples: Mapping[str, int]
    doubles: Mapping[str, int]

    @classmethod
    def of(cls, words: Iterable[str]) -> "Letters":
        """Return the counts of each word, once."""
        triples: Counter[str] = Counter()
        doubles: Counter[str] = Counter()
        for word in words:
            marked = f"^^{word}$"
            triples.update(marked[k : k + 3] for k in range(len(marked) - 2))
            doubles.update(marked[k : k + 2] for k in range(len(marked) - 2))
        return cls(triples, doubles)

    def strangeness(self, token: str) -> float:
        """Return the mean surprise of a letter in nats; about 2 for words, more for others."""
        marked = f"^^{token}$"
        surprise = [
            math.log(
                (self.doubles.get(marked[k : k + 2], 0) + _ALPHABET * _SMOOTH)
                / (self.triples.get(marked[k : k + 3], 0) + _SMOOTH)
            )
            for k in range(len(marked) - 2)
        ]
        return sum(surprise) / len(surprise)


@dataclass(frozen=True)
class Stock:
    """Counts.

    `meanings`: folded token -> spelt out -> times. `words`, `pairs`: of the spelt-out side.
    `phrases`: runs of words of that side. `seen`, `seen_pairs`: of lines as written. `plain`: words
    that need no learning. All is folded: case is not learned.
    """

    meanings: Mapping[str, Mapping[str, int]]
    words: Mapping[str, int]
    pairs: Mapping[str, Mapping[str, int]]
    phrases: Mapping[str, int]
    seen: Mapping[str, int]
    seen_pairs: Mapping[str, Mapping[str, int]]
    plain: frozenset[str] = frozenset()

    @classmethod
    def of(cls, lines: Lines) -> "Stock":
        """Return the counts of lines."""
        meanings: dict[str, Counter[str]] = defaultdict(Counter)
        words: Counter[str] = Counter()
        pairs: dict[str, Counter[str]] = defaultdict(Counter)
        phrases: Counter[str] = Counter()
        for line in lines.spelt:
            for written, spelt in line:
                meanings[shapes.fold(written)][shapes.fold(spelt)] += 1
            told = [word for _, spelt in line for word in shapes.fold(spelt).split()]
            words.update(told)
            _count_pairs(told, pairs)
            phrases.update(_phrases(told))
        seen: Counter[str] = Counter()
        seen_pairs: dict[str, Counter[str]] = defaultdict(Counter)
        for tokens in lines.written:
            folded = [shapes.fold(token) for token in tokens]
            seen.update(folded)
            _count_pairs(folded, seen_pairs)
        kept = {text: times for text, times in phrases.items() if times >= _LEAST_PHRASE}
        return cls(dict(meanings), words, dict(pairs), kept, seen, dict(seen_pairs))

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON."""
        return {
            "meanings": {k: dict(v) for k, v in self.meanings.items()},
            "words": dict(self.words),
            "pairs": {k: dict(v) for k, v in self.pairs.items()},
            "phrases": dict(self.phrases),
            "seen": dict(self.seen),
            "seen_pairs": {k: dict(v) for k, v in self.seen_pairs.items()},
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Stock":
        """Return what `to_json` told."""
        named = ("meanings", "words", "pairs", "phrases", "seen", "seen_pairs")
        return cls(*(told[name] for name in named))

    @cached_property
    def total(self) -> int:
        """Words of the spelt-out side, in all."""
        return max(sum(self.words.values()), 1)

    def standing(self, word: str) -> str:
        """Return `known` for a word of the spelt-out side, `plain` for any other, else `new`."""
        if word in self.words:
            return "known"
        return "plain" if word in self.plain else "new"

    @cached_property
    def letters(self) -> "Letters":
        """How words of the spelt-out side are built."""
        words = {*self.words, *self.plain}
        return Letters.of(word for word in sorted(words) if shapes.is_word(word))

    @cached_property
    def by_letter(self) -> Mapping[str, Sequence[str]]:
        """First letter -> words that may be meant, the plainest of the written ones included."""
        found: dict[str, set[str]] = defaultdict(set)
        often = (word for word, times in self.seen.items() if times >= _LEAST_SEEN)
        for word in (*self.words, *often, *self.plain):
            if shapes.is_word(word) and len(word) > 1:
                found[word[0]].add(word)
        return {letter: sorted(words) for letter, words in found.items()}

    @cached_property
    def by_squash(self) -> Mapping[str, Sequence[str]]:
        """Letters alone -> words of the spelt-out side that have just these."""
        found: dict[str, list[str]] = defaultdict(list)
        for word in self.words:
            if shapes.is_word(word):
                found[shapes.squash(word)].append(word)
        for word in self.plain:
            if word not in self.words:
                found[word].append(word)
        return found

    @cached_property
    def meanings_by_squash(self) -> Mapping[str, Counter[str]]:
        """Letters and digits alone -> meanings of all tokens that have just these."""
        return self._gathered(shapes.squash)

    @cached_property
    def meanings_by_literal(self) -> Mapping[str, Counter[str]]:
        """Token with digits as 9 -> meanings."""
        return self._gathered(shapes.literal_shape)

    def _gathered(self, key: Any) -> Mapping[str, Counter[str]]:
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for token, meant in self.meanings.items():
            found[key(token)].update(meant)
        return found

    @cached_property
    def templates(self) -> Mapping[str, Counter[str]]:
        """Shape of a token with digits, fine or coarse -> templates of what it meant."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for token, meant in self.meanings.items():
            if not shapes.has_digit(token):
                continue
            for spelt, times in meant.items():
                form = shapes.template(spelt)
                for shape in (shapes.fine_shape(token), "~" + shapes.coarse_shape(token)):
                    found[shape][form] += times
        return found

    @cached_property
    def by_initials(self) -> Mapping[str, Sequence[str]]:
        """Initials -> phrases with them, the most frequent first."""
        found: dict[str, list[str]] = defaultdict(list)
        for phrase, _ in sorted(self.phrases.items(), key=lambda one: (-one[1], one[0])):
            found["".join(word[0] for word in phrase.split())].append(phrase)
        return found

    @cached_property
    def units(self) -> Sequence[str]:
        """Words that follow a number, the most frequent first."""
        after = Counter(self.pairs.get("<num>", {})).most_common(_UNITS)
        return [word for word, _ in after if shapes.is_word(word)]

    def shortened(self, pieces: Sequence[str]) -> list[str]:
        """Return the phrases that the pieces shorten word by word, the most frequent first."""
        known = self.by_initials.get("".join(piece[0] for piece in pieces), ())
        fitting = (phrase for phrase in known if all(map(is_within, pieces, phrase.split())))
        return list(islice(fitting, _PHRASES))


def _phrases(words: Sequence[str]) -> Iterator[str]:
    """Yield the runs of two to four words without masks and marks among them."""
    for length in range(2, _LONGEST_PHRASE + 1):
        for start in range(len(words) - length + 1):
            run = words[start : start + length]
            if all(map(shapes.is_word, run)):
                yield " ".join(run)


def _count_pairs(words: Iterable[str], into: dict[str, Counter[str]]) -> None:
    before = EDGE
    for word in (*words, EDGE):
        into[before][word] += 1
        before = word
