"""Who serves whom and what is known of assets: bundles, assignments, cards, labels."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from mmindustry.domain import Context, Event, Label, Profile
from mmindustry.store import facts
from mmindustry.store.database import Database, told_plainly
from mmindustry.store.profiles import Shelf
from mmindustry.store.statements import insert_new, upsert
from mmindustry.store.tables import assets, assignments, bundles, labels, shards

CHAMPION = "champion"
"""The role whose bundle moves alarms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle the record knows: where it is, what it is, and from which it was made."""

    id: str
    uri: str
    sha256: str
    card: Mapping[str, Any]
    created_at: datetime
    parent: str | None = None


class Papers:
    """Cards, assignments and profiles of some assets, as they stood at one moment."""

    def __init__(
        self,
        known: Mapping[str, Mapping[Any, Any]],
        champions: Mapping[str, str],
        active: Mapping[tuple[str, str], Profile],
    ) -> None:
        self._assets = known
        self._champions = champions
        self._profiles = active

    def bundle(self, asset: str) -> str:
        """Return the champion of `asset`: the longest assigned prefix of its path; empty = none."""
        return longest_prefix(self._champions, asset)

    def context(
        self, asset: str, *, entries: tuple[Event, ...], states: tuple[Event, ...]
    ) -> Context:
        """Return the context of one window of `asset`."""
        known = self._assets.get(asset, {})
        card = known.get("card")
        bundle = self.bundle(asset)
        return Context(
            entries=entries,
            states=states,
            card=None if card is None else facts.card_of(card),
            registered=bool(known.get("registered", False)),
            bundle=bundle,
            profile=self._profiles.get((asset, bundle)),
        )


class Library:
    """Reads papers; the profiles it has read stay on its shelf."""

    def __init__(self, default_bundle: str) -> None:
        self._default = default_bundle
        self._shelf = Shelf()

    def papers(self, connection: Connection, wanted: Collection[str]) -> Papers:
        """Return what is known of the `wanted` assets."""
        query = select(assets).where(assets.c.asset.in_(wanted))
        known = {row["asset"]: row for row in connection.execute(query).mappings()}
        champions = {"": self._default} | read_assignments(connection, CHAMPION)
        return Papers(known, champions, self._shelf.active(connection, wanted))


def longest_prefix(assigned: Mapping[str, str], asset: str) -> str:
    """Return what is assigned to the longest prefix of the path `asset`, whole segments only.

    >>> longest_prefix({"": "a", "plant/hall": "b"}, "plant/hall/line/pump")
    'b'
    >>> longest_prefix({"": "a", "plant/hall": "b"}, "plant/hall-2/line/pump")
    'a'
    """
    parts = asset.split("/")
    for length in range(len(parts), 0, -1):
        found = assigned.get("/".join(parts[:length]))
        if found is not None:
            return found
    return assigned.get("", "")


def read_assignments(connection: Connection, role: str) -> dict[str, str]:
    """Return path prefix -> bundle of one role."""
    query = select(assignments.c.path, assignments.c.bundle).where(assignments.c.role == role)
    return {row.path: row.bundle for row in connection.execute(query)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Who serves the assets below `path` (empty = all) in `role`: champion, shadow or canary."""

    path: str
    bundle: str
    assigned_at: datetime
    role: str = CHAMPION
    author: str = ""


def assign(database: Database, assignment: Assignment) -> None:
    """Let a bundle serve some assets from the next window on."""
    row = {
        "path": assignment.path,
        "role": assignment.role,
        "bundle": assignment.bundle,
        "author": assignment.author,
        "assigned_at": assignment.assigned_at,
    }
    with told_plainly(database), database.write() as connection:
        upsert(connection, assignments, [row])


def add_bundle(database: Database, bundle: Bundle) -> None:
    """Record a bundle; one that is known stays as it is."""
    row = {
        "bundle": bundle.id,
        "parent": bundle.parent,
        "uri": bundle.uri,
        "sha256": bundle.sha256,
        "card": dict(bundle.card),
        "created_at": bundle.created_at,
    }
    with told_plainly(database), database.write() as connection:
        insert_new(connection, bundles, [row])


def list_bundles(database: Database) -> list[Bundle]:
    """Return all bundles, newest first."""
    with told_plainly(database), database.read() as connection:
        rows = connection.execute(select(bundles).order_by(bundles.c.created_at.desc()))
        return [
            Bundle(
                id=row.bundle,
                uri=row.uri,
                sha256=row.sha256,
                card=row.card,
                created_at=row.created_at,
                parent=row.parent,
            )
            for row in rows
        ]


def add_label(database: Database, label: Label) -> int:
    """Record what a person said; return the id of the label. Labels are never changed."""
    row = {
        "asset": label.asset,
        "start": label.start,
        "end": label.end,
        "fault": label.fault,
        "verdict": label.verdict,
        "author": label.author,
        "written_at": label.written_at,
        "alarm_id": label.alarm_id,
        "comment": label.comment,
    }
    with told_plainly(database), database.write() as connection:
        return int(connection.scalars(insert(labels).values(row).returning(labels.c.id)).one())


def named_shards(database: Database) -> Callable[[Collection[str]], Sequence[str]]:
    """Return the function that says which of some shard ids the record names."""

    def named(ids: Collection[str]) -> Sequence[str]:
        with told_plainly(database), database.read() as connection:
            return connection.scalars(select(shards.c.id).where(shards.c.id.in_(ids))).all()

    return named
