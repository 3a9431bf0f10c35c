"""Spells out lines: weighs the candidates of each token, first by rule of thumb, then together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mmindustry.errors import InputError
from mmindustry.features.spelling import shapes
from mmindustry.features.spelling.candidates import beside, candidates
from mmindustry.features.spelling.clues import Clues, Place, beside_clues, own_clues, scored
from mmindustry.features.spelling.stock import EDGE, Stock
from mmindustry.features.spelling.vocabulary import plain_words

_PASSES = 2
_REMEMBERED = 20_000
_VERSION = 1


@dataclass(frozen=True)
class Speller:
    """What is learned (`stock`) and what it weighs (`weights`); made by training, kept as JSON."""

    stock: Stock
    weights: Mapping[str, float]
    _known: dict[str, dict[str, Clues]] = field(default_factory=dict, repr=False, compare=False)

    def spell(self, tokens: Sequence[str]) -> list[str]:
        """Return each token spelt out, in lower case; "" where its neighbour says it all.

        Args:
            tokens: A line's, as written.
        """
        folded = [shapes.fold(token) for token in tokens]
        guesses = [guess(token, self.stock) for token in folded]
        for _ in range(_PASSES):
            better = []
            for place, where in enumerate(places(guesses)):
                texts, clues = self.weighed(folded, place, where)
                scores = scored(clues, self.weights)
                better.append(texts[scores.index(max(scores))])
            if better == guesses:
                break
            guesses = better
        return guesses

    def spell_line(self, line: str) -> str:
        """Return a line spelt out."""
        return " ".join(text for text in self.spell(line.split()) if text)

    def weighed(
        self, folded: Sequence[str], place: int, where: Place
    ) -> tuple[list[str], list[Clues]]:
        """Return the candidates of one token of a line, and the clues of each."""
        token = folded[place]
        own = self._own(token)
        before = folded[place - 1] if place else ""
        after = folded[place + 1] if place + 1 < len(folded) else ""
        joint = beside(token, before, after, self.stock)
        texts = [*own, *(text for text in joint if text not in own)]
        clues = []
        for text in texts:
            each = dict(own.get(text) or own_clues(token, text, set(), self.stock))
            each |= {f"way:{way}": 1.0 for way in joint.get(text, ())}
            each |= beside_clues(text, where, self.stock, changed=text != token)
            clues.append(each)
        return texts, clues

    def _own(self, token: str) -> dict[str, Clues]:
        """Return a token's candidates apart from its neighbours; remembered: they come often."""
        known = self._known.get(token)
        if known is None:
            found = candidates(token, self.stock)
            known = {text: own_clues(token, text, found[text], self.stock) for text in found}
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[token] = known
        return known

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON; plain words are the package's own and left out."""
        return {
            "kind": "speller",
            "version": _VERSION,
            "general": bool(self.stock.plain),
            "weights": dict(self.weights),
            "stock": self.stock.to_json(),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Speller":
        """Return what `to_json` told.

        Raises:
            InputError: It is something else, or of another version.
        """
        if told.get("kind") != "speller" or told.get("version") != _VERSION:
            raise InputError(f"no speller of version {_VERSION}: train it again")
        plain = plain_words() if told["general"] else frozenset()
        return cls(replace(Stock.from_json(told["stock"]), plain=plain), dict(told["weights"]))


def guess(token: str, stock: Stock) -> str:
    """Return the first guess that neighbours are judged by: the commonest meaning, or a mask."""
    meant = stock.meanings.get(token)
    if meant:
        return max(meant, key=lambda text: (meant[text], text))
    if shapes.has_digit(token):
        return "<id>" if any(letter.isalpha() for letter in token) else "<num>"
    return token


def places(guesses: Sequence[str]) -> list[Place]:
    """Return where each token of a line stands; tokens guessed to be nothing are looked past."""
    told = [text.split() for text in guesses]
    found = []
    for at in range(len(told)):
        before = next((words[-1] for words in reversed(told[:at]) if words), EDGE)
        after = next((words[0] for words in told[at + 1 :] if words), EDGE)
        found.append(Place(before, after, first=at == 0, alone=len(told) == 1))
    return found
