"""Sending dead letters home: copies of one message are one case, and each case goes home once.

A message that was sent home and refused again lies in its dead-letter topic once more. To send
every letter would double them at every try, so what counts is the message: its key, its value and
its own headers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from mmindustry.domain import Position
from mmindustry.ports import Publisher
from mmindustry.stream.deadletter import Filed

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Case:
    """One refused message: its newest letter, how many there are, where it was refused first."""

    letter: Filed
    letters: int
    origin: Position


def cases_of(letters: Iterable[Filed]) -> list[Case]:
    """Return one case for each message, in the order of their first letters.

    Messages are one where topic, key, value and headers are, ours apart: what a worker filed
    twice because it was stopped between two steps, and what came back from a replay.
    """
    cases: dict[bytes, Case] = {}
    firsts: dict[bytes, Filed] = {}
    for letter in letters:
        name = _name_of(letter)
        case = cases.get(name)
        if case is None:
            cases[name], firsts[name] = Case(letter, 1, letter.home), letter
            continue
        firsts[name] = min(firsts[name], letter, key=_age)
        newest = max(case.letter, letter, key=_age)
        cases[name] = replace(
            case, letter=newest, letters=case.letters + 1, origin=firsts[name].home
        )
    return list(cases.values())


def _age(letter: Filed) -> tuple[int, str]:
    return letter.attempts, letter.timestamp


def _name_of(letter: Filed) -> bytes:
    """Return a digest of the message as its sender sent it; parts can't flow into each other."""
    digest = blake2b(digest_size=16)
    key, value, _ = letter.homeward()
    named = (part for name, content in letter.own_headers() for part in (name.encode(), content))
    for part in (letter.home.topic.encode(), key, value, *named):
        digest.update(b"-" if part is None else b"%d:" % len(part))
        digest.update(part or b"")
    return digest.digest()


def replay(publisher: Publisher, cases: Sequence[Case]) -> int:
    """Send each message home once, to the partition of its key; return how many went.

    The letters stay where they are. What is taken this time and sent again later is dropped as
    `duplicate`; what is refused again adds one letter to its case.

    Raises:
        DependencyDown: The stream is out of reach; what went before it is home.
        PublishRefused: A message can't be taken.
    """
    sent = 0
    for topic in sorted({case.letter.home.topic for case in cases}):
        mine = [case.letter.homeward() for case in cases if case.letter.home.topic == topic]
        for start in range(0, len(mine), _PAGE):
            sent += len(publisher.send(topic, mine[start : start + _PAGE]))
    return sent
