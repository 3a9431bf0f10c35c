"""How well a candidate fits: numbers a learned weight goes with, by name."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mmindustry.features.spelling import shapes
from mmindustry.features.spelling.likeness import distance, gaps, is_within, skeleton
from mmindustry.features.spelling.stock import EDGE, Stock

Clues = dict[str, float]

_FAR = 4
_SMOOTH = 0.5
_RARE = 0.05
_STRENGTH = 4.0
_BUCKETS = ((1, "1"), (2, "2"), (3, "3"), (5, "5"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a token stands: the words beside it as guessed so far, and where in the line."""

    before: str
    after: str
    first: bool
    alone: bool


def own_clues(token: str, text: str, ways: set[str], stock: Stock) -> Clues:
    """Return what speaks for a candidate whatever stands beside it."""
    found: Clues = {f"way:{way}": 1.0 for way in ways}
    found |= _meaning_clues(token, text, stock)
    if shapes.has_digit(token):
        found |= _shape_clues(token, text, stock)
    elif text == token:
        found |= _same_clues(token, stock)
    else:
        found |= _form_clues(shapes.trimmed(token), text, stock)
    if text != token:
        found |= _frequency_clues(text, stock)
    return found


def _meaning_clues(token: str, text: str, stock: Stock) -> Clues:
    meant = stock.meanings.get(token)
    if not meant:
        return {}
    total, times = sum(meant.values()), meant.get(text, 0)
    share = math.log((times + 0.1) / (total + 0.1 * (len(meant) + 1)))
    often = math.log1p(total)
    return {
        "meant:share": share,
        "meant:share_often": share * often,
        "meant:ever": float(times > 0),
    }


def _same_clues(token: str, stock: Stock) -> Clues:
    letters = shapes.squash(token)
    length = next((name for most, name in _BUCKETS if len(letters) <= most), "long")
    known = stock.standing(token)
    return {
        f"same:{known}": 1.0,
        f"same:{known}:length:{length}": 1.0,
        "same:often": math.log1p(stock.words.get(token, 0)),
        "same:no_vowel": float(letters.isalpha() and not set(letters) & set("aeiouy")),
        f"same:{known}:strange": stock.letters.strangeness(token),
        "same:mark": float(not letters),
        "same:slash": float("/" in token and len(token) > 1),
        "same:hyphen": float("-" in token and len(token) > 1),
    }


def _form_clues(token: str, text: str, stock: Stock) -> Clues:
    """How the letters of a word written short or wrong sit in the word that may be meant."""
    words = text.split()
    if not text or not token:
        return {"form:empty": 1.0}
    if shapes.MASK.search(text):
        return {"form:mask": 1.0, "form:mask:length": float(len(token))}
    if len(words) > 1:
        initials = "".join(word[0] for word in words)
        return {
            "form:words": 1.0,
            "form:initials": float(shapes.squash(token) == initials),
            "form:words:often": math.log1p(stock.phrases.get(text, 0)),
            "form:words:inner": _inner(words, stock),
            f"form:words:{stock.standing(token)}": 1.0,
            "form:words:strange": stock.letters.strangeness(token),
            "form:words:first": float(token.startswith(words[0])),
        }
    return _word_clues(
        token, text, standing=stock.standing(token), strange=stock.letters.strangeness(token)
    )


def _word_clues(token: str, text: str, *, standing: str, strange: float) -> Clues:
    apart = distance(token, text, _FAR)
    within = is_within(token, text)
    kind = "prefix" if text.startswith(token) else "within" if within else "edit"
    length = next((name for most, name in _BUCKETS if len(token) <= most), "long")
    found = {
        f"form:{kind}": 1.0,
        f"form:{kind}:length:{length}": 1.0,
        f"form:{kind}:of:{standing}": 1.0,
        f"form:{kind}:apart:{apart}": 1.0,
        f"form:{kind}:strange": strange,
        "form:apart": apart / max(len(token), 1),
        "form:first": float(token[0] == text[0]),
        "form:last": float(token[-1] == text[-1]),
        "form:skeleton": float(skeleton(token) == skeleton(text)),
        "form:longer": float(len(text) - len(token)),
        "form:plural": float(text in {token + "s", token + "es"} or token == text + "s"),
        "form:case_end": float(text.startswith(token) and text[len(token) :] in _ENDINGS),
    }
    if within:
        found["form:gaps"] = float(gaps(token, text))
        left_out = _left_out(token, text)
        vowels = sum(letter in "aeiou" for letter in left_out)
        found["form:share"] = len(token) / len(text)
        found["form:vowels_out"] = float(vowels)
        found["form:consonants_out"] = float(len(left_out) - vowels)
        found["form:inner_out"] = float(len(_left_out(token[:-1], text[: text.rfind(token[-1])])))
    return found


