"""What is told to people, and what they answer.

The worker writes `alarms` and `alarm_transitions`; operators write `alarm_actions` and `labels`.
What a page shows is a pure function of both trails.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    false,
)

from mmindustry.store.columns import Json, SerialId, UtcTime
from mmindustry.store.tables.metadata import metadata

alarms = Table(
    "alarms",
    metadata,
    Column("id", Text, primary_key=True, doc="AlarmKey.id: asset|fault|window that raised it"),
    Column("asset", Text, nullable=False, doc="empty for a `data_gap` of a whole partition"),
    Column("fault", Text, nullable=False),
    Column("window", Text, nullable=False, doc="as in the id"),
    Column("source", Text, nullable=False),
    Column("priority", Text, nullable=False, doc="high | medium | low"),
    Column("raised_at", UtcTime, nullable=False, doc="event time"),
    Column("cleared_at", UtcTime, doc="event time; null = active; set once"),
    Column("score", Float, nullable=False),
    Column("bundle", Text, nullable=False),
    Column("late", Boolean, nullable=False, server_default=false(), doc="found by a revision"),
    Column("evidence", Json, doc="plain JSON for the operator"),
    Column("window_start", UtcTime, doc="the window it rests on, where there is one"),
    Column("window_policy", Text),
    Column("window_revision", Integer),
    Column("written_at", UtcTime, nullable=False),
    Index("ix_alarms_asset_raised_at", "asset", "raised_at"),
    Index("ix_alarms_raised_at", "raised_at"),
    Index("ix_alarms_cleared_at", "cleared_at"),
)

alarm_transitions = Table(
    "alarm_transitions",
    metadata,
    Column("alarm_id", Text, ForeignKey("alarms.id", ondelete="CASCADE"), primary_key=True),
    Column("change", Text, primary_key=True, doc="raised | cleared"),
    Column("at", UtcTime, primary_key=True, doc="event time"),
    Column("priority", Text, nullable=False),
    Column("score", Float, nullable=False),
    Column("bundle", Text, nullable=False),
    Column("late", Boolean, nullable=False, server_default=false()),
    Column("window_start", UtcTime),
    Column("window_policy", Text),
    Column("window_revision", Integer),
    Column("evidence", Json),
    Column("written_at", UtcTime, nullable=False),
)

alarm_actions = Table(
    "alarm_actions",
    metadata,
    Column("id", SerialId, primary_key=True, autoincrement=True),
    Column("alarm_id", Text, ForeignKey("alarms.id", ondelete="CASCADE"), nullable=False),
    Column("action", Text, nullable=False, doc="acknowledge | shelve | confirm | comment ..."),
    Column("at", UtcTime, nullable=False),
    Column("author", Text, nullable=False),
    Column("until", UtcTime, doc="end of a shelving"),
    Column("comment", Text, nullable=False, server_default=""),
    Index("ix_alarm_actions_alarm_id", "alarm_id"),
)

_QUEUED = (
    Column("alarm").is_not(None) & Column("sent_at").is_(None) & Column("refused_at").is_(None)
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", SerialId, primary_key=True, autoincrement=True),
    Column("channel", Text, nullable=False, doc="the way out"),
    Column("alarm", Text, doc="whose change it is: an alarm's rows leave in order; null = none"),
    Column("body", Json, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("claimed_until", UtcTime, doc="a claimant's lease; null = nobody's"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("sent_at", UtcTime),
    Column("refused_at", UtcTime, doc="given up for good"),
    Column("detail", Text, nullable=False, server_default=""),
    Index(
        "ix_outbox_due",
        "due_at",
        "id",
        sqlite_where=Column("sent_at").is_(None) & Column("refused_at").is_(None),
        postgresql_where=Column("sent_at").is_(None) & Column("refused_at").is_(None),
    ),
    Index(
        "ix_outbox_alarm",
        "channel",
        "alarm",
        "id",
        sqlite_where=_QUEUED,
        postgresql_where=_QUEUED,
    ),
)

labels = Table(
    "labels",
    metadata,
    Column("id", SerialId, primary_key=True, autoincrement=True),
    Column("asset", Text, nullable=False),
    Column("start", UtcTime, nullable=False),
    Column("end", UtcTime, nullable=False),
    Column("fault", Text, nullable=False),
    Column("verdict", Text, nullable=False, doc="confirmed | rejected | unsure ..."),
    Column("author", Text, nullable=False),
    Column("written_at", UtcTime, nullable=False),
    Column("alarm_id", Text),
    Column("comment", Text, nullable=False, server_default=""),
    Column("supersedes", BigInteger, doc="id of the label this one corrects"),
    Index("ix_labels_asset_start", "asset", "start"),
    Index("ix_labels_alarm_id", "alarm_id"),
)
