"""The door's description and the plan's schema as files, generated from the code."""

import json
from datetime import UTC, datetime

import msgspec
from prometheus_client import CollectorRegistry

from mmindustry.codec.encode import Encoded
from mmindustry.codec.policy import CodecPolicy
from mmindustry.errors import DependencyDown
from mmindustry.gateway.http import create_app
from mmindustry.gateway.plan import Plan
from mmindustry.gateway.policy import GatewayPolicy
from mmindustry.gateway.relay import Delivery
from mmindustry.telemetry.metrics import Metrics


class _NoClock:
    """Describing an interface takes no time."""

    def now(self) -> datetime:
        """Return the beginning of Unix time."""
        return datetime.fromtimestamp(0, UTC)

    def monotonic(self) -> float:
        """Return 0."""
        return 0.0


class _NoRelay:
    """Describing an interface delivers nothing."""

    def deliver(self, topic: str, encoded: Encoded) -> Delivery:
        """Refuse.

        Raises:
            DependencyDown: Always.
        """
        raise DependencyDown(f"{topic}: there is no stream for {encoded.key!r}")


def openapi_text() -> str:
    """Return the OpenAPI 3.1 document of the gateway; `schemas/gateway.openapi.json` holds it."""
    app = create_app(
        _NoRelay(),
        policy=GatewayPolicy(),
        codec=CodecPolicy(),
        clock=_NoClock(),
        metrics=Metrics(CollectorRegistry()),
    )
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def plan_schema_text() -> str:
    """Return the JSON Schema of a feed's plan; `schemas/plan.schema.json` holds it."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema = dialect | msgspec.json.schema(Plan)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
