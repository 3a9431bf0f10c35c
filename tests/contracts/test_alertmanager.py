"""The notifier against the real Alertmanager of Debian, started natively."""

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mmindustry.clock import SystemClock
from mmindustry.notify.alertmanager import AlertmanagerNotifier
from mmindustry.notify.policy import NotifyPolicy
from tests.promises import missing
from tests.unit.notify import material as m

CONFIG = """
route: {receiver: none, group_by: ['...'], group_wait: 0s, group_interval: 1s}
receivers: [{name: none}]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of an Alertmanager on a free port."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        missing("amtool", "apt-get install prometheus-alertmanager")
    folder: Path = tmp_path_factory.mktemp("alertmanager")
    (folder / "config.yml").write_text(CONFIG)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder}/config.yml",
                f"--storage.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        base = f"http://127.0.0.1:{port}"
        until(lambda: _answers(f"{base}/-/ready"), 30)
        yield base
    finally:
        process.terminate()
        process.wait(10)


def until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait on a condition with a deadline."""
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        pause.wait(0.05)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 - this host
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def alerts(base: str, asset: str) -> list[dict[str, Any]]:
    """Return the alerts that fire for an asset."""
    url = f"{base}/api/v2/alerts?filter=asset=%22{asset}%22"
    with urllib.request.urlopen(url, timeout=5) as reply:  # noqa: S310 - this host
        found: list[dict[str, Any]] = json.load(reply)
    return found


def notifier(base: str, standing: list[dict[str, object]]) -> AlertmanagerNotifier:
    policy = NotifyPolicy(alertmanagers=(base,), least_firing_seconds=0.0)
    return AlertmanagerNotifier(policy, m.transport(), SystemClock(), lambda: standing)


def now_body(asset: str, change: str = "raised", **told: Any) -> dict[str, object]:
    now = SystemClock().now()
    return m.body(
        change, at=now, raised_at=now - timedelta(minutes=1), asset=f"n/m/l/{asset}", **told
    )


def test_raised_alarm_fires_with_its_labels_annotations_and_link(server: str) -> None:
    way = notifier(server, [])

    (outcome,) = way.send([m.row(1, now_body("fires", source="mic \u8f74\u627f"))])

    assert outcome.sent, outcome.detail
    (alert,) = alerts(server, "fires")
    assert alert["labels"]["alertname"] == "BearingOuter"
    assert alert["labels"]["sensor"] == "mic 轴承"
    assert alert["annotations"]["probability"] == "0.910"
    assert alert["generatorURL"].startswith("http://127.0.0.1:8080/alarms/view?id=n%2Fm%2Fl%2F")
    assert alert["status"]["state"] == "active"


def test_repeating_makes_no_second_alert_and_moves_its_end(server: str) -> None:
    told = now_body("repeats")
    way = notifier(server, [told])
    way.send([m.row(1, told)])
    (first,) = alerts(server, "repeats")

    way.send([m.row(2, told | {"score": 0.5})])

    (second,) = alerts(server, "repeats")
    assert first["fingerprint"] == second["fingerprint"]
    assert second["endsAt"] >= first["endsAt"]


def test_cleared_alarm_is_gone(server: str) -> None:
    way = notifier(server, [])
    raised = now_body("clears")
    way.send([m.row(1, raised)])
    assert alerts(server, "clears")

    cleared = now_body("clears", "cleared") | {"raised_at": raised["raised_at"]}
    (outcome,) = way.send([m.row(2, cleared)])

    assert outcome.sent
    until(lambda: alerts(server, "clears") == [], 5)


def test_what_stands_is_announced_again_by_a_new_notifier(server: str) -> None:
    notifier(server, [now_body("stands")]).tend()

    assert len(alerts(server, "stands")) == 1


def test_answers_to_bad_alerts_are_those_the_notifier_takes_for_final(server: str) -> None:
    transport = m.transport()
    good = {"labels": {"alertname": "X", "asset": "bad"}}

    answers = {
        "name": {"labels": {"bad-name": "x"}},
        "empty": {"labels": {}},
        "link": good | {"generatorURL": "not a uri"},
    }

    statuses = {
        name: transport.post(f"{server}/api/v2/alerts", [alert]).status
        for name, alert in answers.items()
    }
    assert statuses == {"name": 400, "empty": 400, "link": 422}
    assert transport.post(f"{server}/api/v2/alerts", [good]).status == 200
