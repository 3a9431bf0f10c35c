"""The state of the line: small rows that every step rewrites under the fence, and counts."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from mmindustry.store.columns import Json, UtcTime
from mmindustry.store.tables.metadata import metadata

partition_progress = Table(
    "partition_progress",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("era", Integer, nullable=False, server_default="0", doc="one more at every relayout"),
    Column("epoch", BigInteger, nullable=False, doc="one more at every claim"),
    Column("step", BigInteger, nullable=False, doc="one more at every transaction"),
    Column("arrival", UtcTime, doc="the arrival clock"),
    Column(
        "topics",
        Json,
        nullable=False,
        doc="topic -> {topic_id, first, read_through, needed_from, skipped}",
    ),
    Column("received", BigInteger, nullable=False, server_default="0"),
    Column("in_flight", BigInteger, nullable=False, server_default="0"),
    Column("dropped", Json, nullable=False, doc="reason -> count since the first step"),
    Column("updated_at", UtcTime, nullable=False),
)

asset_state = Table(
    "asset_state",
    metadata,
    Column("asset", Text, primary_key=True),
    Column("policy", Text, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("frontier", UtcTime, doc="end of the last closed window"),
    Column("watermark", UtcTime),
    Column("sources", Json, nullable=False, doc="source -> SourceState"),
    Column("text_windows", Json, nullable=False, doc="[[start, append time], ...]"),
    Column("updated_at", UtcTime, nullable=False),
    Index("ix_asset_state_partition", "partition"),
)

alarm_states = Table(
    "alarm_states",
    metadata,
    Column("asset", Text, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("memory", Json, nullable=False, doc="what the alarm rules remember of the asset"),
    Column("updated_at", UtcTime, nullable=False),
    Index("ix_alarm_states_partition", "partition"),
)

closed_progress = Table(
    "closed_progress",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("era", Integer, primary_key=True, autoincrement=False),
    Column("topics", Json, nullable=False, doc="as in partition_progress, at the relayout"),
    Column("received", BigInteger, nullable=False),
    Column("in_flight", BigInteger, nullable=False),
    Column("dropped", Json, nullable=False),
    Column("closed_at", UtcTime, nullable=False),
)

retired = Table(
    "retired",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("era", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True, doc="stored | dead_lettered; of pairs: who is alone"),
    Column("messages", BigInteger, nullable=False, doc="no row names them any more: retention"),
)

layout = Table(
    "layout",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("topic_id", Text, nullable=False),
    Column("partitions", Integer, nullable=False),
    Column("recorded_at", UtcTime, nullable=False),
)
