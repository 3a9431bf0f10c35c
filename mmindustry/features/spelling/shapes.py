"""The outer form of a token: folded, squashed, its shape, its runs; and what masks are."""

import re
import unicodedata

MASK = re.compile(r"<\w+>")
"""A mask stands for what was taken out: `<id>`, `<num>`, `<date>`, `<sensitive>` ..."""
_RUN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[\W_]+?")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_LETTERS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+")
_EDGES = " .,;:-_`'\"*()[]!?=~"
_CODE_LETTERS = 4
"""Longest run of letters taken for a part of a machine's code."""


def fold(token: str) -> str:
    """Return a token in the one form that is looked up: NFC, lower case, plain apostrophes."""
    return unicodedata.normalize("NFC", token).replace("’", "'").strip().lower()


def squash(word: str) -> str:
    """Return the letters and digits alone.

    >>> squash("o'ring"), squash("pre-cleaner"), squash("l/h")
    ('oring', 'precleaner', 'lh')
    """
    return "".join(letter for letter in word if letter.isalnum())


def trimmed(word: str) -> str:
    """Return a word without the marks on its edges, itself where nothing else is there.

    >>> trimmed("radiator`"), trimmed("-")
    ('radiator', '-')
    """
    return word.strip(_EDGES) or word


def has_digit(word: str) -> bool:
    """Return whether there is a digit in it."""
    return bool(_DIGITS.search(word))


def is_word(word: str) -> bool:
    """Return whether it is letters alone, hyphens and apostrophes inside allowed."""
    return bool(_WORD.fullmatch(word))


def literal_shape(word: str) -> str:
    """Return a word with each run of digits as 9.

    >>> literal_shape("24v"), literal_shape("1/4"), literal_shape("#12")
    ('9v', '9/9', '#9')
    """
    return _DIGITS.sub("9", word)


def fine_shape(word: str) -> str:
    """Return the shape with lengths: runs of letters up to three, of digits up to four.

    >>> fine_shape("xh531"), fine_shape("1000h"), fine_shape("xf3996-c/out")
    ('aa999', '9999a', 'aa9999-a/aaa')
    """
    counted = _LETTERS.sub(lambda run: "a" * min(len(run[0]), 3), word)
    return _DIGITS.sub(lambda run: "9" * min(len(run[0]), 4), counted)


def coarse_shape(word: str) -> str:
    """Return the shape without lengths, a code of letters and digits as one.

    >>> coarse_shape("xh531"), coarse_shape("1000h"), coarse_shape("xf3996-c/out")
    ('a9', '9a', 'a9-a/a')
    """
    return _DIGITS.sub("9", _LETTERS.sub("a", word))


def template(text: str) -> str:
    """Return a spelt-out text with its words as w, masks and marks kept.

    >>> template("<id> - change out"), template("two-way"), template("<num> hour")
    ('<id> - w', 'w', '<num> w')
    """
    parts = [part if MASK.search(part) else _WORD.sub("w", part) for part in text.split()]
    kept = [part for k, part in enumerate(parts) if part != "w" or k == 0 or parts[k - 1] != "w"]
    return " ".join(kept)


def runs(word: str, *, codes: bool) -> list[str]:
    """Return the runs of a token: letters, digits, single marks.

    Args:
        word: Folded.
        codes: Letters and the digits after them are one run, as in a machine's code.

    >>> runs("xf3996-c/out", codes=True), runs("24v", codes=False)
    (['xf3996', '-', 'c', '/', 'out'], ['24', 'v'])
    """
    found: list[str] = _RUN.findall(word)
    if not codes:
        return found
    joined: list[str] = []
    for run in found:
        before = joined[-1] if joined else ""
        code = before.isalpha() and len(before) <= _CODE_LETTERS and run[0].isdigit()
        if code:
            joined[-1] += run
        else:
            joined.append(run)
    return joined
