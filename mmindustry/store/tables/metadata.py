"""The collection the tables live in, with names for every constraint."""

from sqlalchemy import MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BY_DAY = {"windows": "start", "late": "start", "predictions": "start", "states": "time"}
"""Tables that PostgreSQL partitions by day -> the column that decides the day.

Entries, gaps and dead letters are not among them: people write few lines, and the context of a
window asks entries by (asset, end), where an entry's `end` may lie weeks after its `time`.
"""
