"""Embeddings as the record keeps them, and the windows a person has named."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, Select, and_, select

from mmindustry.store.queries.scope import Scope
from mmindustry.store.tables import labels, predictions, shards

MOST_WINDOWS = 200_000
"""Newest windows that are searched: 80 MB of embeddings 64 wide."""

_NAMED = ("confirmed", "corrected")
_MOST_LABELS = 2_000
_OF_ONE_LABEL = 50


@dataclass(frozen=True, slots=True)
class EmbeddedRow:
    """A judged window with its embeddings (half precision); `named`: what a person called it."""

    window_id: str
    asset: str
    start: datetime
    end: datetime
    fault: str | None
    embedding: bytes
    present: Mapping[str, bool]
    quality: Mapping[str, float]
    named: str | None = None


def read_embeddings(connection: Connection, scope: Scope, bundle: str) -> list[EmbeddedRow]:
    """Return the newest windows of a scope that a bundle embedded, newest first."""
    query = _embedded(bundle).where(scope.covers(predictions.c.asset))
    newest = query.order_by(predictions.c.start.desc(), predictions.c.asset).limit(MOST_WINDOWS)
    return [_row(row) for row in connection.execute(newest)]


def read_embedding(connection: Connection, window_id: str, bundle: str) -> EmbeddedRow | None:
    """Return one window's embeddings; None where there are none of this bundle."""
    query = _embedded(bundle).where(predictions.c.window_id == window_id)
    row = connection.execute(query).first()
    return None if row is None else _row(row)


def confirmed_windows(
    connection: Connection, scope: Scope, bundle: str, *, before: datetime
) -> list[EmbeddedRow]:
    """Return windows within spans that a person named, before an instant, newest labels first.

    A label that another corrects counts not.
    """
    corrected = select(labels.c.supersedes).where(labels.c.supersedes.is_not(None))
    named = (
        select(labels.c.asset, labels.c.start, labels.c.end, labels.c.fault)
        .where(
            scope.covers(labels.c.asset),
            labels.c.verdict.in_(_NAMED),
            labels.c.id.not_in(corrected),
            labels.c.start < before,
        )
        .order_by(labels.c.id.desc())
        .limit(_MOST_LABELS)
    )
    found: dict[str, EmbeddedRow] = {}
    for label in connection.execute(named).all():
        inside = and_(
            predictions.c.asset == label.asset,
            predictions.c.start < label.end,
            predictions.c.end > label.start,
            predictions.c.end <= before,
        )
        query = _embedded(bundle).where(inside).order_by(predictions.c.start)
        for row in connection.execute(query.limit(_OF_ONE_LABEL)):
            found.setdefault(row.window_id, _row(row, label.fault))
    return list(found.values())


def shard_uris(connection: Connection, names: Collection[str]) -> tuple[str, ...]:
    """Return where the files of these shards lie; of one that is gone, or never was, nowhere."""
    there = (shards.c.uri.is_not(None), shards.c.removed_at.is_(None))
    query = select(shards.c.uri).where(shards.c.id.in_(names), *there).order_by(shards.c.id)
    return tuple(str(uri) for uri in connection.scalars(query))


def _embedded(bundle: str) -> Select[tuple[object, ...]]:
    columns = predictions.c
    return select(
        columns.window_id,
        columns.asset,
        columns.start,
        columns.end,
        columns.fault,
        columns.embedding,
        columns.present,
        columns.quality,
    ).where(columns.bundle == bundle, columns.embedding.is_not(None))


def _row(row: Row[tuple[object, ...]], named: str | None = None) -> EmbeddedRow:
    return EmbeddedRow(
        row.window_id,
        row.asset,
        row.start,
        row.end,
        row.fault,
        bytes(row.embedding),
        row.present or {},
        row.quality or {},
        named,
    )
