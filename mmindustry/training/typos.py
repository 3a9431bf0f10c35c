"""Log lines as others would have typed them: slips of the fingers and trade abbreviations.

Works on raw text, before it is hashed; to be used where features are made. Slips per character
and the abbreviations' share are what was counted in three companies' logs (learning.md 7).
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from mmindustry.features.text import LEXICON


@dataclass(frozen=True, slots=True, kw_only=True)
class TypoPolicy:
    """How often what goes wrong; 0 = never."""

    slips: float = 0.035
    """Of characters: two swapped, one dropped, one doubled, each as often, 0..1."""
    short: float = 0.3
    """Of words that have a trade abbreviation, written as that, 0..1."""
    full: float = 0.3
    """Of trade abbreviations, spelt out, 0..1."""

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        if not all(0 <= share <= 1 for share in (self.slips, self.short, self.full)):
            raise ValueError("slips, short and full must lie in 0..1")


def retyped(text: str, policy: TypoPolicy, draw: random.Random) -> str:
    """Return a line as another hand would have typed it, words in their order.

    >>> retyped("replace pump bearing", TypoPolicy(slips=0, short=1), random.Random(1))
    'replc pmp brg'
    >>> retyped("REPL PMP", TypoPolicy(slips=0, full=1), random.Random(1))
    'REPLACE PUMP'
    """
    words = [_reworded(word, policy, draw) for word in text.split(" ")]
    return " ".join(_slipped(word, policy.slips, draw) for word in words)


def _reworded(word: str, policy: TypoPolicy, draw: random.Random) -> str:
    plain = word.lower()
    if plain in LEXICON and draw.random() < policy.full:
        return _cased(LEXICON[plain], word)
    if plain in _SHORT and draw.random() < policy.short:
        return _cased(draw.choice(_SHORT[plain]), word)
    return word


def _slipped(word: str, share: float, draw: random.Random) -> str:
    """Return a word with letters swapped, dropped or doubled; numbers and ids stay."""
    if not word.isalpha():
        return word
    letters = list(word)
    for at in range(len(letters)):
        if draw.random() >= share or not letters[at]:
            continue
        kind = draw.randrange(3)
        if kind == 0 and at + 1 < len(letters):
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
        else:
            letters[at] = letters[at] * 2 if kind == 1 or len(letters) == 1 else ""
    return "".join(letters) or word


def _cased(word: str, like: str) -> str:
    return word.upper() if like.isupper() else word


def _abbreviations() -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for short, full in LEXICON.items():
        if " " not in full:
            found.setdefault(full, []).append(short)
    return found


_SHORT = _abbreviations()
