"""What a token may stand for: every way of spelling it out that is worth weighing."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

from mmindustry.features.spelling import shapes
from mmindustry.features.spelling.likeness import distance, gaps, is_within, skeleton
from mmindustry.features.spelling.stock import Stock
from mmindustry.features.spelling.vocabulary import UNITS
from mmindustry.features.text import LEXICON

Found = dict[str, set[str]]
"""Spelt out -> the ways that led there."""

_MEANINGS = 4
_WORDS = 12
_COMPOSED = 12
_LETTERS_OF_INITIALS = 4
_PIECES = 4
_MASKS = ("<id>", "<num>")
_MEASURE = re.compile(r"\d+(?:[.,]\d+)*([^\W\d_]+)")
_CODE = re.compile(r"[^\W\d_]{1,4}\d{2,}([-_/.,:]?)([^\W\d_].*)")


def candidates(token: str, stock: Stock) -> Found:
    """Return what a folded token may mean by itself, apart from its neighbours."""
    found: Found = {}
    _put(found, [token], "same")
    _put(found, _most(stock.meanings.get(token, {})), "meaning")
    _put(found, [LEXICON[token]] if token in LEXICON else [], "trade")
    plain = shapes.trimmed(token)
    if plain != token:
        _put(found, [plain, *_most(stock.meanings.get(plain, {}))], "trimmed")
    if shapes.has_digit(token):
        _put(
            found, _most(stock.meanings_by_literal.get(shapes.literal_shape(token), {})), "literal"
        )
        _put(found, _MASKS, "mask")
        _put(found, _with_unit(token), "unit")
        _put(found, (t for t in _measured(token, stock) if t not in found), "measured")
        _put(found, _coded(token, stock), "composed")
    else:
        _of_letters(found, plain, stock)
    _put(found, _composed(token, stock), "composed")
    return found


def _measured(token: str, stock: Stock) -> Iterator[str]:
    """Yield what a number with letters behind it may mean: the number and its unit."""
    match = _MEASURE.fullmatch(token)
    if not match:
        return
    letters = match[1]
    units = [
        *_most(stock.meanings.get(letters, {}))[:2],
        *(word for word in stock.units if is_within(letters, word)),
    ]
    yield from (f"<num> {unit}" for unit in list(dict.fromkeys(units))[:_MEANINGS])


def _with_unit(token: str) -> Iterator[str]:
    match = _MEASURE.fullmatch(token)
    yield from (f"<num> {unit.lower()}" for unit in UNITS.get(match[1] if match else "", ()))


def _coded(token: str, stock: Stock) -> Iterator[str]:
    """Yield what a machine's code with words behind it may mean: `<id>` and the words' meaning."""
    match = _CODE.fullmatch(token)
    if not match:
        return
    mark, rest = match[1], match[2]
    for text in _short(rest, stock):
        yield f"<id> {mark} {text}" if mark else f"<id> {text}"


def _short(rest: str, stock: Stock) -> list[str]:
    """Return the likeliest meanings of the words behind a code."""
    known = _most(stock.meanings.get(rest, {})) or _most(
        stock.meanings_by_squash.get(shapes.squash(rest), {})
    )
    if rest in LEXICON:
        known.append(LEXICON[rest])
    pieces = [piece for piece in shapes.runs(rest, codes=False) if piece.isalpha()]
    if not known and 1 < len(pieces) <= _PIECES:
        known = stock.shortened(pieces)
    if not known and shapes.is_word(rest):
        known = [rest] if rest in stock.words else near_words(rest, stock, 2)
    return known[:2]


def _of_letters(found: Found, plain: str, stock: Stock) -> None:
    letters = shapes.squash(plain)
    _put(found, _most(stock.meanings_by_squash.get(letters, {})), "squashed")
    _put(found, stock.by_squash.get(letters, ()), "squashed")
    if shapes.is_word(plain):
        _put(found, near_words(plain, stock), "near")
        _put(found, _plurals(plain, stock), "plural")
        _put(found, _cut_in_two(plain, stock), "cut")
    pieces = [piece for piece in shapes.runs(plain, codes=False) if piece.isalpha()]
    if 1 < len(pieces) <= _PIECES:
        _put(found, stock.shortened(pieces), "phrase")
    if 1 < len(letters) <= _LETTERS_OF_INITIALS and letters.isalpha():
        _put(found, stock.shortened(list(letters)), "initials")


def _put(found: Found, texts: Iterable[str], way: str) -> None:
    for text in texts:
        found.setdefault(text, set()).add(way)


def _most(meanings: Mapping[str, int]) -> list[str]:
    return [text for text, _ in Counter(meanings).most_common(_MEANINGS)]


def near_words(word: str, stock: Stock, count: int = _WORDS) -> list[str]:
    """Return the known words that `word` may shorten or misspell, likeliest first.

    A rough order that only decides which candidates are weighed.
    """
    most = 1 if len(word) < 5 else 2  # noqa: PLR2004 - a typo in a short word makes another word
    scored = []
    for known in stock.by_letter.get(word[:1], ()):
        if known == word:
            continue
        score = _nearness(word, known, most)
        if score is not None:
            often = (
                stock.words.get(known, 0) + 0.3 * stock.seen.get(known, 0) + (known in stock.plain)
            )
            scored.append((score - 0.5 * _log2(often), known))
    scored.extend(
        (1.5, known)
        for known in stock.by_letter.get(word[1:2], ())
        if known != word and distance(word, known, 1) <= 1
    )
    return [known for _, known in sorted(scored)[:count]]


def _nearness(word: str, known: str, most: int) -> float | None:
    apart = distance(word, known, most)
    if apart <= most:
        return 1.2 * apart
    if is_within(word, known):
        left = len(known) - len(word)
        return 1.0 + 0.15 * left + 0.5 * gaps(word, known) - (skeleton(word) == skeleton(known))
    return None


def _log2(value: float) -> float:
    return int(value + 1.0).bit_length() - 1.0


def _plurals(word: str, stock: Stock) -> Iterator[str]:
    """Yield plurals of what a token without its s may mean."""
    stem = word[:-1].rstrip("'")
    if not word.endswith("s") or len(stem) < 2:  # noqa: PLR2004
        return
    singles = [*_most(stock.meanings.get(stem, {}))[:2], LEXICON.get(stem, "")]
    for single in dict.fromkeys(singles):
        if single and shapes.is_word(single.rpartition(" ")[2]):
            yield single + "s"


def _cut_in_two(word: str, stock: Stock) -> Iterator[str]:
    """Yield the two known words that are run together in a token, the most frequent first."""
    cuts = []
    for at in range(3, len(word) - 2):
        often = min(_often(word[:at], stock), _often(word[at:], stock))
        if often:
            cuts.append((-often, f"{word[:at]} {word[at:]}"))
    yield from (text for _, text in sorted(cuts)[:2])


def _often(word: str, stock: Stock) -> int:
    return stock.words.get(word, 0) or (1 if word in stock.plain else 0)


def _composed(token: str, stock: Stock) -> Iterator[str]:
    """Yield a token's runs, each spelt out by itself, put together again in several ways."""
    given = 0
    for codes in (True, False):
        pieces = shapes.runs(token, codes=codes)
        if not 1 < len(pieces) <= 2 * _PIECES + 1:
            continue
        for chosen in product(*(_of_piece(piece, stock) for piece in pieces)):
            for text in _joined(pieces, chosen):
                yield text
                given += 1
            if given >= 3 * _COMPOSED:
                return


