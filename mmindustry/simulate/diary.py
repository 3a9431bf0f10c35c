"""When the people of a running plant write something down, moment by moment."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmindustry.domain import LogEntry, Modality
from mmindustry.simulate.agenda import Agenda, Script
from mmindustry.simulate.lexicon import TWIN_WRITTEN
from mmindustry.simulate.logbook import Note, write
from mmindustry.simulate.notes import routine_note, symptom_note, twin_note
from mmindustry.simulate.seeds import generator
from mmindustry.simulate.situation import TWIN_ORDER, Situation, Twin
from mmindustry.simulate.wire import later

_SYMPTOM_ENTRIES_PER_HOUR = 1.5
_NIGHT_SHARE = 0.1
_NIGHT_HOURS = frozenset({22, 23, 0, 1, 2, 3, 4})
_TWIN_SLOT_SECONDS = 600.0
_WRITTEN_AT_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Written:
    """An entry noticed `at` seconds after the start and written `delay_seconds` later."""

    entry: LogEntry
    at: float
    delay_seconds: float


def written_between(agenda: Agenda, begin: float, end: float) -> Iterator[Written]:
    """Yield what is noticed in [begin, end) seconds, shorter than a minute, in no special order.

    Daily work is noted at the policy's rate; a fault the more often the more it shows; at night
    hardly anything. A scripted plant writes its script and nothing else.
    """
    if agenda.script is not None:
        yield from _scripted(agenda.script, agenda.machine.number, begin, end)
        return
    rng = generator(agenda.policy.seed, "diary", agenda.machine.number, round(begin * 1000))
    situation = agenda.situation(begin)
    night = later(agenda.start, begin).hour in _NIGHT_HOURS
    pace = (end - begin) / 3600 * (_NIGHT_SHARE if night else 1.0)
    for note in _noticed(agenda, situation, pace, rng):
        yield _entry(agenda, note, float(rng.uniform(begin, end)), rng)
    for twin in _begun(agenda, situation.twins, begin, end):
        if rng.random() < TWIN_WRITTEN[twin]:
            yield _entry(agenda, twin_note(twin, rng), float(rng.uniform(begin, end)), rng)


def _scripted(script: Script, number: int, begin: float, end: float) -> Iterator[Written]:
    for line in script.notes:
        if line.machine == number and begin <= line.seconds < end:
            entry = LogEntry(line.text, line.author)
            yield Written(entry, line.seconds, line.arrival_seconds - line.seconds)


def _noticed(
    agenda: Agenda, situation: Situation, pace: float, rng: np.random.Generator
) -> Iterator[Note]:
    if rng.random() < agenda.policy.routine_entries_per_hour * pace:
        yield routine_note(rng)
    shown = situation.shows(Modality.TEXT)
    rate = _SYMPTOM_ENTRIES_PER_HOUR * (0.3 + shown) * max(1.0, agenda.policy.acceleration)
    if shown > 0 and rng.random() < rate * pace:
        yield symptom_note(situation.fault, rng)


def _begun(agenda: Agenda, twins: frozenset[Twin], begin: float, end: float) -> list[Twin]:
    """Return the look-alikes whose stretch begins in [begin, end)."""
    if int(begin // _TWIN_SLOT_SECONDS) == int(end // _TWIN_SLOT_SECONDS) and begin > 0:
        return []
    now = agenda.situation(end).twins if begin > 0 else twins
    return [twin for twin in TWIN_ORDER if twin in now]


def _entry(agenda: Agenda, note: Note, at: float, rng: np.random.Generator) -> Written:
    line = write(note, agenda.machine, rng)
    delay = line.delay_seconds / max(1.0, agenda.policy.acceleration)
    tells_when = rng.random() < _WRITTEN_AT_SHARE
    written_at = later(agenda.start, at + delay) if tells_when else None
    return Written(LogEntry(line.text, line.author, written_at), at, delay)
