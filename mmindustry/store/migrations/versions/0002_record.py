"""The first layout, the line's half: record and progress; by day on PostgreSQL."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_BY_DAY = ("windows", "late", "predictions", "states")


def upgrade() -> None:
    _windows()
    _late()
    _entries()
    _states()
    _gaps()
    _predictions()
    _dead_letters()
    _shards()
    _partition_progress()
    _closed_progress()
    _asset_state()
    _alarm_states()
    _retired()
    if op.get_bind().dialect.name == "postgresql":
        for table in _BY_DAY:
            op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")


def _windows() -> None:
    op.create_table(
        "windows",
        sa.Column("start", _TIME),
        sa.Column("asset", sa.Text()),
        sa.Column("policy", sa.Text()),
        sa.Column("revision", sa.Integer(), autoincrement=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("end", _TIME, nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("cut", _JSON, nullable=False),
        sa.Column("evidence", _JSON, nullable=False),
        sa.Column("missing", _JSON, nullable=False),
        sa.Column("closed_by", sa.Text(), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text()),
        sa.Column("shard", sa.Text()),
        sa.Column("evidence_lost", sa.Text()),
        sa.Column("era", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("written_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("start", "asset", "policy", "revision", name="pk_windows"),
        postgresql_partition_by="RANGE (start)",
    )
    op.create_index("ix_windows_asset_start", "windows", ["asset", "start"])
    op.create_index("ix_windows_id", "windows", ["id"])
    op.create_index(
        "ix_windows_unsealed",
        "windows",
        ["partition"],
        sqlite_where=sa.text("shard IS NULL"),
        postgresql_where=sa.text("shard IS NULL"),
    )
    op.create_index("ix_windows_written_at", "windows", ["written_at"])


def _late() -> None:
    op.create_table(
        "late",
        sa.Column("start", _TIME),
        sa.Column("asset", sa.Text()),
        sa.Column("policy", sa.Text()),
        sa.Column("source", sa.Text()),
        sa.Column("event_id", sa.Text()),
        sa.Column("time", _TIME),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("dead", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("revision", sa.Integer()),
        sa.Column("unrevised", sa.Text()),
        sa.Column("shard", sa.Text()),
        sa.Column("evidence_lost", sa.Text()),
        sa.Column("era", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("written_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint(
            "start", "asset", "policy", "source", "event_id", "time", name="pk_late"
        ),
        postgresql_partition_by="RANGE (start)",
    )
    op.create_index("ix_late_asset_start", "late", ["asset", "start"])
    op.create_index(
        "ix_late_unrevised",
        "late",
        ["partition"],
        sqlite_where=sa.text("revision IS NULL AND unrevised IS NULL"),
        postgresql_where=sa.text("revision IS NULL AND unrevised IS NULL"),
    )
    op.create_index(
        "ix_late_unsealed",
        "late",
        ["partition"],
        sqlite_where=sa.text("shard IS NULL"),
        postgresql_where=sa.text("shard IS NULL"),
    )
    op.create_index("ix_late_written_at", "late", ["written_at"])


def _entries() -> None:
    op.create_table(
        "entries",
        sa.Column("source", sa.Text()),
        sa.Column("event_id", sa.Text()),
        sa.Column("time", _TIME),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("end", _TIME, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("author", sa.Text()),
        sa.Column("entry_written_at", _TIME),
        sa.Column("precision_seconds", sa.Float(), nullable=False, server_default="0"),
        sa.Column("flags", _JSON, nullable=False),
        sa.Column("append_time", _TIME, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("era", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("written_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("source", "event_id", "time", name="pk_entries"),
    )
    op.create_index("ix_entries_asset_end", "entries", ["asset", "end"])
    op.create_index("ix_entries_written_at", "entries", ["written_at"])


def _states() -> None:
    op.create_table(
        "states",
        sa.Column("source", sa.Text()),
        sa.Column("event_id", sa.Text()),
        sa.Column("time", _TIME),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("running", sa.Boolean()),
        sa.Column("speed_rpm", sa.Float()),
        sa.Column("load_ratio", sa.Float()),
        sa.Column("flags", _JSON, nullable=False),
        sa.Column("append_time", _TIME, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("era", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("written_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("source", "event_id", "time", name="pk_states"),
        postgresql_partition_by="RANGE (time)",
    )
    op.create_index("ix_states_asset_time", "states", ["asset", "time"])
    op.create_index("ix_states_written_at", "states", ["written_at"])


def _gaps() -> None:
    op.create_table(
        "gaps",
        sa.Column("partition", sa.Integer(), autoincrement=False),
        sa.Column("asset", sa.Text()),
        sa.Column("source", sa.Text()),
        sa.Column("kind", sa.Text()),
        sa.Column("started", _TIME),
        sa.Column("ended", _TIME),
        sa.Column("first_offset", sa.BigInteger()),
        sa.Column("last_offset", sa.BigInteger()),
        sa.Column("written_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("partition", "asset", "source", "kind", "started", name="pk_gaps"),
    )
    op.create_index("ix_gaps_asset_started", "gaps", ["asset", "started"])
    op.create_index("ix_gaps_written_at", "gaps", ["written_at"])


def _predictions() -> None:
    op.create_table(
        "predictions",
        sa.Column("start", _TIME),
        sa.Column("asset", sa.Text()),
        sa.Column("policy", sa.Text()),
        sa.Column("revision", sa.Integer(), autoincrement=False),
        sa.Column("bundle", sa.Text()),
        sa.Column("window_id", sa.Text(), nullable=False),
        sa.Column("end", _TIME, nullable=False),
        sa.Column("profile", sa.Text()),
        sa.Column("stage", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("detail", sa.Text()),
        sa.Column("fault", sa.Text()),
        sa.Column("fault_probability", sa.Float()),
        sa.Column("health", sa.Float()),
        sa.Column("risk_24h", sa.Float()),
        sa.Column("novelty_p", sa.Float()),
        sa.Column("remaining_life_p05_seconds", sa.Float()),
        sa.Column("remaining_life_p50_seconds", sa.Float()),
        sa.Column("remaining_life_p95_seconds", sa.Float()),
        sa.Column("faults", _JSON),
        sa.Column("risk", _JSON),
        sa.Column("product", _JSON),
        sa.Column("novelty", _JSON),
        sa.Column("terms", _JSON),
        sa.Column("present", _JSON),
        sa.Column("quality", _JSON),
        sa.Column("findings", _JSON),
        sa.Column("registered", sa.Boolean()),
        sa.Column("running", sa.Boolean()),
        sa.Column("written_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint(
            "start", "asset", "policy", "revision", "bundle", name="pk_predictions"
        ),
        postgresql_partition_by="RANGE (start)",
    )
    op.create_index("ix_predictions_asset_start", "predictions", ["asset", "start"])
    op.create_index("ix_predictions_window_id", "predictions", ["window_id"])
    op.create_index("ix_predictions_written_at", "predictions", ["written_at"])


def _dead_letters() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("era", sa.Integer(), autoincrement=False),
        sa.Column("topic", sa.Text()),
        sa.Column("partition", sa.Integer(), autoincrement=False),
        sa.Column("offset", sa.BigInteger(), autoincrement=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("modality", sa.Text()),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("key", sa.Text()),
        sa.Column("value_bytes", sa.BigInteger(), nullable=False),
        sa.Column("append_time", _TIME, nullable=False),
        sa.Column("written_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("era", "topic", "partition", "offset", name="pk_dead_letters"),
    )
    op.create_index("ix_dead_letters_reason", "dead_letters", ["reason"])
    op.create_index("ix_dead_letters_written_at", "dead_letters", ["written_at"])


def _shards() -> None:
    op.create_table(
        "shards",
        sa.Column("id", sa.Text()),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("uri", sa.Text()),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("lost", sa.Text()),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("removed_at", _TIME),
        sa.Column("written_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_shards"),
    )
    op.create_index("ix_shards_partition", "shards", ["partition"])
    op.create_index("ix_shards_written_at", "shards", ["written_at"])


def _partition_progress() -> None:
    op.create_table(
        "partition_progress",
        sa.Column("partition", sa.Integer(), autoincrement=False),
        sa.Column("era", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("arrival", _TIME),
        sa.Column("topics", _JSON, nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("in_flight", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("dropped", _JSON, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("partition", name="pk_partition_progress"),
    )


def _closed_progress() -> None:
    op.create_table(
        "closed_progress",
        sa.Column("partition", sa.Integer(), autoincrement=False),
        sa.Column("era", sa.Integer(), autoincrement=False),
        sa.Column("topics", _JSON, nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("in_flight", sa.BigInteger(), nullable=False),
        sa.Column("dropped", _JSON, nullable=False),
        sa.Column("closed_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("partition", "era", name="pk_closed_progress"),
    )


def _asset_state() -> None:
    op.create_table(
        "asset_state",
        sa.Column("asset", sa.Text()),
        sa.Column("policy", sa.Text()),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("frontier", _TIME),
        sa.Column("watermark", _TIME),
        sa.Column("sources", _JSON, nullable=False),
        sa.Column("text_windows", _JSON, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("asset", "policy", name="pk_asset_state"),
    )
    op.create_index("ix_asset_state_partition", "asset_state", ["partition"])


def _alarm_states() -> None:
    op.create_table(
        "alarm_states",
        sa.Column("asset", sa.Text()),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("memory", _JSON, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("asset", name="pk_alarm_states"),
    )
    op.create_index("ix_alarm_states_partition", "alarm_states", ["partition"])


def _retired() -> None:
    op.create_table(
        "retired",
        sa.Column("partition", sa.Integer(), autoincrement=False),
        sa.Column("era", sa.Integer(), autoincrement=False),
        sa.Column("kind", sa.Text()),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "era", "kind", name="pk_retired"),
    )