def _of_piece(piece: str, stock: Stock) -> Sequence[str]:
    """Return at most two ways to spell out one run."""
    if shapes.has_digit(piece):
        return ("<num>",) if piece[0].isdigit() else ("<id>",)
    if not piece.isalpha():
        return (piece,)
    meant = _most(stock.meanings.get(piece, {}))[:2]
    if not meant and piece in LEXICON:
        meant = [LEXICON[piece]]
    if meant or _often(piece, stock):
        return tuple(dict.fromkeys([*meant, piece]))[:2]
    return tuple(dict.fromkeys([*near_words(piece, stock, 2), piece]))[:2]


def _joined(pieces: Sequence[str], chosen: Sequence[str]) -> Iterator[str]:
    """Yield the runs with their marks set apart, kept close, and left out."""
    marks = [not (shapes.has_digit(piece) or piece.isalpha()) for piece in pieces]
    yield " ".join(" ".join(chosen).split())
    if any(marks):
        close = "".join(
            text if mark or k == 0 or marks[k - 1] else f" {text}"
            for k, (text, mark) in enumerate(zip(chosen, marks, strict=True))
        )
        yield close
        yield " ".join(text for text, mark in zip(chosen, marks, strict=True) if not mark)


def beside(token: str, before: str, after: str, stock: Stock) -> Found:
    """Return what a token means with a neighbour: one word in two tokens, or the rest of one."""
    found: Found = {}
    _put(found, _one_word(token, after, stock), "joined")
    if before and _one_word(before, token, stock):
        _put(found, [""], "dropped")
    return found


def _one_word(first: str, second: str, stock: Stock) -> list[str]:
    if not (first and second and shapes.squash(first).isalpha()):
        return []
    joined = [
        word
        for word in stock.by_squash.get(shapes.squash(first + second), ())
        if word not in (first, second)
    ]
    return joined[:2]
