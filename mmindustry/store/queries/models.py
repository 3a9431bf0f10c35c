"""Bundles and their assignments, labels, and how far the line has come."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from mmindustry.store.queries.page import Page, beyond, cut_page, read_cursor
from mmindustry.store.queries.scope import Scope
from mmindustry.store.tables import (
    alarm_actions,
    assignments,
    bundles,
    labels,
    partition_progress,
    windows,
)

_RECENT = 100
"""Windows whose bundles are taken to be at work."""


@dataclass(frozen=True, slots=True)
class LabelRow:
    """What a person says a span truly was; `supersedes` = id of the label it corrects."""

    id: int
    asset: str
    start: datetime
    end: datetime
    fault: str
    verdict: str
    author: str
    written_at: datetime
    alarm_id: str | None
    comment: str
    supersedes: int | None


@dataclass(frozen=True, slots=True)
class BundleRow:
    """A bundle with its card (recipe, metrics, data): plain JSON for people."""

    bundle: str
    parent: str | None
    sha256: str
    card: Mapping[str, object]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AssignmentRow:
    """Who serves a path: `role` champion | shadow | canary; empty path = everywhere."""

    path: str
    role: str
    bundle: str
    author: str
    assigned_at: datetime


@dataclass(frozen=True, slots=True)
class PartitionRow:
    """How far a partition has come; counts since its first step."""

    partition: int
    epoch: int
    step: int
    arrival: datetime | None
    received: int
    in_flight: int
    dropped: Mapping[str, int]
    updated_at: datetime


def list_labels(
    connection: Connection,
    scope: Scope,
    *,
    after: str | None = None,
    limit: int = 50,
) -> Page[LabelRow]:
    """Return labels, the newest first.

    Raises:
        InputError: `after` is no cursor of this list.
    """
    query = select(labels).where(scope.covers(labels.c.asset))
    if after:
        key = read_cursor(after, (int,))
        query = query.where(beyond((labels.c.id,), key, descending=True))
    rows = [
        LabelRow(
            r.id,
            r.asset,
            r.start,
            r.end,
            r.fault,
            r.verdict,
            r.author,
            r.written_at,
            r.alarm_id,
            r.comment,
            r.supersedes,
        )
        for r in connection.execute(query.order_by(labels.c.id.desc()).limit(limit + 1))
    ]
    return cut_page(rows, limit, lambda row: (row.id,))


def list_bundles(connection: Connection, *, limit: int = 100) -> tuple[BundleRow, ...]:
    """Return the known bundles, the newest first."""
    query = select(bundles).order_by(bundles.c.created_at.desc(), bundles.c.bundle).limit(limit)
    return tuple(
        BundleRow(r.bundle, r.parent, r.sha256, r.card, r.created_at)
        for r in connection.execute(query)
    )


def recent_bundles(connection: Connection) -> tuple[str, ...]:
    """Return the bundles that the newest windows were given to; the registry need not name them."""
    newest = select(windows.c.bundle).order_by(windows.c.written_at.desc()).limit(_RECENT)
    return tuple(sorted({row.bundle for row in connection.execute(newest) if row.bundle}))


def list_assignments(
    connection: Connection, scope: Scope, *, limit: int = 500
) -> tuple[AssignmentRow, ...]:
    """Return who serves the assets of the scope, by path."""
    query = select(assignments).order_by(assignments.c.path, assignments.c.role).limit(limit)
    return tuple(
        AssignmentRow(r.path, r.role, r.bundle, r.author, r.assigned_at)
        for r in connection.execute(query)
        if scope.allows(r.path) or Scope(r.path).allows(scope.prefix)
    )


def list_partitions(connection: Connection) -> tuple[PartitionRow, ...]:
    """Return the progress of every partition; it names no asset."""
    query = select(partition_progress).order_by(partition_progress.c.partition)
    return tuple(
        PartitionRow(
            r.partition,
            r.epoch,
            r.step,
            r.arrival,
            r.received,
            r.in_flight,
            r.dropped,
            r.updated_at,
        )
        for r in connection.execute(query)
    )


def read_version(connection: Connection) -> str:
    """Return a short text that changes with every step of the line and every operator's answer."""
    steps = connection.execute(select(func.coalesce(func.sum(partition_progress.c.step), 0)))
    answers = connection.execute(select(func.coalesce(func.max(alarm_actions.c.id), 0)))
    written = connection.execute(select(func.coalesce(func.max(labels.c.id), 0)))
    return f"{steps.scalar_one()}-{answers.scalar_one()}-{written.scalar_one()}"
