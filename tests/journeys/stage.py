"""A stack whose stream and record may be of either kind, and what its record says of a run."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select
from typing_extensions import override

from mmindustry.codec.decode import decode
from mmindustry.codec.policy import CodecPolicy
from mmindustry.domain import Event, Message
from mmindustry.store import tables
from mmindustry.store.database import Database, open_database
from mmindustry.store.ledger import Balance, read_ledger
from mmindustry.store.policy import StorePolicy
from mmindustry.stream.admin import specs_of
from mmindustry.stream.entry import open_admin
from mmindustry.stream.policy import KafkaPolicy, StreamPolicy
from tests.journeys.stack import Stack, free_port, make_stack, page, until

LENGTH_SECONDS = 4
GRACE_SECONDS = 2
WAIT_SECONDS = 1
WINDOWING: dict[str, Any] = {
    "name": "w4",
    "length_seconds": LENGTH_SECONDS,
    "hop_seconds": LENGTH_SECONDS,
    "grace_seconds": GRACE_SECONDS,
    "max_wait_seconds": WAIT_SECONDS,
}
_SEALED_LATER = frozenset(("shard", "evidence_lost"))
"""What a row gets once, after it was written."""

_INPUTS = ("frames", "audio", "logs", "states")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stage(Stack):
    """A stack, the policy of its stream, and the address of its record."""

    policy: StreamPolicy
    codec: CodecPolicy
    url: str

    @property
    @override
    def stream(self) -> StreamPolicy:
        return self.policy

    @contextmanager
    def record(self) -> Iterator[Database]:
        """Open the record beside the worker."""
        database = open_database(StorePolicy(url=self.url))
        try:
            yield database
        finally:
            database.close()

    def rows(self, table: Table) -> list[Row]:
        """Return all rows of a table, without what is added to them later."""
        with self.record() as database, database.read() as connection:
            found = connection.execute(select(table)).mappings().all()
        return [{k: v for k, v in row.items() if k not in _SEALED_LATER} for row in found]

    def facts(self) -> dict[str, list[str]]:
        """Return every row of what a feed may add to, each as text, in order."""
        names = (
            *(tables.windows, tables.predictions, tables.entries, tables.states),
            *(tables.late, tables.gaps, tables.alarms, tables.alarm_transitions),
        )
        return {table.name: sorted(repr(dict(row)) for row in self.rows(table)) for table in names}

    def balances(self) -> list[Balance]:
        with self.record() as database:
            return read_ledger(database)

    def dropped(self) -> Counter[str]:
        """Return reason -> count over all partitions."""
        total: Counter[str] = Counter()
        for balance in self.balances():
            total.update(balance.dropped)
        return total

    def messages(self, suffix: str = "") -> list[Message]:
        """Return all that the inputs hold, or with `.dlq` their dead letters."""
        admin = open_admin(self.policy)
        try:
            names = [name + suffix for name in self.policy.topics.inputs]
            found: list[Message] = []
            for name, layout in admin.layouts(names).items():
                for partition, end in layout.ends.items():
                    at = layout.begins[partition]
                    while at < end:
                        page_of = admin.read(name, partition, at, 500)
                        found += page_of
                        at = page_of[-1].position.offset + 1
            return found
        finally:
            admin.close()

    def events(self) -> list[Event]:
        """Return the events that the inputs hold, by the codec."""
        count = self.policy.topics.partitions
        return decode(self.messages(), count=count, policy=self.codec)[0]

    def settle(self, sent: int, *, seconds: float = 60) -> None:
        """Wait until `sent` messages in all are received, and no window is open any more."""
        until(lambda: self._is_settled(sent), f"{sent} messages settled", seconds=seconds)

    def _is_settled(self, sent: int) -> bool:
        balances = self.balances()
        if sum(b.received for b in balances) < sent or any(b.in_flight for b in balances):
            return False
        return not any(row["text_windows"] for row in self.rows(tables.asset_state))

    def told(self, *words: str) -> Any:
        """Run a command that must succeed with `--json`; return what it printed."""
        done = self.command(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def until_ready(self) -> None:
        until(lambda: page(self.port, "/readyz")[0] == 200, f"ready, see {self.folder}")


def local_stage(folder: Path, **sections: Any) -> Stage:
    """Return a stage on the local log and SQLite."""
    stack = make_stack(folder, **{"windowing": WINDOWING, **sections})
    return Stage(
        folder, stack.port, stack.stream, CodecPolicy(), f"sqlite:///{folder}/data/mmindustry.db"
    )


def kafka_stage(folder: Path, servers: str, url: str, **sections: Any) -> Stage:
    """Return a stage on Kafka, its topics of its own, and PostgreSQL."""
    run = f"t{free_port()}"
    topics: dict[str, Any] = {name: f"{run}.{name}" for name in (*_INPUTS, "predictions", "alarms")}
    policy = StreamPolicy(
        kind="kafka",
        topics=replace(StreamPolicy().topics, **topics),
        kafka=KafkaPolicy(bootstrap_servers=(servers,)),
    )
    stream = {
        "kind": "kafka",
        "topics": topics,
        "reading": {"group": run},
        "kafka": {"bootstrap_servers": [servers]},
    }
    wanted = {"windowing": WINDOWING, "stream": stream, "store": {"url": url}, **sections}
    read: dict[str, Any] = {f"{name}_topic": topics[name] for name in _INPUTS}
    wanted["codec"] = read
    stack = make_stack(folder, **wanted)
    admin = open_admin(policy)
    admin.create(specs_of(policy.topics))
    admin.close()
    return Stage(folder, stack.port, policy, CodecPolicy(**read), url)
