"""Log text -> hashed ids: trade abbreviations spelt out, words and character n-grams.

Hashing needs no vocabulary, so a new word of the plant is just another id. Chinese is not cut
into words: its runs give n-grams of two to four characters.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import Event, LogEntry, Window
from mmindustry.features.part import Part
from mmindustry.features.spec import Recipe

LEXICON: Mapping[str, str] = MappingProxyType(
    {
        "a/c": "air conditioning",
        "adj": "adjust",
        "assy": "assembly",
        "brg": "bearing",
        "brgs": "bearings",
        "c/o": "change out",
        "chk": "check",
        "chkd": "checked",
        "clnd": "cleaned",
        "comp": "compressor",
        "conv": "conveyor",
        "cplg": "coupling",
        "cyl": "cylinder",
        "de": "drive end",
        "elec": "electrical",
        "eng": "engine",
        "fab": "fabricate",
        "flr": "floor",
        "gbx": "gearbox",
        "genr": "generator",
        "hyd": "hydraulic",
        "insp": "inspect",
        "inst": "install",
        "l/h": "left hand",
        "lh": "left hand",
        "lub": "lubricate",
        "lube": "lubricate",
        "maint": "maintenance",
        "mtr": "motor",
        "nde": "non drive end",
        "o/h": "overhaul",
        "o/s": "out of service",
        "op": "operator",
        "pmp": "pump",
        "r/h": "right hand",
        "rh": "right hand",
        "rep": "repair",
        "repl": "replace",
        "replc": "replace",
        "rplc": "replace",
        "stm": "steam",
        "temp": "temperature",
        "tk": "tank",
        "u/s": "unserviceable",
        "vib": "vibration",
        "vibr": "vibration",
        "vlv": "valve",
        "w/o": "work order",
        "wd": "washdown",
        "xfmr": "transformer",
    }
)
"""Trade abbreviation -> what it stands for, in lower case."""

_TOKEN = re.compile(r"[\u3400-\u9fff]+|[^\W_\u3400-\u9fff]+(?:/[^\W_\u3400-\u9fff]+)?")
_DIGITS = re.compile(r"\d")
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_WORD_SLOTS = 4
"""Of four id slots one at most goes to words, the rest to n-grams."""
_PIECE = 2
_LONGEST = 512
"""Characters of an entry that are looked at; more could fill no further id."""


Ids = tuple[int, ...]

TEXT_IDS = ("text_ids", "text_words", "text_pieces")
"""The arrays that hold what an entry says."""


class Pieces(Protocol):
    """How text becomes WordPiece ids."""

    def encode(self, text: str, slots: int, /) -> tuple[int, ...]:
        """Return at most `slots` ids."""


def text_part(
    window: Window, entries: Sequence[Event], recipe: Recipe, pieces: Pieces | None = None
) -> Part:
    """Return the text arrays: the newest entries, newest in the last slot.

    `text_age` is log1p of hours since the entry counts; `text_meta` holds the share of id slots
    used, of digits and of Chinese among its characters, and log1p of its coarseness in hours.
    `text_words` and `text_pieces` are there where the recipe asks for them.
    """
    newest = [entry for entry in entries if isinstance(entry.content, LogEntry)][-recipe.entries :]
    ids = np.zeros((recipe.entries, recipe.tokens), np.int32)
    mask, age = np.zeros(recipe.entries, np.float32), np.zeros(recipe.entries, np.float32)
    meta = np.zeros((recipe.entries, 4), np.float32)
    for slot, entry in enumerate(newest, start=recipe.entries - len(newest)):
        written = entry.content
        if not isinstance(written, LogEntry):
            continue
        looked = written.text[:_LONGEST]
        found = _remembered_ids(looked, recipe.tokens, recipe.word_ids, recipe.ngram_ids)
        if not found:
            continue
        ids[slot, : len(found)] = found
        hours = max((window.end - entry.end).total_seconds(), 0.0) / 3600.0
        mask[slot], age[slot] = 1.0, np.log1p(hours)
        meta[slot] = _meta(written, len(found), recipe)
    present = bool(mask.any())
    arrays = {"text_ids": ids, "text_mask": mask, "text_age": age, "text_meta": meta}
    arrays |= _in_order(newest, mask, recipe, pieces)
    return Part(arrays=arrays, present=present, quality=1.0 if present else 0.0)


def _in_order(
    newest: Sequence[Event], mask: NDArray[np.float32], recipe: Recipe, pieces: Pieces | None
) -> dict[str, NDArray[np.int32]]:
    """Return words and pieces in order, each where the recipe asks for it."""
    arrays: dict[str, NDArray[np.int32]] = {}
    if recipe.words:
        arrays["text_words"] = np.zeros((recipe.entries, recipe.words), np.int32)
    if recipe.pieces and pieces is not None:
        arrays["text_pieces"] = np.zeros((recipe.entries, recipe.pieces), np.int32)
    for slot in np.flatnonzero(mask) if arrays else ():
        entry = newest[int(slot) - recipe.entries].content
        text = entry.text if isinstance(entry, LogEntry) else ""
        for name, found in _sequences(text, recipe, pieces).items():
            arrays[name][slot, : len(found)] = found
    return arrays


def entry_ids(text: str, recipe: Recipe, pieces: Pieces | None = None) -> dict[str, Ids]:
    """Return array -> the ids of one entry's text, of each of `TEXT_IDS` that the recipe makes."""
    return {"text_ids": token_ids(text, recipe)} | _sequences(text, recipe, pieces)


