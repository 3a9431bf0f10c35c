"""Which things get noticed and written down, and how long ago: the event grammar of the logbook."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mmindustry.domain import Modality
from mmindustry.simulate.lexicon import (
    CONTRADICTION,
    FAMILIES,
    FAMILY_OF,
    HINTS,
    REHEARSAL,
    REHEARSAL_OVER,
    ROUTINE,
    SETTLED,
    TWIN_WORDS,
    TWIN_WRITTEN,
    VAGUE,
    Phrases,
)
from mmindustry.simulate.logbook import Entry, Note, write
from mmindustry.simulate.machine import Machine
from mmindustry.simulate.situation import TWIN_ORDER, Situation, Twin

LOOK_BACK_SECONDS = 7 * 86_400.0

_CONTRADICTION_SHARE = 0.03
_STALE_SHARE = 0.25
_OVER_SHARE = 0.15
_SILENT_SHARE = 0.06
_FRESH_SHARE = 0.15
_PERMIT_SECONDS = 3000.0
_NEW_BOOK_SHARE = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How people tell of faults: shares of vague notes and of those by somebody who looked."""

    vague: float = 0.25
    hint: float = 0.3


@dataclass(frozen=True, slots=True)
class Remembered:
    """An entry and how many seconds before the moment of reading it was written."""

    entry: Entry
    age_seconds: float


def history(
    machine: Machine,
    situation: Situation,
    symptom_seconds: float,
    rng: np.random.Generator,
    *,
    manner: Manner | None = None,
) -> list[Remembered]:
    """Return what the logbook holds of the last seven days, oldest first.

    The number of lines follows the crew's workload, not the label: what is written of a fault is
    not written of something else. Old troubles that are long
    settled and test runs that are over stand there for healthy and ill machines alike.

    Args:
        machine: The asset.
        situation: The truth now.
        symptom_seconds: How long people have been able to notice the fault.
        rng: Randomness.
        manner: How people tell of faults.
    """
    if rng.random() < _SILENT_SHARE and not situation.rehearsed:
        return []
    workload = float(rng.lognormal(0.0, 0.5))
    count = 1 + int(rng.poisson(4.0 * workload))
    noted = _symptoms(
        situation, min(symptom_seconds, LOOK_BACK_SECONDS), rng, manner=manner or Manner()
    )[:count]
    noted += [
        (routine_note(rng), _age_seconds(LOOK_BACK_SECONDS, rng)) for _ in range(count - len(noted))
    ]
    noted += [(note, _age_seconds(7200.0, rng)) for note in twin_notes(situation, rng)]
    noted += _rehearsals(situation, rng)
    if rng.random() < _STALE_SHARE:
        noted.append((_settled(rng), float(rng.uniform(2 * 86_400, LOOK_BACK_SECONDS))))
    found = [Remembered(write(note, machine, rng), age) for note, age in noted]
    kept = max(_kept_seconds(rng), _PERMIT_SECONDS if situation.rehearsed else 0.0)
    return sorted(
        (line for line in found if line.age_seconds <= kept), key=lambda line: -line.age_seconds
    )


def _age_seconds(most: float, rng: np.random.Generator) -> float:
    """Return an even age up to `most` seconds, or, now and then, something just written."""
    fresh, share = rng.random(2)
    return float(share * min(most, 300.0) if fresh < _FRESH_SHARE else share * most)


def _kept_seconds(rng: np.random.Generator) -> float:
    """Return how far back the logbook goes: a newly connected one holds minutes to a day."""
    new, share = rng.random(2)
    if new >= _NEW_BOOK_SHARE:
        return LOOK_BACK_SECONDS
    return float(60.0 * (86_400.0 / 60.0) ** share)


def routine_note(rng: np.random.Generator) -> Note:
    """Return a note of daily work, which names the same parts that fail."""
    return _note(ROUTINE, "routine", rng)


def symptom_note(fault: str, rng: np.random.Generator, manner: Manner | None = None) -> Note:
    """Return what somebody who notices `fault` writes: often vague, at times plainly wrong."""
    draw, how = rng.random(), manner or Manner()
    if draw < how.vague:
        return _note(VAGUE, fault, rng)
    if draw < how.vague + _CONTRADICTION_SHARE:
        return _note(CONTRADICTION, fault, rng)
    if draw < how.vague + _CONTRADICTION_SHARE + how.hint:
        return _note(HINTS[fault], fault, rng)
    return _note(FAMILIES[FAMILY_OF[fault]], fault, rng)


def plain_symptom_note(fault: str, rng: np.random.Generator) -> Note:
    """Return a note that tells the fault's family plainly."""
    return _note(FAMILIES[FAMILY_OF[fault]], fault, rng)


def twin_note(twin: Twin, rng: np.random.Generator) -> Note:
    """Return a note about one harmless thing nearby."""
    return _note(TWIN_WORDS[twin], twin.value, rng)


def twin_notes(situation: Situation, rng: np.random.Generator) -> list[Note]:
    """Return notes about those harmless things nearby that somebody cared to write down."""
    written = rng.random(len(TWIN_ORDER))
    return [
        twin_note(twin, rng)
        for twin, draw in zip(TWIN_ORDER, written, strict=True)
        if twin in situation.twins and draw < TWIN_WRITTEN[twin]
    ]


def _symptoms(
    situation: Situation, seconds: float, rng: np.random.Generator, *, manner: Manner
) -> list[tuple[Note, float]]:
    shown = situation.shows(Modality.TEXT)
    if shown <= 0 or seconds <= 0 or situation.rehearsed:
        return []
    count = int(rng.binomial(4, 0.25 + 0.5 * shown))
    return [
        (symptom_note(situation.fault, rng, manner), _age_seconds(seconds, rng))
        for _ in range(count)
    ]


def _rehearsals(situation: Situation, rng: np.random.Generator) -> list[tuple[Note, float]]:
    found = []
    if rng.random() < _OVER_SHARE:
        opened = float(rng.uniform(7200, LOOK_BACK_SECONDS))
        found.append((_note(REHEARSAL, "rehearsal", rng), opened))
        found.append(
            (_note(REHEARSAL_OVER, "rehearsal", rng), opened * float(rng.uniform(0.1, 0.9)))
        )
    if situation.rehearsed:
        found.append((_note(REHEARSAL, "rehearsal", rng), float(rng.uniform(60, _PERMIT_SECONDS))))
    return found


def _settled(rng: np.random.Generator) -> Note:
    """Return an old trouble of any family, put right since."""
    families = sorted(FAMILIES)
    family = families[int(rng.integers(len(families)))]
    note = _note(FAMILIES[family], "settled", rng)
    return Note(
        english=f"{note.english} {SETTLED['en']}",
        chinese=f"{note.chinese}{SETTLED['zh']}",
        about="settled",
    )


def _note(words: Mapping[str, Phrases], about: str, rng: np.random.Generator) -> Note:
    share = rng.random()
    english, chinese = words["en"], words["zh"]
    return Note(
        english=english[int(share * len(english))],
        chinese=chinese[int(share * len(chinese))],
        about=about,
    )
