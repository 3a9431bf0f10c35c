"""The HTTP door: what the line can read is accepted, all else is refused with its remedy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from mmindustry.codec.decode import decode
from mmindustry.codec.encode import Encoded
from mmindustry.codec.policy import CodecPolicy
from mmindustry.codec.reasons import REASONS
from mmindustry.codec.schemas import documents
from mmindustry.domain import Chunk, Event, Frame, LogEntry, OperatingState, Position
from mmindustry.errors import DependencyDown, PublishRefused
from mmindustry.gateway.contract import openapi_text
from mmindustry.gateway.http import create_app, mount_pages
from mmindustry.gateway.policy import GatewayPolicy
from mmindustry.gateway.relay import Delivery
from mmindustry.telemetry.health import Health
from mmindustry.telemetry.metrics import Metrics
from mmindustry.testing import HandClock
from mmindustry.web.policy import Access, Role
from tests.codec_samples import jpeg, wav

ASSET = "north/press/line-1/pump-1"
HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "a-1",
    "ce-source": "log-1",
    "ce-subject": ASSET,
    "ce-type": "io.mmindustry.log.v1",
    "ce-time": "2026-01-05T05:00:00Z",
    "content-type": "text/plain",
}


class Kept:
    """Takes events and keeps them, or fails as told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Encoded]] = []
        self.fails: Exception | None = None

    def deliver(self, topic: str, encoded: Encoded) -> Delivery:
        if self.fails is not None:
            raise self.fails
        self.events.append((topic, encoded))
        return Delivery("stream", 2)

    def read(self) -> Event:
        """Return the last event as the line reads it."""
        topic, encoded = self.events[-1]
        message = encoded.at(Position(topic, 0, 0), HandClock().now())
        (event,), letters = decode([message], count=1, policy=CodecPolicy())
        assert not letters
        return event


@pytest.fixture
def kept() -> Kept:
    return Kept()


def client_of(kept: Kept, **changes: Any) -> TestClient:
    clock = HandClock()
    metrics = Metrics(CollectorRegistry())
    policy = GatewayPolicy(**changes)
    app = create_app(kept, policy=policy, codec=CodecPolicy(), clock=clock, metrics=metrics)
    health = Health(clock, stall_seconds=30)
    health.start()
    mount_pages(app, health, metrics)
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


@pytest.fixture
def client(kept: Kept) -> Iterator[TestClient]:
    with client_of(kept) as opened:
        yield opened


def test_a_log_line_is_accepted_once_it_is_durable(client: TestClient, kept: Kept) -> None:
    answer = client.post("/v1/events", headers=HEADERS, content="bearing runs hot")

    assert answer.status_code == 202
    assert answer.json() == {
        "id": "a-1",
        "source": "log-1",
        "time": "2026-01-05T05:00:00Z",
        "topic": "mm.logs",
        "partition": 2,
        "kept": "stream",
        "flags": [],
    }
    event = kept.read()
    assert event.content == LogEntry("bearing runs hot")
    assert (event.asset, event.source, event.id) == (ASSET, "log-1", "a-1")


@pytest.mark.parametrize(
    ("kind", "content_type", "body", "content"),
    [
        ("frame", "image/jpeg", jpeg(64, 48), Frame(jpeg(64, 48), "image/jpeg", 64, 48)),
        ("audio", "audio/wav", wav(), Chunk(wav(), "audio/wav", 16_000, 1, 160)),
        ("log", "application/json", b'{"text":"hot"}', LogEntry("hot")),
        ("state", "application/json", b'{"running":true}', OperatingState(running=True)),
    ],
    ids=["frame", "audio", "log", "state"],
)
def test_every_kind_is_taken(  # noqa: PLR0913, PLR0917 - a table's columns
    client: TestClient, kept: Kept, kind: str, content_type: str, body: bytes, content: object
) -> None:
    told = HEADERS | {"ce-type": f"io.mmindustry.{kind}.v1", "content-type": content_type}

    assert client.post("/v1/events", headers=told, content=body).status_code == 202

    assert kept.read().content == content


def test_a_structured_event_is_taken(client: TestClient, kept: Kept) -> None:
    body = documents(CodecPolicy())["examples/log.structured.json"].replace("2026-03", "2026-01")

    answer = client.post(
        "/v1/events", headers={"content-type": "application/cloudevents+json"}, content=body
    )

    assert answer.status_code == 202, answer.text
    assert isinstance(kept.read().content, LogEntry)


def test_an_event_without_time_takes_the_gateways(client: TestClient, kept: Kept) -> None:
    told = {name: value for name, value in HEADERS.items() if name != "ce-time"}

    answer = client.post("/v1/events", headers=told, content="hot")

    assert answer.json()["time"] == "2026-01-05T06:00:00Z"
    assert kept.read().flags == ()


