"""What the record says of the windows before one: their predictions, their last pictures."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select

from mmindustry.domain import Failed, LastPicture, Prediction, WindowKey
from mmindustry.store.facts import picture_of
from mmindustry.store.tables import predictions, windows

_ROWS_BEFORE = 32


def read_pictures(connection: Connection, key: WindowKey) -> dict[str, LastPicture]:
    """Return what each camera last showed in the windows before `key`.

    Every row names all cameras; but one that closed before late frames came for a window before
    it does not know of these, so several are asked.
    """
    query = (
        select(windows.c.pictures)
        .where(
            windows.c.asset == key.asset,
            windows.c.policy == key.policy,
            windows.c.start < key.start,
        )
        .order_by(windows.c.start.desc(), windows.c.revision.desc())
        .limit(_ROWS_BEFORE)
    )
    newest: dict[str, LastPicture] = {}
    for told in connection.scalars(query):
        for source, shown in (told or {}).items():  # rows of before 0005 have none
            picture = picture_of(shown)
            newest[source] = max(picture, newest.get(source, picture))
    return newest


def read_recent(
    connection: Connection, key: WindowKey, count: int, *, bundle: str
) -> list[Prediction | Failed]:
    """Return the newest revisions' predictions of up to `count` windows before `key`.

    Of the same asset and policy, by `bundle`, oldest first.
    """
    if count <= 0:
        return []
    table = predictions.c
    newest = (
        select(table.start, func.max(table.revision).label("revision"))
        .where(
            table.asset == key.asset,
            table.policy == key.policy,
            table.bundle == bundle,
            table.start < key.start,
        )
        .group_by(table.start)
        .order_by(table.start.desc())
        .limit(count)
        .subquery()
    )
    query = (
        select(predictions)
        .join(newest, (newest.c.start == table.start) & (newest.c.revision == table.revision))
        .where(table.asset == key.asset, table.policy == key.policy, table.bundle == bundle)
        .order_by(table.start)
    )
    return [prediction_of(row) for row in connection.execute(query).mappings()]


def prediction_of(row: Mapping[Any, Any]) -> Prediction | Failed:
    """Return what one row of `predictions` says."""
    key = WindowKey(row["asset"], row["policy"], row["start"], row["revision"])
    if row["stage"] is not None:
        return Failed(
            key, row["end"], row["stage"], row["reason"], row["detail"] or "", row["bundle"]
        )
    return Prediction(
        window=key,
        end=row["end"],
        bundle=row["bundle"],
        profile=row["profile"],
        faults=row["faults"],
        risk=row["risk"],
        remaining_life_seconds=(
            row["remaining_life_p05_seconds"],
            row["remaining_life_p50_seconds"],
            row["remaining_life_p95_seconds"],
        ),
        product=row["product"],
        novelty=row["novelty"],
        terms=row["terms"],
        present=row["present"],
        quality=row["quality"],
        findings=tuple((code, source) for code, source in row["findings"]),
        registered=row["registered"],
        running=row["running"],
        classes=None if row["classes"] is None else tuple(row["classes"]),
        covered=row["covered"],
        embedding=row["embedding"] or b"",
        why=row["why"],
    )
