"""The needs: what the line asks of the outside world, one small protocol each.

Every implementation, and every fake in `mmindustry.testing`, passes the contract suite of its port.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from mmindustry.domain import (
    Arrival,
    Claim,
    Context,
    DeadLetter,
    Event,
    Evidence,
    Failed,
    Features,
    Fresh,
    Gap,
    LastPicture,
    Media,
    Message,
    OutboxRow,
    Outcome,
    Prediction,
    Progress,
    Revisable,
    Shard,
    Step,
    Untaken,
    Window,
    WindowKey,
)


class Source(Protocol):
    """The input topics, read partition by partition."""

    def take_change(self) -> Sequence[int] | None:
        """Return the partitions of a noted assignment, once; None where nothing changed."""

    def held(self) -> Sequence[int]:
        """Return the partitions this member holds now (a first join may hold none)."""

    def poll(self) -> Sequence[Message]:
        """Return the next messages, merged in append order within each partition.

        Bounded in bytes; `seen` is set below the `read_through` of the claim. Waits at most a
        moment where nothing has come. Only notes rebalances, never acts on them.
        """

    def keep(self) -> None:
        """Keep the membership alive and read nothing; called between tries and long works.

        Raises:
            Fenced: A rebalance was noted meanwhile, or the process is asked to stop.
        """

    def arrival(self) -> Mapping[int, Arrival]:
        """Return where the reading of each sought partition stands."""

    def losses(self) -> Sequence[Gap]:
        """Return, once, the stretches of offsets the log had lost before they could be read."""

    def seek(self, claim: Claim) -> None:
        """Read on from the claim's `needed_from` (the log's beginning where there is none).

        Raises:
            LayoutChanged: Topic ids or counts differ, or the log ends before `read_through`.
        """

    def commit(self, progress: Sequence[Progress]) -> None:
        """Leave `needed_from` with the group as a hint. Never raises; a failure is counted."""


class Recorder(Protocol):
    """The record: the one place of durable facts. Fenced by (epoch, step) of each partition."""

    def claim(self, partitions: Sequence[int]) -> Sequence[Claim]:
        """Take partitions over (epoch + 1) and return what is known of each, in the given order."""

    def unknown(self, untaken: Sequence[Untaken]) -> Fresh:
        """Sort into late media, entries and states; out go the duplicates, by one query each.

        Known is what a row, the late list, the entries or states name by (asset, source, id,
        time); the first of two alike in `untaken` counts too. `seen` messages never reach this.
        """

    def contexts(self, windows: Sequence[Window], events: Sequence[Event]) -> Sequence[Context]:
        """Return one context a window. `events`: fresh text and states of this very step."""

    def save(self, step: Step) -> None:
        """Write the whole step in one transaction, or nothing.

        Raises:
            Fenced: Another worker has claimed one of its partitions.
        """

    def revisable(self, limit: int) -> Sequence[Revisable]:
        """Return up to `limit` windows of the held partitions whose late list is unrevised."""

    def recent(self, key: WindowKey, count: int, *, bundle: str) -> Sequence[Prediction | Failed]:
        """Return the newest revisions' predictions of the up to `count` windows before `key`.

        Of the same asset and policy, by `bundle`, oldest first.
        """

    def pictures(self, key: WindowKey) -> Mapping[str, LastPicture]:
        """Return what each camera last showed in the windows before `key`, revisions included."""

    def save_revision(self, step: Step) -> None:
        """Insert the next revisions under the same fence, progress untouched."""


class Archive(Protocol):
    """Raw evidence, durable and open to other programs."""

    def restore(self, claim: Claim) -> None:
        """Await the bytes of the claim's unsealed rows; delete unnamed shards of older epochs."""

    def forget(self) -> None:
        """Drop all that is held in memory."""

    def refill(self, events: Sequence[Event]) -> None:
        """Take, from seen events, the bytes that the claims' unsealed rows await."""

    def put(
        self, windows: Sequence[Window], late: Sequence[Untaken], ready: Collection[int]
    ) -> Sequence[Shard]:
        """Hold rows and return the shards that became durable just now, lost ones included.

        Only `ready` partitions are sealed. A shard is sealed when it is full, old enough, or when
        the byte limit asks for it.
        """

    def read(self, evidence: Sequence[Evidence]) -> Sequence[Media | Failed]:
        """Return the bytes of each with their content type, in order, or why not."""


class Predictor(Protocol):
    """Features -> Prediction."""

    def predict(self, features: Sequence[Features | Failed]) -> Sequence[Prediction | Failed]:
        """Return one answer an item, in order; a `Failed` passes through."""


class DeadLetters(Protocol):
    """Where messages go that can't be used."""

    def flush(self, letters: Sequence[DeadLetter]) -> None:
        """Send all; durable on return. Tries again until it works, or raises `Fenced`."""


class Marker(Protocol):
    """Names the item in hand before native code touches it, so that a crash can be blamed."""

    def hold(self, item: str) -> AbstractContextManager[None]:
        """Return a context in which `item` is the one in hand."""

    def condemned(self, item: str) -> bool:
        """Return whether three starts in a row died with this item in hand."""


class Outbox(Protocol):
    """Rows that want to leave, each claimed by one notifier and marked once."""

    def claim(self, limit: int) -> Sequence[OutboxRow]:
        """Return up to `limit` rows that are due; no row goes to two claimants."""

    def mark(self, outcomes: Sequence[Outcome]) -> None:
        """Write what became of them."""


class Notifier(Protocol):
    """A way out to people: Alertmanager, a webhook, e-mail."""

    def send(self, rows: Sequence[OutboxRow]) -> Sequence[Outcome]:
        """Return one outcome a row; 4xx is final, all else is tried again."""


class Publisher(Protocol):
    """Writes messages into the stream: `mm.predictions`, `mm.alarms`, the gateway, the feed."""

    def send(
        self,
        topic: str,
        messages: Sequence[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]],
    ) -> Sequence[int]:
        """Send (key, value, headers) each to the partition of its key; return the partitions.

        A message without a key goes to partition 0. A None value is a tombstone, which only a
        dead letter may be.

        All are acknowledged as durable on return.

        Raises:
            DependencyDown: The stream is out of reach.
            PublishRefused: A message can never be taken; it says which and why.
        """
