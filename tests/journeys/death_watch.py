"""A bystander who looks at the record again and again: what is written once must stay as it is."""

import threading
from collections.abc import Iterator, Mapping
from typing import Any, Self

from sqlalchemy import Connection, text

from mmindustry.store.database import Database, open_database
from mmindustry.store.ledger import read_ledger
from mmindustry.store.policy import StorePolicy

LOOK_SECONDS = 0.5
_WRITTEN_ONCE = {
    "windows": (("start", "asset", "policy", "revision"), ("shard", "evidence_lost")),
    "predictions": (("start", "asset", "policy", "revision", "bundle"), ()),
    "late": (
        ("start", "asset", "policy", "source", "event_id", "time"),
        ("shard", "evidence_lost", "revision", "unrevised"),
    ),
    "entries": (("source", "event_id", "time"), ()),
    "states": (("source", "event_id", "time"), ()),
    "dead_letters": (("era", "topic", "partition", "offset"), ()),
    "alarm_transitions": (("alarm_id", "change", "at"), ()),
}
"""Table -> its key, and the columns that are null first and set once."""


class Watch:
    """Looks on a thread of its own from `with` to its end; `finish` says what it saw change."""

    def __init__(self, url: str) -> None:
        self._database = open_database(StorePolicy(url=url))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")
        self._sums: dict[tuple[str, str], str] = {}
        self._once: dict[tuple[str, str, str], str] = {}
        self._marks: dict[int, Mapping[str, Any]] = {}
        self.looks = 0
        self.wrongs: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()
        self._database.close()

    @property
    def rows(self) -> int:
        """How many rows it has seen."""
        return len(self._sums)

    def finish(self) -> list[str]:
        """Look a last time, no more; return what was seen to be wrong."""
        self._stop.set()
        self._thread.join()
        return self.wrongs

    def look(self) -> None:
        """Look once, at one moment of the record."""
        with self._database.read(seconds=60) as connection:
            for table in _WRITTEN_ONCE:
                self._compare(table, connection)
            self._compare_progress(connection)
        self._balance()
        self.looks += 1

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.look()
        self.look()

    def _balance(self) -> None:
        for balance in read_ledger(self._database):
            if not balance.is_balanced:
                self.wrongs.append(f"a transaction does not balance: {balance}")

    def _compare(self, table: str, connection: Connection) -> None:
        key, once = _WRITTEN_ONCE[table]
        rows = connection.execute(text(_statement(table, key, once))).all()
        seen = {(table, row.key) for row in rows}
        gone = {name for name in self._sums if name[0] == table} - seen
        self.wrongs += [f"{name} is gone" for name in gone]
        for row in rows:
            if self._sums.setdefault((table, row.key), row.sum) != row.sum:
                self.wrongs.append(f"{table} {row.key} changed")
            for column in once:
                self._compare_once((table, row.key, column), getattr(row, column))

    def _compare_once(self, name: tuple[str, str, str], value: object) -> None:
        if value is None and name in self._once:
            self.wrongs.append(f"{name} was unset")
        elif value is not None and self._once.setdefault(name, str(value)) != str(value):
            self.wrongs.append(f"{name} was set twice: {self._once[name]}, {value}")

    def _compare_progress(self, connection: Connection) -> None:
        for row in progress_of(connection):
            before = self._marks.get(row["partition"], row)
            if (row["epoch"], row["step"]) < (before["epoch"], before["step"]):
                self.wrongs.append(f"the fence went back: {before} -> {row}")
            for topic, at in before["topics"].items():
                if row["topics"][topic]["read_through"] < at["read_through"]:
                    self.wrongs.append(f"{topic} was unread: {before} -> {row}")
            self._marks[row["partition"]] = row


def _statement(table: str, key: tuple[str, ...], once: tuple[str, ...]) -> str:
    names = ", ".join(f'"{name}"' for name in key)
    but = ", ".join(f"'{name}'" for name in once)
    columns = "".join(f', "{name}"' for name in once)
    return (
        f"SELECT concat_ws('|', {names}) AS key, "  # noqa: S608 - our own names
        f"md5((to_jsonb(t) - ARRAY[{but}]::text[])::text) AS sum{columns} FROM {table} t"
    )


def progress_of(connection: Connection) -> Iterator[Mapping[str, Any]]:
    """Yield the progress of every partition."""
    columns = "partition, epoch, step, topics, in_flight, dropped"
    rows = connection.execute(text(f"SELECT {columns} FROM partition_progress"))  # noqa: S608
    for row in rows.mappings():
        yield dict(row)


def progress(database: Database) -> dict[int, Mapping[str, Any]]:
    """Return partition -> its progress now."""
    with database.read() as connection:
        return {row["partition"]: row for row in progress_of(connection)}
