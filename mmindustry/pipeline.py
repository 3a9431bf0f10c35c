"""The way of one message, told on one page: from bytes to durable facts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mmindustry.domain import (
    AlarmState,
    AlarmTransition,
    Claim,
    Context,
    DeadLetter,
    Event,
    Failed,
    Features,
    Gap,
    Message,
    Prediction,
    Step,
    Window,
)
from mmindustry.errors import Fenced, LayoutChanged
from mmindustry.ports import Archive, DeadLetters, Predictor, Recorder, Source
from mmindustry.windowing.assembler import Assembler

Decode = Callable[[Sequence[Message]], tuple[list[Event], list[DeadLetter]]]
Build = Callable[
    [Sequence[Window], Sequence[Context]], tuple[list[Features | Failed], list[DeadLetter]]
]

REVISIONS_A_TURN = 8


class Rules(Protocol):
    """The alarm rules: a fold over predictions by window end, its state kept in the record."""

    def restore(self, claim: Claim) -> None:
        """Begin from the claim's alarm states."""

    def forget(self) -> None:
        """Drop all memory."""

    def fold(
        self, predictions: Sequence[Prediction | Failed], gaps: Sequence[Gap]
    ) -> tuple[list[AlarmTransition], list[AlarmState]]:
        """Return the transitions these cause and the changed states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The ports the line needs."""

    source: Source
    recorder: Recorder
    archive: Archive
    predictor: Predictor
    dead_letters: DeadLetters


@dataclass(frozen=True, slots=True, kw_only=True)
class Verbs:
    """The pure verbs of the line, and what watches them."""

    decode: Decode
    assembler: Assembler
    build: Build
    rules: Rules
    revise: Callable[[int], int] = lambda _: 0
    observe: Callable[[Step], None] = lambda _: None
    failpoint: Callable[[str], None] = lambda _: None


class Pipeline:
    """Carries polls through the line under the numbered commit rules of the handbook.

    One thread. `turn` forgets and claims again where it was `Fenced`; after any other exception
    memory is no longer trusted and the caller dies, to be started anew (rule 6). `stopped` names
    the partitions whose layout changed, and why: they are not read until `topics relayout`;
    `fenced` says why the last turn was, empty where it was not.
    """

    def __init__(self, outside: Outside, verbs: Verbs) -> None:
        self._source = outside.source
        self._recorder = outside.recorder
        self._archive = outside.archive
        self._predict = outside.predictor.predict
        self._dead_letters = outside.dead_letters
        self._decode = verbs.decode
        self._assembler = verbs.assembler
        self._build = verbs.build
        self._rules = verbs.rules
        self._revise = verbs.revise
        self._observe = verbs.observe
        self._failpoint = verbs.failpoint
        self._stale = False
        self.stopped: dict[int, str] = {}
        self.fenced = ""

    def turn(self) -> bool:
        """Act on a noted rebalance, carry one poll, close what is due; False if nothing came."""
        self.fenced = ""
        try:
            self._settle()
            messages = self._source.poll()
            self._carry(messages)
            if not messages:
                self._revise(REVISIONS_A_TURN)  # live work is done (rule 8)
        except Fenced as fenced:
            self.forget()
            self._stale = True
            self.fenced = str(fenced)
            return True
        return bool(messages)

    def _carry(self, messages: Sequence[Message]) -> None:
        self.step(messages)
        while self._assembler.more:
            self._source.keep()
            self.step(())

    def _settle(self) -> None:
        """Claim what was assigned, or what is held where memory was forgotten (rule 6).

        What was due at the moment of the claim closes before anything new is read.
        """
        change = self._source.take_change()
        if change is None and self._stale:
            change = self._source.held()
        if change is not None:
            self._stale = True
            self.assigned(change)
            self._stale = False
            self._carry(())

    def step(self, messages: Sequence[Message]) -> None:
        """Carry one poll, empty or not, from bytes to durable facts, then forget its bytes."""
        events, refused = self._decode(messages)  # bytes -> Event | DeadLetter
        self._archive.refill([event for event in events if event.seen])
        untaken = self._assembler.add(events, refused)
        fresh = self._assembler.admit(self._recorder.unknown(untaken))  # duplicates out
        losses = self._source.losses()
        self._assembler.lose(losses)
        arrivals = self._source.arrival()
        closed, gaps = self._assembler.close(arrivals)  # Event -> Window
        gaps += losses
        contexts = self._recorder.contexts(closed, (*fresh.entries, *fresh.states))
        features, unreadable = self._build(closed, contexts)  # Window -> Features | Failed
        predictions = self._predict(features)  # -> Prediction | Failed, `batch` at a time
        alarms, alarm_states = self._rules.fold(predictions, gaps)  # by window end
        windows = self._assembler.strike(closed, unreadable)  # what can't be read is no evidence
        letters = refused + unreadable
        ready = [partition for partition, arrival in arrivals.items() if arrival.ready]
        if letters:
            self._dead_letters.flush(letters)  # (1)
        shards = self._archive.put(windows, fresh.late, ready)  # (2)
        if not (any(not message.seen for message in messages) or windows or gaps or shards):
            return
        self._failpoint("after_archive")
        progress = self._assembler.progress(shards)
        step = Step(
            progress=progress,
            assets=self._assembler.changed(),
            entries=fresh.entries,
            states=fresh.states,
            windows=tuple(windows),
            late=fresh.late,
            gaps=tuple(gaps),
            predictions=tuple(predictions),
            alarms=tuple(alarms),
            alarm_states=tuple(alarm_states),
            dead_letters=tuple(letters),
            shards=tuple(shards),
            drops=self._assembler.drops(),
        )
        self._recorder.save(step)  # (3) all of the above in one transaction, or Fenced
        self._failpoint("after_save")
        self._source.commit(progress)  # (4) a hint, the database decides
        self._observe(step)

    def assigned(self, partitions: Sequence[int]) -> None:
        """Take partitions over: fence the last writer, load what the record knows, read on."""
        self.forget()
        self.stopped.clear()
        for claim in self._recorder.claim(partitions):  # epoch + 1
            try:
                self._source.seek(claim)  # from needed_from; marks what lies below read_through
            except LayoutChanged as changed:
                self.stopped[claim.partition] = str(changed)
                continue
            self._assembler.restore(claim)
            self._archive.restore(claim)
            self._rules.restore(claim)

    def forget(self) -> None:
        """Drop every memory; only claims bring it back (rule 3)."""
        self._assembler.forget()
        self._archive.forget()
        self._rules.forget()
