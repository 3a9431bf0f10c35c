"""WordPiece: text -> ids of a given vocabulary, as BERT's uncased models were trained with.

Lower case, accents stripped, punctuation and Chinese characters apart, then the longest piece that
fits, again and again (Schuster & Nakajima, 2012; Devlin et al., 2019).
"""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import BundleError
from mmindustry.features.text import LEXICON

PAD, UNKNOWN, START, END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
_LONGEST_WORD = 100
"""Characters of a word beyond which it is unknown, as in BERT."""
_LONGEST = 512
"""Characters of an entry that are looked at."""
_CHINESE = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
_ASCII_MARKS = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


class WordPiece:
    """A vocabulary, and how text is cut into its pieces.

    Args:
        vocabulary: Pieces in order of their ids; what continues a word begins with `##`.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.ids = {piece: at for at, piece in enumerate(vocabulary)}
        if missing := [name for name in (PAD, UNKNOWN, START, END) if name not in self.ids]:
            raise BundleError(f"vocabulary: {', '.join(missing)} missing; is it a vocab.txt?")
        if self.ids[PAD] != 0:
            raise BundleError(f"vocabulary: {PAD} must come first, it is at {self.ids[PAD]}")
        self.encode = lru_cache(maxsize=2_048)(self._encode)

    def _encode(self, text: str, slots: int) -> tuple[int, ...]:
        """Return at most `slots` ids: start, pieces, end; empty for text without any word."""
        found = [self.ids[piece] for word in split_words(text) for piece in self.pieces(word)]
        if not found:
            return ()
        return (self.ids[START], *found[: slots - 2], self.ids[END])

    def pieces(self, word: str) -> list[str]:
        """Return the pieces of one word, the longest first that fits; unknown where none does."""
        found: list[str] = []
        start = 0
        while start < len(word) <= _LONGEST_WORD:
            piece = self._longest(word, start)
            if piece is None:
                return [UNKNOWN]
            found.append(piece)
            start += len(piece.removeprefix("##")) if start else len(piece)
        return found or [UNKNOWN]

    def _longest(self, word: str, start: int) -> str | None:
        for end in range(len(word), start, -1):
            piece = word[start:end] if start == 0 else f"##{word[start:end]}"
            if piece in self.ids:
                return piece
        return None


def split_words(text: str) -> list[str]:
    """Return words, marks and Chinese characters of a line, lower case and without accents.

    >>> split_words("Pump P-7: café, 轴承!")
    ['pump', 'p', '-', '7', ':', 'cafe', ',', '轴', '承', '!']
    """
    lowered = unicodedata.normalize("NFD", text[:_LONGEST].lower())
    return list(_words("".join(_spaced(lowered)).split()))


def _spaced(text: str) -> Iterator[str]:
    for letter in text:
        kind = unicodedata.category(letter)
        if letter in "\t\n\r":
            yield " "
        elif kind != "Mn" and not kind.startswith("C") and letter != "\ufffd":
            yield f" {letter} " if _is_chinese(letter) else letter


def _words(tokens: list[str]) -> Iterator[str]:
    for token in tokens:
        word = ""
        for letter in token:
            if not _is_mark(letter):
                word += letter
                continue
            if word:
                yield word
            yield letter
            word = ""
        if word:
            yield word


def _is_chinese(letter: str) -> bool:
    return letter > "\u33ff" and any(low <= ord(letter) <= high for low, high in _CHINESE)


def _is_mark(letter: str) -> bool:
    return letter in _ASCII_MARKS or unicodedata.category(letter).startswith("P")


def read_vocabulary(content: bytes) -> tuple[str, ...]:
    """Return the pieces of a vocab.txt, one a line."""
    return tuple(line.rstrip("\r") for line in content.decode("utf-8").rstrip("\n").split("\n"))


def plain_vocabulary() -> tuple[str, ...]:
    """Return a small vocabulary of our own: letters, digits, marks, and the trade's words.

    For an encoder trained from nothing; loaded weights bring the vocabulary they know.
    """
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    ends = ("##ing", "##ed", "##er", "##es", "##ly", "##tion", "##age", "##ure")
    trade = sorted({w for key, value in LEXICON.items() for w in (key, *value.split())})
    rest = [word for word in trade if len(word) > 1 and word.isalpha()]
    return (PAD, UNKNOWN, START, END, *letters, *(f"##{x}" for x in letters), *ends, *rest)


def vocabulary_array(vocabulary: Sequence[str]) -> NDArray[np.uint8]:
    """Return a vocabulary as it travels in a bundle's arrays."""
    return np.frombuffer("\n".join(vocabulary).encode(), np.uint8)