def _left_out(short: str, long: str) -> str:
    """Return the letters of `long` that are not used up by those of `short`, in order."""
    rest, out = list(short), []
    for letter in long:
        if rest and rest[0] == letter:
            rest.pop(0)
        else:
            out.append(letter)
    return "".join(out)


_ENDINGS = frozenset(("ed", "d", "ing", "er", "or", "r", "ion", "e", "y", "ly"))


def _frequency_clues(text: str, stock: Stock) -> Clues:
    words = [word for word in text.split() if shapes.is_word(word)]
    if not words:
        return {}
    least = min(stock.words.get(word, 0) for word in words)
    seen = min(stock.seen.get(word, 0) for word in words)
    return {
        "often:spelt": math.log1p(least),
        "often:seen": math.log1p(seen),
        "often:new": float(least == 0),
        "often:plain": float(least == 0 and all(word in stock.plain for word in words)),
    }


def _shape_clues(token: str, text: str, stock: Stock) -> Clues:
    """How often tokens of this shape, with digits, became what the candidate is."""
    form = shapes.template(text)
    kind = form if form in {"<id>", "<num>", "<num> w"} else "other"
    made = {"9": "number", "9a": "measure", "a9": "code"}.get(shapes.coarse_shape(token), "other")
    found: Clues = {f"form:{made}:{kind}": 1.0}
    words = text.split()
    if len(words) > 1:
        found["form:masked:inner"] = _inner(words, stock)
    if text == token:
        found["same:digits"] = 1.0
    found["shape:share"] = math.log(_template_share(token, form, stock))
    return found


def _template_share(token: str, form: str, stock: Stock) -> float:
    """Return the share of a template, coarse shapes standing in where fine ones are rare."""
    share = _RARE
    for shape in ("~" + shapes.coarse_shape(token), shapes.fine_shape(token)):
        meant: Mapping[str, int] = stock.templates.get(shape, {})
        total = sum(meant.values())
        share = (meant.get(form, 0) + _STRENGTH * share) / (total + _STRENGTH)
    return share


def beside_clues(text: str, place: Place, stock: Stock, *, changed: bool) -> Clues:
    """Return what the neighbours say of a candidate."""
    words = text.split()
    if not words:
        return {"beside:bridge": _tie(place.before, place.after, stock.pairs, stock)}
    left = _tie(place.before, words[0], stock.pairs, stock)
    right = _tie(words[-1], place.after, stock.pairs, stock)
    found = {
        "beside:left": left,
        "beside:right": right,
    }
    if changed:  # as written, it has been seen beside them at least this once
        found["beside:left_seen"] = _seen(place.before, words[0], stock)
        found["beside:right_seen"] = _seen(words[-1], place.after, stock)
    if text in {"<id>", "<num>"}:
        found[f"first:{text}"] = float(place.first)
        found[f"alone:{text}"] = float(place.alone)
    return found


def _tie(first: str, second: str, pairs: Mapping[str, Mapping[str, int]], stock: Stock) -> float:
    """Return the pointwise mutual information of two neighbours, shrunk where they are rare."""
    times = pairs.get(first, {}).get(second, 0)
    one = stock.words.get(first, 0) if first != EDGE else sum(pairs.get(EDGE, {}).values())
    two = stock.words.get(second, 0) if second != EDGE else sum(pairs.get(EDGE, {}).values())
    expected = one * two / stock.total
    return math.log((times + _SMOOTH) / (expected + _SMOOTH))


def _inner(words: Sequence[str], stock: Stock) -> float:
    """Return the weakest tie between the words of a candidate."""
    ties = [_tie(a, b, stock.pairs, stock) for a, b in pairwise(words)]
    return min(ties, default=0.0)


def _seen(first: str, second: str, stock: Stock) -> float:
    return math.log1p(stock.seen_pairs.get(first, {}).get(second, 0))


def scored(clues: Sequence[Clues], weights: Mapping[str, float]) -> list[float]:
    """Return the weighed sum of each candidate's clues."""
    return [sum(value * weights.get(name, 0.0) for name, value in each.items()) for each in clues]
