"""What people write about a machine: late, short, misspelt, at times about the wrong one.

The noise follows the MaintNorm corpus (NLP-TLP): about five tokens a line, one token in six an id
or number, one in five in need of rewriting, crews that write in capitals.
"""

from dataclasses import dataclass

import numpy as np

from mmindustry.simulate.authors import Author
from mmindustry.simulate.lexicon import ABBREVIATIONS
from mmindustry.simulate.machine import Machine

_SHIFT_SECONDS = 8 * 3600.0
_MEDIAN_DELAY_SECONDS = 40 * 60.0
_NEXT_SHIFT_SHARE = 0.1
_WRONG_ASSET_SHARE = 0.05
_KEYS_APART = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something to be written down, in whole words; `about` the fault, look-alike or `routine`."""

    english: str
    chinese: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A written line. `clean` is what a careful clerk would have written, token by token;
    `delay_seconds` from noticing to writing."""

    text: str
    clean: str
    author: str
    language: str
    about: str
    delay_seconds: float


def write(note: Note, machine: Machine, rng: np.random.Generator) -> Entry:
    """Return `note` in the hand of one of the people who look after `machine`."""
    author = machine.authors[int(rng.integers(len(machine.authors)))]
    tag = machine.tag
    if rng.random() < _WRONG_ASSET_SHARE:
        tag = f"P-{machine.number + 101 + int(rng.integers(1, 5))}"
    writer = _write_chinese if author.language == "zh" else _write_english
    text, clean = writer(note, author, tag, rng)
    return Entry(
        text=text,
        clean=clean,
        author=author.name,
        language=author.language,
        about=note.about,
        delay_seconds=draw_delay_seconds(rng),
    )


def draw_delay_seconds(rng: np.random.Generator) -> float:
    """Return how long after noticing it is written: median 40 min, one in ten by the next shift."""
    delay = _MEDIAN_DELAY_SECONDS * rng.lognormal(0.0, 0.9)
    next_shift = rng.random() < _NEXT_SHIFT_SHARE
    return float(delay + (_SHIFT_SECONDS if next_shift else 0.0))


def _write_english(
    note: Note, author: Author, tag: str, rng: np.random.Generator
) -> tuple[str, str]:
    words = note.english.split()
    if rng.random() > author.terse:
        words = [tag, *words]
    if rng.random() < author.numbers:
        words.append(_number(rng))
    clean = list(words)
    written = [_hurried(word, author, rng) for word in words]
    text = " ".join(written)
    if rng.random() < author.shouts:
        text = text.upper()
    return text, " ".join(clean)


def _write_chinese(
    note: Note, author: Author, tag: str, rng: np.random.Generator
) -> tuple[str, str]:
    clean = note.chinese
    if rng.random() > author.terse:
        clean = tag + clean
    text = clean
    if rng.random() < author.mistypes * len(text):
        place = int(rng.integers(len(text)))
        text = text[:place] + text[place + 1 :] if rng.random() < 0.5 else text + "。"  # noqa: PLR2004
    if rng.random() < author.numbers:
        number = _number(rng)
        return f"{text} {number}", f"{clean} {number}"
    return text, clean


def _number(rng: np.random.Generator) -> str:
    makers = (
        lambda: f"WO{int(rng.integers(10000, 99999))}",
        lambda: f"{int(rng.integers(1, 29)):02d}/{int(rng.integers(1, 13)):02d}",
        lambda: f"{int(rng.integers(5, 23)):02d}{int(rng.integers(0, 6))}0",
        lambda: f"x{int(rng.integers(1, 5))}",
    )
    return makers[int(rng.integers(len(makers)))]()


def _hurried(word: str, author: Author, rng: np.random.Generator) -> str:
    """Return the word abbreviated or mistyped as this author would; ids stay whole."""
    if any(letter.isdigit() for letter in word):
        return word
    if word in ABBREVIATIONS and rng.random() < author.abbreviates:
        return ABBREVIATIONS[word]
    if len(word) > _KEYS_APART and rng.random() < author.mistypes * len(word):
        return _mistyped(word, rng)
    return word


def _mistyped(word: str, rng: np.random.Generator) -> str:
    place = int(rng.integers(1, len(word) - 1))
    slip = int(rng.integers(3))
    if slip == 0:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if slip == 1:
        return word[:place] + word[place + 1 :]
    return word[:place] + word[place] + word[place:]
