"""A window's row keeps what each camera last showed, so that a revision can tell a frozen one."""

import sqlalchemy as sa
from alembic import op

from mmindustry.store.columns import Json

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("windows", sa.Column("pictures", Json))