def _sequences(text: str, recipe: Recipe, pieces: Pieces | None) -> dict[str, Ids]:
    looked = text[:_LONGEST]
    found: dict[str, Ids] = {}
    if recipe.words:
        found["text_words"] = word_sequence(looked, recipe.words, recipe.word_rows)
    if recipe.pieces and pieces is not None:
        found["text_pieces"] = pieces.encode(looked, recipe.pieces)
    return found


@lru_cache(maxsize=2_048)
def word_sequence(text: str, slots: int, rows: int) -> tuple[int, ...]:
    """Return the ids of the first `slots` words in order; a Chinese run counts by characters."""
    cut = [part for word in words(text) for part in (word if _CHINESE.match(word) else (word,))]
    return tuple(word_row(word, rows) for word in cut[:slots])


def word_row(word: str, rows: int) -> int:
    """Return the id of a word in order: 1..rows - 1.

    >>> word_row("bearing", 16_384) == word_row("bearing", 16_384)
    True
    """
    return _bucket(word, 1, rows - 1)


def words(text: str) -> list[str]:
    """Return the words of a line: NFC, lower case, abbreviations spelt out, digits as 0.

    >>> words("REPL u/s brg P-4711")
    ['replace', 'unserviceable', 'bearing', 'p', '0000']
    """
    plain = unicodedata.normalize("NFC", text[:_LONGEST]).lower()
    return [
        word
        for token in _TOKEN.findall(plain)
        for part in ([token] if token in LEXICON else token.split("/"))
        for word in _DIGITS.sub("0", LEXICON.get(part, part)).split()
    ]


def pieces(text: str) -> list[tuple[int, int]]:
    """Return where the words of a raw line stand, (first character, end) each.

    Chinese is not cut into words: two characters a piece.

    >>> pieces("REPL brg 轴承异响")
    [(0, 4), (5, 8), (9, 11), (11, 13)]
    """
    found: list[tuple[int, int]] = []
    for token in _TOKEN.finditer(text[:_LONGEST]):
        size = _PIECE if _CHINESE.match(token[0]) else len(token[0])
        found += [(k, min(k + size, token.end())) for k in range(*token.span(), size)]
    return found


def token_ids(text: str, recipe: Recipe) -> tuple[int, ...]:
    """Return at most `tokens` ids: words first, then character n-grams evenly over the line."""
    return _ids(text, recipe.tokens, recipe.word_ids, recipe.ngram_ids)


def _ids(text: str, tokens: int, word_ids: int, ngram_ids: int) -> tuple[int, ...]:
    found = words(text)
    whole = [_bucket(word, 1, word_ids - 1) for word in found[: tokens // _WORD_SLOTS]]
    grams = [gram for word in found for gram in ngrams(word)]
    room = tokens - len(whole)
    if len(grams) > room:
        grams = [grams[k * len(grams) // room] for k in range(room)]
    return (*whole, *(_bucket(gram, word_ids, ngram_ids) for gram in grams))


_remembered_ids = lru_cache(maxsize=2_048)(_ids)
"""An entry counts in many windows in a row, and is cut into ids at the first."""


def ngrams(word: str) -> Iterator[str]:
    """Yield the character n-grams of `<word>`: 3 to 5 characters, of Chinese 2 to 4 unmarked.

    >>> list(ngrams("oil"))
    ['<oi', 'oil', 'il>', '<oil', 'oil>', '<oil>']
    >>> list(ngrams("轴承"))
    ['轴承']
    """
    chinese = bool(_CHINESE.match(word))
    marked, sizes = (word, (2, 3, 4)) if chinese else (f"<{word}>", (3, 4, 5))
    for size in sizes:
        for start in range(len(marked) - size + 1):
            yield marked[start : start + size]


def _bucket(text: str, first: int, count: int) -> int:
    return first + crc32(text.encode("utf-8", "replace")) % count


def _meta(entry: LogEntry, used: int, recipe: Recipe) -> tuple[float, float, float, float]:
    looked = entry.text[:_LONGEST]
    length = max(len(looked), 1)
    return (
        used / recipe.tokens,
        len(_DIGITS.findall(looked)) / length,
        len(_CHINESE.findall(looked)) / length,
        float(np.log1p(entry.precision.total_seconds() / 3600.0)),
    )
