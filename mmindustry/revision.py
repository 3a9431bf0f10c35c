"""Late evidence, taken in when live work is done: the next revision of a window (rule 8)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from mmindustry.domain import (
    AlarmState,
    AlarmTransition,
    Closing,
    DeadLetter,
    Event,
    Evidence,
    Failed,
    Media,
    Position,
    Prediction,
    Progress,
    Revisable,
    Step,
    Window,
    WindowKey,
)
from mmindustry.errors import DecodeError
from mmindustry.pipeline import Build, Outside
from mmindustry.windowing.pictures import compare_pictures

Restore = Callable[[str, Evidence, Media], Event]

UNREADABLE = "evidence_unreadable"


class Judge(Protocol):
    """The alarm rules as a revision asks them: it may raise, never clear."""

    def judge_revision(
        self, predictions: Sequence[Prediction | Failed]
    ) -> tuple[list[AlarmTransition], list[AlarmState]]:
        """Return the late alarms that the last of these windows raises, and changed states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionVerbs:
    """The pure verbs a revision needs; `silent` names the awaited sources that gave a window
    nothing; `look_back` = the n of the alarm rules, in windows."""

    restore: Restore
    build: Build
    judge: Judge
    silent: Callable[[Window], tuple[str, ...]]
    look_back: int
    observe: Callable[[Step], None] = lambda _: None


class Reviser:
    """Joins a window's whole late list to its archived evidence, and judges it anew.

    A revision finds of the sensors what the window would have, had all come in time: who is
    missing, whose picture is frozen. One that can't read again what the window held would judge
    from less than was known, so none is made.

    Called between turns of the pipeline, by the same thread, when a poll brought nothing.
    """

    def __init__(self, outside: Outside, verbs: RevisionVerbs) -> None:
        self._outside = outside
        self._verbs = verbs

    def revise(self, limit: int) -> int:
        """Insert up to `limit` revisions; return how many windows were settled.

        Raises:
            Fenced: Another worker has claimed a partition meanwhile; nothing was written.
        """
        found = self._outside.recorder.revisable(limit)
        for revisable in found:
            self._revise(revisable)
        return len(found)

    def _revise(self, revisable: Revisable) -> None:
        items = self._items(revisable)
        if not _is_enough(revisable, items):
            self._save(revisable, Step(progress=(), unrevised=((revisable.key, UNREADABLE),)))
            return
        window = self._window(revisable, items)
        contexts = self._outside.recorder.contexts([window], ())
        features, unreadable = self._verbs.build([window], contexts)
        predictions = tuple(self._outside.predictor.predict(features))
        before = self._outside.recorder.recent(
            revisable.key, self._verbs.look_back - 1, bundle=predictions[-1].bundle
        )
        alarms, states = self._verbs.judge.judge_revision([*before, *predictions])
        self._save(
            revisable,
            Step(
                progress=(),
                windows=(window.without(_positions(unreadable)),),
                predictions=predictions,
                alarms=tuple(alarms),
                alarm_states=tuple(states),
                unrevised=self._left(revisable, window, unreadable),
            ),
        )

    def _window(self, revisable: Revisable, items: Sequence[Event]) -> Window:
        """Return the window as it would have been, had all its evidence come in time."""
        frozen, pictures = compare_pictures(self._outside.recorder.pictures(revisable.key), items)
        window = Window(
            key=revisable.key,
            end=revisable.end,
            partition=revisable.partition,
            cut=revisable.cut,
            items=tuple(items),
            closed_by=Closing.REVISION,
            evidence_lost=revisable.evidence_lost,
            frozen=frozen,
            pictures=pictures,
        )
        if revisable.missing is None:
            return replace(window, missing=self._verbs.silent(window))
        given = {item.source for item in items}
        return replace(window, missing=tuple(s for s in revisable.missing if s not in given))

    def _items(self, revisable: Revisable) -> list[Event]:
        """Return what of the evidence can still be read, in order of (time, source, id)."""
        read = self._outside.archive.read(revisable.evidence)
        items = []
        for evidence, media in zip(revisable.evidence, read, strict=True):
            if isinstance(media, Failed):
                continue
            try:
                items.append(self._verbs.restore(revisable.key.asset, evidence, media))
            except DecodeError:
                continue
        return sorted(items, key=lambda e: (e.time, e.source, e.id))

    @staticmethod
    def _left(
        revisable: Revisable, window: Window, unreadable: Sequence[DeadLetter]
    ) -> tuple[tuple[WindowKey, str], ...]:
        taken = {item.position for item in window.items} - _positions(unreadable)
        if all(evidence.position in taken for evidence in revisable.late):
            return ()
        return ((revisable.key, UNREADABLE),)

    def _save(self, revisable: Revisable, step: Step) -> None:
        named = Progress(partition=revisable.partition, arrival=None, topics={})
        whole = Step(
            progress=(named,),
            windows=step.windows,
            predictions=step.predictions,
            alarms=step.alarms,
            alarm_states=step.alarm_states,
            unrevised=step.unrevised,
        )
        self._outside.recorder.save_revision(whole)
        self._verbs.observe(whole)


def _is_enough(revisable: Revisable, items: Sequence[Event]) -> bool:
    """Return whether some late evidence can be read, and all that the window held before."""
    read = {item.position for item in items}
    late = {evidence.position for evidence in revisable.late}
    held = {evidence.position for evidence in revisable.evidence} - late
    return bool(late & read) and held <= read


def _positions(letters: Sequence[DeadLetter]) -> frozenset[Position]:
    return frozenset(letter.message.position for letter in letters)
