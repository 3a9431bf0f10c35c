"""One query for the rows around many windows: each window its own bounds and its own newest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CompoundSelect,
    Connection,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    literal,
    or_,
    select,
    union_all,
)

from mmindustry.store.columns import UtcTime

_SIZES = (1, 8, 32)
"""Windows a statement answers: making one costs more than asking for windows nobody has."""


@dataclass(frozen=True, slots=True)
class Around:
    """What one window asks for: rows of `asset` in [first, last], below the cut of each topic."""

    asset: str
    first: datetime
    last: datetime
    cut: Mapping[str, int]


class AroundQueries:
    """Statements over one table, made once for each of a few numbers of windows and of topics.

    A UNION ALL of one limited select a window: PostgreSQL and SQLite both answer each by the
    index, and SQLite knows no LATERAL.
    """

    def __init__(
        self, table: Table, instant: str, *, order: Sequence[str], limit: int | None
    ) -> None:
        self._table = table
        self._instant = instant
        self._order = tuple(order)
        self._limit = limit
        self._made: dict[tuple[int, int], CompoundSelect[Any]] = {}

    def ask(self, connection: Connection, around: Sequence[Around]) -> Iterable[Mapping[Any, Any]]:
        """Yield the rows, each with the `number` of the window that asked."""
        topics = sorted({topic for one in around for topic in one.cut})
        count = next((size for size in _SIZES if size >= len(around)), len(around))
        statement = self._made.get((count, len(topics)))
        if statement is None:
            statement = union_all(*(self._select(n, len(topics)) for n in range(count)))
            self._made[count, len(topics)] = statement
        nobody = replace(around[0], asset="", cut={})
        asked = [*around, *[nobody] * (count - len(around))]
        return connection.execute(statement, _values(asked, topics)).mappings()

    def _select(self, number: int, topics: int) -> Select[Any]:
        columns = self._table.c
        below = [
            and_(
                columns.topic == bindparam(f"topic_{k}", type_=Text),
                columns.offset < bindparam(f"offset_{number}_{k}", type_=BigInteger),
            )
            for k in range(topics)
        ]
        instant = columns[self._instant]
        rows = (
            select(self._table)
            .where(
                columns.asset == bindparam(f"asset_{number}", type_=Text),
                instant >= bindparam(f"first_{number}", type_=UtcTime),
                instant <= bindparam(f"last_{number}", type_=UtcTime),
                or_(*below) if below else columns.offset < 0,
            )
            .order_by(*(columns[name].desc() for name in self._order))
            .limit(self._limit)
            .subquery()
        )
        return select(literal(number).label("number"), rows)


def _values(around: Sequence[Around], topics: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {f"topic_{k}": topic for k, topic in enumerate(topics)}
    for number, one in enumerate(around):
        values[f"asset_{number}"] = one.asset
        values[f"first_{number}"] = one.first
        values[f"last_{number}"] = one.last
        for k, topic in enumerate(topics):
            values[f"offset_{number}_{k}"] = one.cut.get(topic, 0)
    return values
