"""Metrics, logs and health say what is so, and nothing that must stay secret."""

import http.client
import json
import logging
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from mmindustry.errors import Busy
from mmindustry.telemetry.health import Health, Systemd, Watch
from mmindustry.telemetry.logs import Sparingly, adopt_library_logs, mask_text, open_log
from mmindustry.telemetry.metrics import Metrics
from mmindustry.telemetry.pages import Pages
from mmindustry.telemetry.policy import TelemetryPolicy
from tests.promises import missing


class HandClock:
    """A clock that stands until it is cranked."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


def lines(stream: StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_metrics_pass_the_linter_of_prometheus() -> None:
    if not shutil.which("promtool"):
        missing("promtool", "install Debian's prometheus")
    metrics = Metrics(CollectorRegistry())
    metrics.events_dropped_total.labels(modality="image", reason="duplicate").inc()

    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=generate_latest(metrics.registry),
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_known_label_sets_are_exported_as_zero_from_the_start() -> None:
    text = generate_latest(Metrics(CollectorRegistry()).registry).decode()

    assert 'mmindustry_windows_total{result="blind"} 0.0' in text
    assert 'mmindustry_events_received_total{modality="image"} 0.0' in text
    assert 'mmindustry_steps_total{outcome="fenced"} 0.0' in text


def test_every_metric_has_a_help_and_no_asset_label() -> None:
    for declared in Metrics(CollectorRegistry()).declarations:
        assert declared.help.endswith("."), declared.name
        assert not {"asset", "sensor", "source", "camera"} & set(declared.labels), declared.name


def test_a_log_line_is_one_json_object_with_time_level_and_event() -> None:
    out = StringIO()
    log = open_log(TelemetryPolicy(log_format="json"), out, HandClock())

    log.info("window_closed", asset="a/b/c/d", text="two\nlines \x1b[31m")

    (line,) = lines(out)
    assert line["event"] == "window_closed"
    assert line["level"] == "info"
    assert line["time"] == "2026-01-02T00:16:40.000Z"
    assert out.getvalue().count("\n") == 1
    assert "\x1b" not in out.getvalue()


def test_secrets_never_reach_a_log_line_in_any_place() -> None:
    out = StringIO()
    log = open_log(TelemetryPolicy(log_format="json"), out, HandClock(), secrets=["canary-canary"])

    accounts: dict[str, str] = {}
    try:
        accounts["login with canary-canary failed"]
    except KeyError:
        log.exception(
            "login_failed",
            password="plain",  # noqa: S106 - the secret under test
            detail={"deep": ["canary-canary"], "api_key": "x"},
            url="postgresql://me:hunter2@host/db",
        )

    text = out.getvalue()
    assert "canary" not in text
    assert "plain" not in text
    assert "hunter2" not in text
    assert "postgresql://me:****@host/db" in text
    assert "KeyError" in text


def test_lines_below_the_level_are_not_written_and_not_counted() -> None:
    out, metrics = StringIO(), Metrics(CollectorRegistry())
    policy = TelemetryPolicy(log_level="warning", log_format="json")
    log = open_log(policy, out, HandClock(), metrics=metrics)

    log.info("quiet")
    log.warning("loud")

    assert [line["event"] for line in lines(out)] == ["loud"]
    counted = generate_latest(metrics.registry).decode()
    assert 'mmindustry_log_messages_total{level="warning"} 1.0' in counted
    assert 'mmindustry_log_messages_total{level="info"} 0.0' in counted


def test_what_libraries_log_comes_out_the_same_way_masked() -> None:
    out = StringIO()
    log = open_log(TelemetryPolicy(log_format="json"), out, HandClock(), secrets=["canary"])
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    handler = adopt_library_logs(log)

    logging.getLogger("kafka.conn").warning("password canary refused by %s", "broker")

    root.setLevel(before[0])
    root.removeHandler(handler)
    (line,) = lines(out)
    assert line["library"] == "kafka.conn"
    assert line["text"] == "password **** refused by broker"


def test_sparing_lines_let_one_through_and_tell_how_many_were_kept_back() -> None:
    clock = HandClock()
    sparing = Sparingly(clock, seconds=10)

    first = [sparing.allow("dead_letter") for _ in range(1000)]
    clock.seconds += 10

    assert first == [0] + [None] * 999
    assert sparing.allow("dead_letter") == 999


def test_masking_leaves_a_url_without_a_password_alone() -> None:
    assert mask_text("http://host:80/a@b", ()) == "http://host:80/a@b"


def test_a_silent_loop_is_dead_and_a_beat_revives_it() -> None:
    clock = HandClock()
    health = Health(clock, stall_seconds=30)

    clock.seconds += 31
    dead = health.is_live()
    health.beat()

    assert not dead
    assert health.is_live()


def test_ready_needs_a_start_and_every_check_and_no_drain() -> None:
    health = Health(HandClock(), stall_seconds=30)
    assert not health.is_ready()

    health.start()
    assert health.is_ready()
    health.set("database", ok=False, detail="connection refused")
    assert not health.is_ready()
    health.set("database", ok=True)
    assert health.is_ready()
    health.stop()
    assert not health.is_ready()


@pytest.fixture
def served() -> Iterator[tuple[Health, int]]:
    health = Health(HandClock(), stall_seconds=30)
    pages = Pages(health, Metrics(CollectorRegistry()).registry, host="127.0.0.1", port=0)
    pages.start()
    yield health, pages.port
    pages.stop()


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path)
    reply = connection.getresponse()
    body = reply.read().decode()
    assert "mmindustry 0" not in str(reply.headers), "no version leaks"
    connection.close()
    return reply.status, body


def test_pages_tell_live_ready_started_and_metrics(served: tuple[Health, int]) -> None:
    health, port = served

    assert ask(port, "/healthz") == (200, "ok\n")
    assert ask(port, "/startupz")[0] == 503
    assert ask(port, "/readyz")[0] == 503
    health.start()
    assert ask(port, "/readyz") == (200, "ok\n")
    assert ask(port, "/-/ready") == (200, "ok\n")
    assert ask(port, "/-/healthy", "HEAD") == (200, "")
    health.set("kafka", ok=False, detail="brokers out of reach")
    assert ask(port, "/readyz") == (503, "kafka: brokers out of reach\n")
    verbose = json.loads(ask(port, "/readyz?verbose")[1])
    assert {"name": "kafka", "ok": False, "detail": "brokers out of reach"} in verbose["checks"]
    assert ask(port, "/healthz")[0] == 200, "a dependency never decides about liveness"
    assert "mmindustry_steps_total" in ask(port, "/metrics")[1]
    assert ask(port, "/etc/passwd")[0] == 404
    assert ask(port, "/healthz", "POST")[0] == 501


def test_a_client_that_hangs_up_is_no_news(
    served: tuple[Health, int], capsys: pytest.CaptureFixture[str]
) -> None:
    _, port = served
    before = set(threading.enumerate())
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n")
        answering = set[threading.Thread]()
        while not answering:
            now = {thread for thread in threading.enumerate() if thread.is_alive()}
            answering = now - before
        reset = struct.pack("ii", 1, 0)  # linger, for no time: closing sends RST
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)

    for thread in answering:
        thread.join(10)

    assert not any(thread.is_alive() for thread in answering)
    assert capsys.readouterr().err == ""


def test_a_busy_port_says_which_setting_to_change(served: tuple[Health, int]) -> None:
    _, port = served
    with pytest.raises(Busy, match=r"telemetry\.port"):
        Pages(
            Health(HandClock(), stall_seconds=1), CollectorRegistry(), host="127.0.0.1", port=port
        )


def test_systemd_hears_ready_while_the_loop_beats_and_stalls_are_reported(tmp_path: Path) -> None:
    clock = HandClock()
    health = Health(clock, stall_seconds=30)
    stalled = threading.Event()
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.settimeout(5)
        told = Systemd(address)
        told.ready()
        assert systemd.recv(64) == b"READY=1"
        watch = Watch(
            health, told, period_seconds=0.01, exit_seconds=60, stalled=lambda _: stalled.set()
        )
        watch.start()
        assert systemd.recv(64) == b"WATCHDOG=1"

        clock.seconds += 61

        assert stalled.wait(5)
        watch.stop()
