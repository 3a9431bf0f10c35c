"""The one door: who comes in, how large, how long, from where."""

import asyncio
import base64
import socket
import threading
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry
from starlette.types import Message

from mmindustry.errors import Busy, ConfigError, DependencyDown, PublishRefused
from mmindustry.telemetry.metrics import Metrics
from mmindustry.testing.clock import HandClock
from mmindustry.web.access import LOCAL, Gatekeeper
from mmindustry.web.guard import protect
from mmindustry.web.measure import measure
from mmindustry.web.policy import Access, Role, WebPolicy, check_exposure, is_loopback
from mmindustry.web.problem import Problem, install_problems
from mmindustry.web.serve import serve

TOKEN = "0123456789-abcdef"  # noqa: S105 - of this test only
OTTO = Access(name="otto", token=TOKEN, role=Role.OPERATOR, scope="aachen")
BASE = "http://127.0.0.1"


def make_app(policy: WebPolicy, clock: HandClock | None = None) -> FastAPI:
    app = FastAPI()

    @app.get("/who")
    def who(request: Request) -> dict[str, str]:
        principal = request.state.principal
        return {"name": principal.name, "role": principal.role, "scope": principal.scope}

    @app.post("/echo")
    async def echo(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @app.get("/slow")
    async def slow() -> None:
        await asyncio.Event().wait()

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    @app.get("/fails/{how}")
    def fails(how: str) -> None:
        raise {
            "down": DependencyDown("the stream is away"),
            "refused": PublishRefused("too large"),
            "problem": Problem(412, "changed"),
            "bug": ZeroDivisionError("secret detail"),
        }[how]

    install_problems(app)
    protect(app, policy, clock or HandClock())
    return app


def make_client(policy: WebPolicy | None = None, clock: HandClock | None = None) -> TestClient:
    app = make_app(policy or WebPolicy(), clock)
    return TestClient(app, base_url=BASE, raise_server_exceptions=False)


def basic(name: str, token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{token}".encode()).decode()}


def test_without_access_everyone_on_loopback_is_a_local_operator() -> None:
    assert make_client().get("/who").json() == {
        "name": LOCAL.name,
        "role": "operator",
        "scope": "",
    }


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {TOKEN}"},
        {"Authorization": f"bearer  {TOKEN}"},
        basic("otto", TOKEN),
    ],
)
def test_a_token_names_its_owner_role_and_scope(headers: dict[str, str]) -> None:
    answer = make_client(WebPolicy(access=(OTTO,))).get("/who", headers=headers)

    assert answer.json() == {"name": "otto", "role": "operator", "scope": "aachen"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Digest {TOKEN}"},
        {"Authorization": "Basic %%%"},
        {"Authorization": "Basic /w=="},
        basic("anna", TOKEN),
        basic("otto", ""),
        basic("otto", TOKEN + "x"),
    ],
)
def test_without_a_fitting_token_nobody_comes_in(headers: dict[str, str]) -> None:
    client = make_client(WebPolicy(access=(OTTO,)))

    answer = client.get("/who", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.headers["content-type"] == "application/problem+json"
    assert client.get(f"/who?token={TOKEN}").status_code == 401, "a token in a URL counts nothing"
    assert client.get("/healthz", headers=headers).status_code == 200


def test_a_guesser_must_wait_a_minute() -> None:
    clock = HandClock()
    client = make_client(WebPolicy(access=(OTTO,), failed_logins_per_minute=3), clock)
    good, bad = {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer guess"}

    tries = [client.get("/who", headers=bad).status_code for _ in range(5)]
    locked = client.get("/who", headers=good).status_code
    clock.crank(61)
    after = client.get("/who", headers=good).status_code

    assert tries == [401, 401, 401, 429, 429]
    assert locked == 429
    assert after == 200


def test_the_throttle_forgets_the_oldest_addresses() -> None:
    keeper = Gatekeeper(WebPolicy(failed_logins_per_minute=1), HandClock())

    for number in range(10_001):
        keeper.note_failure(f"10.0.{number // 256}.{number % 256}")

    assert not keeper.must_wait("10.0.0.0")
    assert keeper.must_wait("10.0.0.1")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8080", 200),
        ("localhost", 200),
        ("[::1]:80", 200),
        ("dash.plant.example", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("10.0.0.7", 421),
        ("", 421),
    ],
)
def test_a_request_must_name_a_host_of_ours(host: str, status: int) -> None:
    client = make_client(WebPolicy(allowed_hosts=("dash.plant.example",)))

    assert client.get("/who", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": BASE}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_only_our_own_pages_may_post(headers: dict[str, str], status: int) -> None:
    assert make_client().post("/echo", content=b"x", headers=headers).status_code == status


def test_bodies_are_bounded_with_and_without_a_length() -> None:
    client = make_client(WebPolicy(body_bytes=100))

    def pieces(count: int) -> Iterator[bytes]:
        for _ in range(count):
            yield b"x" * 30

    assert client.post("/echo", content=b"x" * 100).json() == {"bytes": 100}
    assert client.post("/echo", content=b"x" * 101).status_code == 413
    assert client.post("/echo", content=pieces(3)).json() == {"bytes": 90}
    assert client.post("/echo", content=pieces(4)).status_code == 413
    assert client.post("/echo", headers={"Content-Length": "-1"}).status_code == 413


def test_heads_are_bounded() -> None:
    client = make_client(WebPolicy(header_bytes=1024))

    assert client.get("/who", headers={"X-Big": "y" * 1500}).status_code == 431
    assert client.get("/who?" + "q" * 1500).status_code == 431


def test_what_takes_too_long_is_ended_with_a_remedy() -> None:
    answer = make_client(WebPolicy(request_seconds=1)).get("/slow")

    assert answer.status_code == 408
    assert answer.json()["code"] == "timeout"


def test_a_live_stream_has_no_deadline() -> None:
    app = make_app(WebPolicy(request_seconds=1))

    async def events() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        await asyncio.sleep(1.2)
        yield b"data: 2\n\n"

    app.add_api_route(
        "/stream", lambda: StreamingResponse(events(), media_type="text/event-stream")
    )

    answer = TestClient(app, base_url=BASE).get("/stream")

    assert answer.content == b"data: 1\n\ndata: 2\n\n"


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("down", 503, "dependency_down"),
        ("refused", 422, "publish_refused"),
        ("problem", 412, "changed_meanwhile"),
        ("bug", 500, "bug"),
    ],
)
def test_errors_become_problem_documents_and_bugs_tell_nothing(
    how: str, status: int, code: str
) -> None:
    answer = make_client().get(f"/fails/{how}")

    assert answer.status_code == status
    assert answer.json()["code"] == code
    assert "secret detail" not in answer.text
    assert answer.headers["content-security-policy"]
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_request_id_is_kept_where_it_is_harmless_and_made_elsewhere() -> None:
    client = make_client()

    kept = client.get("/who", headers={"X-Request-ID": "abcdef-12345"}).headers["x-request-id"]
    made = client.get("/who", headers={"X-Request-ID": "a\tb"}).headers["x-request-id"]

    assert kept == "abcdef-12345"
    assert len(made) == 32


