"""The API's description as a file, generated from the routes themselves."""

import json
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from mmindustry.dashboard.app import create_app
from mmindustry.dashboard.policy import DashboardPolicy
from mmindustry.store.database import Database
from mmindustry.store.loss import OffArchive
from mmindustry.store.policy import StorePolicy
from mmindustry.telemetry.metrics import Metrics


class _NoClock:
    """Describing an interface takes no time."""

    def now(self) -> datetime:
        """Return the beginning of Unix time."""
        return datetime.fromtimestamp(0, UTC)

    def monotonic(self) -> float:
        """Return 0."""
        return 0.0


def openapi_text() -> str:
    """Return the OpenAPI 3.1 document of the dashboard; `schemas/openapi.json` holds it."""
    app = create_app(
        Database(StorePolicy(url="sqlite:///:memory:")),  # never connected
        OffArchive(),
        policy=DashboardPolicy(),
        clock=_NoClock(),
        metrics=Metrics(CollectorRegistry()),
    )
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
