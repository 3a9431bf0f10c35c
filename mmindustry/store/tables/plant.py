"""The plant registry: sites, places, assets and sensors. People change these rows by import."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, Table, Text, false

from mmindustry.store.columns import SINCE_EVER, Json, UtcTime
from mmindustry.store.tables.metadata import metadata

sites = Table(
    "sites",
    metadata,
    Column("site", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("zone", Text, nullable=False, doc="IANA time zone in which the site shows its times"),
)

places = Table(
    "places",
    metadata,
    Column("path", Text, primary_key=True, doc="site/area or site/area/line"),
    Column("kind", Text, nullable=False, doc="area | line"),
    Column("name", Text, nullable=False),
)

assets = Table(
    "assets",
    metadata,
    Column("asset", Text, primary_key=True, doc="path site/area/line/asset"),
    Column("asset_id", Text, nullable=False, doc="stable id; a renamed asset keeps it"),
    Column("name", Text, nullable=False, server_default=""),
    Column("registered", Boolean, nullable=False, server_default=false()),
    Column("partition", Integer, doc="where its messages are; null until one came"),
    Column("card", Json, doc="AssetCard as JSON; null for unregistered assets"),
    Column("first_seen", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Index("ix_assets_asset_id", "asset_id"),
    Index("ix_assets_partition", "partition"),
)

sensors = Table(
    "sensors",
    metadata,
    Column("source", Text, primary_key=True),
    Column("asset", Text, primary_key=True),
    Column("valid_from", UtcTime, primary_key=True, default=SINCE_EVER),
    Column("valid_to", UtcTime),
    Column("modality", Text, nullable=False),
    Column("every_seconds", Float, doc="longest expected pause between items; null = unknown"),
    Column("rate_hz", Float),
    Column("sensitivity", Text, nullable=False, server_default="uncalibrated"),
    Column("mounting", Text, nullable=False, server_default=""),
    Column("region", Text, nullable=False, server_default=""),
    Index("ix_sensors_asset", "asset"),
)