def test_tls_in_front_is_told_to_browsers() -> None:
    assert "strict-transport-security" not in make_client().get("/who").headers
    policy = WebPolicy(secure_transport=True)
    assert "max-age" in make_client(policy).get("/who").headers["strict-transport-security"]


def test_a_websocket_is_refused() -> None:
    sent: list[Message] = []

    async def play() -> None:
        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await make_app(WebPolicy())(
            {"type": "websocket", "path": "/", "headers": []}, receive, send
        )

    asyncio.run(play())

    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize("host", ["0.0.0.0", "10.1.2.3", "plant-server", "::"])  # noqa: S104 - refused here
def test_a_public_address_without_protection_is_refused_with_the_way_out(host: str) -> None:
    with pytest.raises(ConfigError, match=r"access.*secure_transport.*expose_without_protection"):
        check_exposure(WebPolicy(host=host))
    with pytest.raises(ConfigError, match="secure_transport"):
        check_exposure(WebPolicy(host=host, access=(OTTO,)))
    check_exposure(WebPolicy(host=host, access=(OTTO,), secure_transport=True))
    check_exposure(WebPolicy(host=host, expose_without_protection=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost", "127.8.9.1"])
def test_loopback_needs_no_protection(host: str) -> None:
    assert is_loopback(host)
    check_exposure(WebPolicy(host=host))


@pytest.mark.parametrize(
    "values",
    [
        {"port": 70_000},
        {"body_bytes": 0},
        {"request_seconds": 0.1},
        {"header_bytes": 10},
        {"failed_logins_per_minute": 0},
        {"access": (OTTO, OTTO)},
    ],
)
def test_policies_that_protect_nothing_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|every"):
        WebPolicy(**values)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("name", "token", "scope"),
    [("otto", "short", ""), ("", TOKEN, ""), ("a:b", TOKEN, ""), ("otto", TOKEN, "Aachen//x")],
)
def test_accesses_that_protect_nothing_are_refused(name: str, token: str, scope: str) -> None:
    with pytest.raises(ValueError, match="access"):
        Access(name=name, token=token, scope=scope)


def test_a_token_never_shows_in_a_repr() -> None:
    assert TOKEN not in repr(WebPolicy(access=(OTTO,)))


def test_requests_are_counted_by_route_template_never_by_path() -> None:
    registry = CollectorRegistry()
    app = make_app(WebPolicy())
    measure(app, Metrics(registry), HandClock())
    client = TestClient(app, base_url=BASE, raise_server_exceptions=False)

    client.get("/fails/down")
    client.get("/no/such/thing")
    client.request("BREW", "/who")

    def count(route: str, method: str, status: str) -> float | None:
        labels = {"route": route, "method": method, "status": status}
        return registry.get_sample_value("mmindustry_http_requests_total", labels)

    assert count("/fails/{how}", "GET", "503") == 1
    assert count("none", "GET", "404") == 1
    assert sum(s.value for m in registry.collect() for s in m.samples if "BREW" in str(s)) == 0


def test_a_daemon_serves_tells_its_url_and_ends_when_told() -> None:
    stop, begun, ended = threading.Event(), threading.Event(), threading.Event()
    urls: list[str] = []

    def started(url: str) -> None:
        urls.append(url)
        begun.set()

    def run() -> None:
        serve(
            make_app(WebPolicy()),
            WebPolicy(port=0),
            stop=stop,
            started=started,
            stopping=ended.set,
        )

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert begun.wait(20)
        answer = httpx.get(f"{urls[0]}/who", timeout=10)
        assert answer.status_code == 200
        assert "server" not in answer.headers
    finally:
        stop.set()
        thread.join(20)
    assert ended.is_set()
    assert not thread.is_alive()


def test_a_busy_port_is_named_with_the_way_out() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(Busy, match=rf"127.0.0.1:{port} .*another port"):
            serve(
                make_app(WebPolicy()),
                WebPolicy(port=port),
                stop=threading.Event(),
                started=lambda _: None,
            )
