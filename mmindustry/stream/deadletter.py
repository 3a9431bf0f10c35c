"""Dead letters: a topic beside each input, listed and shown; `replay` sends them home.

The message goes untouched; headers that begin with `mmindustry_dlq_` say why and from where.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

import structlog

import mmindustry
from mmindustry.domain import DeadLetter, Message, Position
from mmindustry.errors import DependencyDown, InputError, PublishRefused
from mmindustry.ports import Publisher
from mmindustry.stream.admin import StreamAdmin, layout_of
from mmindustry.stream.policy import DEAD_LETTER_SUFFIX, RetryPolicy
from mmindustry.stream.retry import pauses

PREFIX = "mmindustry_dlq_"
ERROR_BYTES = 1024
"""Longest error text in a header, bytes of UTF-8."""
ATTEMPTS = PREFIX + "attempts"
_NO_VALUE = PREFIX + "no_value"
_KEEP_SECONDS = 0.5
_PAGE = 500

Outgoing = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]


class DeadLetterTopics:
    """The `DeadLetters` port over a `Publisher`: what can't be used goes to `<topic>.dlq`.

    Nothing is ever skipped: while the topic can't be written, `flush` tries again and calls
    `keep` between tries, which ends it with `Fenced` where the partition goes elsewhere.
    """

    def __init__(
        self,
        publisher: Publisher,
        *,
        keep: Callable[[], None],
        policy: RetryPolicy,
        rng: Random,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        """Choose the ways.

        Args:
            publisher: Writes the dead-letter topics.
            keep: `Source.keep`; raises `Fenced` when there is no use in going on.
            policy: How long to wait between tries.
            rng: Jitter.
            pause: Waits that many seconds; None = really waits.
        """
        self._publisher = publisher
        self._keep = keep
        self._policy = policy
        self._rng = rng
        self._pause = pause or threading.Event().wait
        self._out = structlog.get_logger()
        self._trouble: str | None = None

    def trouble(self) -> str | None:
        """Return why letters can't be written now, in words for `/readyz`; None = all is well."""
        return self._trouble

    def flush(self, letters: Sequence[DeadLetter]) -> None:
        """Send all; durable on return.

        Raises:
            Fenced: `keep` said so between two tries.
        """
        topics = sorted({letter.message.position.topic for letter in letters})
        for topic in topics:
            mine = [one for one in letters if one.message.position.topic == topic]
            self._send(topic + DEAD_LETTER_SUFFIX, [outgoing_of(letter) for letter in mine])

    def _send(self, topic: str, messages: Sequence[Outgoing]) -> None:
        for seconds in pauses(self._policy, self._rng):
            try:
                self._publisher.send(topic, messages)
            except (DependencyDown, PublishRefused) as error:
                self._note(topic, error)
            else:
                self._trouble = None
                return
            self._wait(seconds)

    def _note(self, topic: str, error: Exception) -> None:
        if self._trouble is None:
            self._out.error("dead_letters_unwritable", topic=topic, error=str(error))
        self._trouble = f"{topic}: {error}"

    def _wait(self, seconds: float) -> None:
        """Wait in short stretches, so that the membership lives and a stop is heard."""
        left = seconds
        while left > 0:
            self._keep()
            self._pause(min(left, _KEEP_SECONDS))
            left -= _KEEP_SECONDS
        self._keep()


def outgoing_of(letter: DeadLetter) -> Outgoing:
    """Return the (key, value, headers) of a letter: the message's own, and why it is here."""
    message = letter.message
    position = message.position
    earlier = [value for name, value in message.headers if name == ATTEMPTS]
    attempts = 1 + (int(earlier[-1]) if earlier and earlier[-1].isdigit() else 0)
    added = {
        "reason": letter.reason,
        "stage": letter.stage,
        "error": cut_text(letter.detail),
        "topic": position.topic,
        "partition": str(position.partition),
        "offset": str(position.offset),
        "timestamp": message.append_time.isoformat(),
        "attempts": str(attempts),
        "app_version": mmindustry.__version__,
    }
    headers = [(name, value) for name, value in message.headers if name != ATTEMPTS]
    headers += [(PREFIX + name, text.encode()) for name, text in added.items()]
    if message.key is None and message.value is None:  # Kafka takes no message of nothing
        return None, b"", (*headers, (_NO_VALUE, b"1"))
    return message.key, message.value, headers


def cut_text(text: str) -> str:
    """Return the text cut to `ERROR_BYTES` of UTF-8, no character split.

    >>> len(cut_text("ä" * 5000).encode())
    1024
    """
    clean = text.encode(errors="replace")[:ERROR_BYTES]
    return clean.decode(errors="ignore")


@dataclass(frozen=True, slots=True)
class Filed:
    """A dead letter as its topic holds it: `at` is its place there, `home` where it came from."""

    at: Position
    home: Position
    reason: str
    stage: str
    error: str
    timestamp: str
    attempts: int
    message: Message

    def own_headers(self) -> list[tuple[str, bytes]]:
        """Return the headers that the message was sent with, ours apart."""
        return [pair for pair in self.message.headers if not pair[0].startswith(PREFIX)]

    def homeward(self) -> Outgoing:
        """Return the message as it was, `attempts` kept so that the next letter counts on."""
        headers = [*self.own_headers(), (ATTEMPTS, str(self.attempts).encode())]
        bare = any(name == _NO_VALUE for name, _ in self.message.headers)
        return self.message.key, None if bare else self.message.value, headers


def filed_of(message: Message) -> Filed:
    """Return what a message of a dead-letter topic tells.

    Raises:
        InputError: It lacks the headers of a dead letter.
    """
    told = {
        name.removeprefix(PREFIX): value.decode(errors="replace")
        for name, value in message.headers
        if name.startswith(PREFIX)
    }
    try:
        home = Position(told["topic"], int(told["partition"]), int(told["offset"]))
        attempts = int(told["attempts"])
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{'/'.join(map(str, message.position))} is no dead letter of mmindustry: {error}"
        ) from error
    return Filed(
        at=message.position,
        home=home,
        reason=told.get("reason", "unknown"),
        stage=told.get("stage", "unknown"),
        error=told.get("error", ""),
        timestamp=told.get("timestamp", ""),
        attempts=attempts,
        message=message,
    )


def read_letters(admin: StreamAdmin, topics: Sequence[str]) -> Iterator[Filed]:
    """Yield every dead letter of the given inputs, topic by topic, oldest first.

    Raises:
        InputError: A dead-letter topic is missing, or holds something else.
    """
    for topic in topics:
        layout = layout_of(admin, topic + DEAD_LETTER_SUFFIX)
        for partition in range(layout.partitions):
            offset = layout.begins[partition]
            while offset < layout.ends[partition]:
                page = admin.read(layout.name, partition, offset, _PAGE)
                yield from map(filed_of, page)
                if not page:
                    break
                offset = page[-1].position.offset + 1


def find_letter(admin: StreamAdmin, at: Position) -> Filed:
    """Return the dead letter at a place of its topic.

    Raises:
        InputError: There is none.
    """
    layout = layout_of(admin, at.topic)
    if not 0 <= at.partition < layout.partitions:
        raise InputError(f"{at.topic} has partitions 0 to {layout.partitions - 1}")
    found = admin.read(at.topic, at.partition, at.offset, 1)
    if not found or found[0].position != at:
        begin, end = layout.begins[at.partition], layout.ends[at.partition]
        raise InputError(f"nothing at offset {at.offset}: there are {begin} to {end - 1}")
    return filed_of(found[0])