def test_header_values_are_percent_decoded_and_extensions_travel_along(
    client: TestClient, kept: Kept
) -> None:
    told = HEADERS | {"ce-source": "kamera%20%C3%BC", "ce-sequence": "7"}

    client.post("/v1/events", headers=told, content="hot")

    assert kept.read().source == "kamera ü"
    assert ("ce_sequence", b"7") in kept.events[0][1].headers


@pytest.mark.parametrize(
    ("changes", "body", "status", "code"),
    [
        ({"ce-subject": "pump"}, b"hot", 400, "path_invalid"),
        ({"ce-time": "2026-01-05T05:00:00"}, b"hot", 400, "time_zone_missing"),
        ({"ce-id": ""}, b"hot", 400, "header_empty"),
        ({"ce-id": "%ff"}, b"hot", 400, "header_not_utf8"),
        ({"ce-type": "io.mmindustry.smell.v1"}, b"hot", 400, "type_unknown"),
        ({}, b"", 400, "empty"),
        ({"content-type": "application/xml"}, b"<a/>", 415, "content_type_unsupported"),
        ({"ce-type": "io.mmindustry.frame.v1"}, b"GIF89a", 415, "image_unsupported"),
        ({"ce-type": "io.mmindustry.frame.v1"}, jpeg(65_500, 65_500)[:99], 413, "image_too_large"),
        ({"content-type": "application/json"}, b"{", 400, "json_invalid"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_the_line_would_refuse_is_refused_here_with_the_remedy(  # noqa: PLR0913, PLR0917 - a table's columns
    client: TestClient, kept: Kept, changes: dict[str, str], body: bytes, status: int, code: str
) -> None:
    answer = client.post("/v1/events", headers=HEADERS | changes, content=body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].endswith(REASONS[code])
    assert not kept.events


def test_a_header_twice_is_refused(client: TestClient) -> None:
    told = [*HEADERS.items(), ("ce-id", "a-2")]

    answer = client.post("/v1/events", headers=told, content="hot")

    assert answer.json()["code"] == "header_repeated"


def test_a_body_beyond_the_limit_is_refused_unread(kept: Kept) -> None:
    with client_of(kept, body_bytes=100) as client:
        answer = client.post("/v1/events", headers=HEADERS, content=b"x" * 101)

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert not kept.events


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (DependencyDown("the spool is full"), 503, "unavailable"),
        (PublishRefused("no topic mm.logs"), 422, "publish_refused"),
    ],
    ids=["full", "refused"],
)
def test_an_event_that_is_not_durable_is_not_accepted(  # noqa: PLR0917 - a table's columns
    client: TestClient, kept: Kept, failure: Exception, status: int, code: str
) -> None:
    kept.fails = failure

    answer = client.post("/v1/events", headers=HEADERS, content="hot")

    assert (answer.status_code, answer.json()["code"]) == (status, code)


TOKENS = {"ana": "a-token-of-ana-0001", "vic": "a-token-of-vic-0002"}


@pytest.mark.parametrize(
    ("name", "subject", "status"),
    [
        ("ana", ASSET, 202),
        ("ana", "north/pressroom/line-1/pump-1", 403),
        ("vic", ASSET, 403),
        ("", ASSET, 401),
    ],
)
def test_only_those_who_may_write_there_are_let_in(
    kept: Kept, name: str, subject: str, status: int
) -> None:
    access = (
        Access(name="ana", token=TOKENS["ana"], role=Role.OPERATOR, scope="north/press"),
        Access(name="vic", token=TOKENS["vic"], role=Role.VIEWER),
    )
    told = HEADERS | {"ce-subject": subject}
    if name:
        told["authorization"] = f"Bearer {TOKENS[name]}"

    with client_of(kept, access=access) as client:
        answer = client.post("/v1/events", headers=told, content="hot")

    assert answer.status_code == status
    assert len(kept.events) == (1 if status == 202 else 0)


def test_health_and_metrics_stand_beside_the_door(client: TestClient) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz?verbose").json()["ready"] is True
    client.post("/v1/events", headers=HEADERS, content="hot")
    assert 'route="/v1/events",status="202"' in client.get("/metrics").text
    assert client.get("/v1/nothing").status_code == 404
    assert client.get("/v1/events").status_code == 405


def test_the_description_names_every_answer() -> None:
    assert '"/v1/events"' in openapi_text()
    assert '"503"' in openapi_text()


@pytest.mark.parametrize(
    "changes",
    [{"spool_folder": ""}, {"spool_bytes": 1}, {"forward_seconds": 0}, {"stream_seconds": 99}],
    ids=str,
)
def test_a_policy_out_of_range_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    assert GatewayPolicy(spool_folder=str(tmp_path)).port == 8081
    with pytest.raises(ValueError, match=r"must be|needs"):
        GatewayPolicy(**changes)
