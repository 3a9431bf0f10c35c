"""An entry or state is its asset's own; what leaves of one alarm leaves in order.

Before, an entry of one asset that another named alike (source, id, time) was let go in silence.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KEY = ["asset", "source", "event_id", "time"]
_QUEUED = sa.text("alarm IS NOT NULL AND sent_at IS NULL AND refused_at IS NULL")
_ALARM = {
    "sqlite": "json_extract(body, '$.alarm')",
    "postgresql": "body ->> 'alarm'",
}


def upgrade() -> None:
    for table in ("entries", "states"):
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(f"pk_{table}", type_="primary")
            batch.create_primary_key(f"pk_{table}", _KEY)
    op.add_column("outbox", sa.Column("alarm", sa.Text()))
    alarm = _ALARM[op.get_bind().dialect.name]
    op.execute(f"UPDATE outbox SET alarm = {alarm}")  # noqa: S608 - of constants
    op.create_index(
        "ix_outbox_alarm",
        "outbox",
        ["channel", "alarm", "id"],
        sqlite_where=_QUEUED,
        postgresql_where=_QUEUED,
    )
