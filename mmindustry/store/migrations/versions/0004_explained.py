"""A prediction keeps its class set, the embeddings it was told from, and why it was told."""

import sqlalchemy as sa
from alembic import op

from mmindustry.store.columns import Json

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("classes", Json),
        sa.Column("covered", sa.Float()),
        sa.Column("embedding", sa.LargeBinary()),
        sa.Column("why", Json),
    ):
        op.add_column("predictions", column)
