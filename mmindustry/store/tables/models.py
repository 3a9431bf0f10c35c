"""Bundles, who serves whom, and what was learned of each asset."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, LargeBinary, Table, Text, true

from mmindustry.store.columns import Json, UtcTime
from mmindustry.store.tables.metadata import metadata

bundles = Table(
    "bundles",
    metadata,
    Column("bundle", Text, primary_key=True),
    Column("parent", Text),
    Column("uri", Text, nullable=False, doc="where its folder is; `builtin` = in the package"),
    Column("sha256", Text, nullable=False),
    Column("card", Json, nullable=False, doc="recipe, metrics, data hash: for people"),
    Column("created_at", UtcTime, nullable=False),
)

assignments = Table(
    "assignments",
    metadata,
    Column("path", Text, primary_key=True, doc="path prefix; empty = everywhere"),
    Column("role", Text, primary_key=True, doc="champion | shadow | canary"),
    Column("bundle", Text, nullable=False),
    Column("author", Text, nullable=False, server_default=""),
    Column("assigned_at", UtcTime, nullable=False),
)

profiles = Table(
    "profiles",
    metadata,
    Column("profile", Text, primary_key=True),
    Column("asset", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("bundle", Text, nullable=False),
    Column("normal_hours", Float, nullable=False),
    Column("arrays", LargeBinary, nullable=False, doc="npz without pickle, float32"),
    Column("limits", Json, nullable=False),
    Column("active", Boolean, nullable=False, server_default=true()),
    Column("created_at", UtcTime, nullable=False),
    Index("ix_profiles_asset_bundle_version", "asset", "bundle", "version", unique=True),
)
