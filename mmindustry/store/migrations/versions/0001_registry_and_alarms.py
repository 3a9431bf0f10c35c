"""The first layout, people's half: registry, bundles, alarms, labels, outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _sites()
    _places()
    _assets()
    _sensors()
    _bundles()
    _assignments()
    _profiles()
    _alarms()
    _alarm_transitions()
    _alarm_actions()
    _outbox()
    _labels()
    _layout()


def _sites() -> None:
    op.create_table(
        "sites",
        sa.Column("site", sa.Text()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", name="pk_sites"),
    )


def _places() -> None:
    op.create_table(
        "places",
        sa.Column("path", sa.Text()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_places"),
    )


def _assets() -> None:
    op.create_table(
        "assets",
        sa.Column("asset", sa.Text()),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, server_default=""),
        sa.Column("registered", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("partition", sa.Integer()),
        sa.Column("card", _JSON),
        sa.Column("first_seen", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("asset", name="pk_assets"),
    )
    op.create_index("ix_assets_asset_id", "assets", ["asset_id"])
    op.create_index("ix_assets_partition", "assets", ["partition"])


def _sensors() -> None:
    op.create_table(
        "sensors",
        sa.Column("source", sa.Text()),
        sa.Column("asset", sa.Text()),
        sa.Column("valid_from", _TIME),
        sa.Column("valid_to", _TIME),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("every_seconds", sa.Float()),
        sa.Column("rate_hz", sa.Float()),
        sa.Column("sensitivity", sa.Text(), nullable=False, server_default="uncalibrated"),
        sa.Column("mounting", sa.Text(), nullable=False, server_default=""),
        sa.Column("region", sa.Text(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("source", "asset", "valid_from", name="pk_sensors"),
    )
    op.create_index("ix_sensors_asset", "sensors", ["asset"])


def _bundles() -> None:
    op.create_table(
        "bundles",
        sa.Column("bundle", sa.Text()),
        sa.Column("parent", sa.Text()),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("card", _JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("bundle", name="pk_bundles"),
    )


def _assignments() -> None:
    op.create_table(
        "assignments",
        sa.Column("path", sa.Text()),
        sa.Column("role", sa.Text()),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False, server_default=""),
        sa.Column("assigned_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("path", "role", name="pk_assignments"),
    )


def _profiles() -> None:
    op.create_table(
        "profiles",
        sa.Column("profile", sa.Text()),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("normal_hours", sa.Float(), nullable=False),
        sa.Column("arrays", sa.LargeBinary(), nullable=False),
        sa.Column("limits", _JSON, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("profile", name="pk_profiles"),
    )
    op.create_index(
        "ix_profiles_asset_bundle_version", "profiles", ["asset", "bundle", "version"], unique=True
    )


def _alarms() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", sa.Text()),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("window", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("raised_at", _TIME, nullable=False),
        sa.Column("cleared_at", _TIME),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("evidence", _JSON),
        sa.Column("window_start", _TIME),
        sa.Column("window_policy", sa.Text()),
        sa.Column("window_revision", sa.Integer()),
        sa.Column("written_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alarms"),
    )
    op.create_index("ix_alarms_asset_raised_at", "alarms", ["asset", "raised_at"])
    op.create_index("ix_alarms_cleared_at", "alarms", ["cleared_at"])
    op.create_index("ix_alarms_raised_at", "alarms", ["raised_at"])


def _alarm_transitions() -> None:
    op.create_table(
        "alarm_transitions",
        sa.Column(
            "alarm_id",
            sa.Text(),
            sa.ForeignKey("alarms.id", ondelete="CASCADE", name="fk_alarm_transitions_alarm_id"),
        ),
        sa.Column("change", sa.Text()),
        sa.Column("at", _TIME),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("window_start", _TIME),
        sa.Column("window_policy", sa.Text()),
        sa.Column("window_revision", sa.Integer()),
        sa.Column("evidence", _JSON),
        sa.Column("written_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("alarm_id", "change", "at", name="pk_alarm_transitions"),
    )


def _alarm_actions() -> None:
    op.create_table(
        "alarm_actions",
        sa.Column("id", _SERIAL, autoincrement=True),
        sa.Column(
            "alarm_id",
            sa.Text(),
            sa.ForeignKey("alarms.id", ondelete="CASCADE", name="fk_alarm_actions_alarm_id"),
            nullable=False,
        ),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("until", _TIME),
        sa.Column("comment", sa.Text(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_alarm_actions"),
    )
    op.create_index("ix_alarm_actions_alarm_id", "alarm_actions", ["alarm_id"])


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", _SERIAL, autoincrement=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("body", _JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("claimed_until", _TIME),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("sent_at", _TIME),
        sa.Column("refused_at", _TIME),
        sa.Column("detail", sa.Text(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["due_at", "id"],
        sqlite_where=sa.text("sent_at IS NULL AND refused_at IS NULL"),
        postgresql_where=sa.text("sent_at IS NULL AND refused_at IS NULL"),
    )


def _labels() -> None:
    op.create_table(
        "labels",
        sa.Column("id", _SERIAL, autoincrement=True),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("start", _TIME, nullable=False),
        sa.Column("end", _TIME, nullable=False),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("written_at", _TIME, nullable=False),
        sa.Column("alarm_id", sa.Text()),
        sa.Column("comment", sa.Text(), nullable=False, server_default=""),
        sa.Column("supersedes", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_labels"),
    )
    op.create_index("ix_labels_alarm_id", "labels", ["alarm_id"])
    op.create_index("ix_labels_asset_start", "labels", ["asset", "start"])


def _layout() -> None:
    op.create_table(
        "layout",
        sa.Column("topic", sa.Text()),
        sa.Column("topic_id", sa.Text(), nullable=False),
        sa.Column("partitions", sa.Integer(), nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("topic", name="pk_layout"),
    )
