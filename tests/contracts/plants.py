"""Registers what a test needs to be known."""

from mmindustry.domain import AssetCard
from mmindustry.store.database import Database
from mmindustry.store.plant import register_assets
from mmindustry.testing import BEGINNING


def register(database: Database, asset: str, card: AssetCard) -> None:
    """Let the registry know `asset`."""
    register_assets(database, {asset: card}, now=BEGINNING)
