"""What is deployed holds by its own tools: compose, settings, rules, routes, units."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML

from mmindustry.cli.table import COMMANDS
from mmindustry.config.load import load
from mmindustry.telemetry.metrics import Metrics
from tests.promises import missing

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "mmindustry.rules.yml"
COMPOSE = ROOT / "docker-compose.yml"
WORDS = {entry.name for entry in COMMANDS}


def tool(name: str, *arguments: str) -> None:
    if not shutil.which(name):
        package = "prometheus" if name == "promtool" else "prometheus-alertmanager"
        missing(name, f"install Debian's {package}")
    done = subprocess.run([name, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def yaml(file: Path) -> Any:
    return YAML(typ="safe", pure=True).load(file)


def alerts() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = yaml(RULES)["groups"][0]["rules"]
    return rules


def test_compose_holds_by_the_compose_specification() -> None:
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("check-jsonschema")),
            "--builtin-schema",
            "vendor.compose-spec",
            str(COMPOSE),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_composes_settings_hold_by_our_own_model() -> None:
    for name, service in yaml(COMPOSE)["services"].items():
        set_here = service.get("environment", {})
        ours = {
            key: re.sub(r"\$\{[^}]*\}", "secret", value)
            for key, value in set_here.items()
            if key.startswith("MMINDUSTRY__")
        }
        if "MMINDUSTRY_CONFIG" in set_here:
            settings = load(DEPLOY / "mmindustry.yaml", environment=ours).settings
            assert settings.stream.kind == "kafka", name
            assert settings.store.url.startswith("postgresql://"), name


def test_compose_publishes_on_this_machine_only() -> None:
    for name, service in yaml(COMPOSE)["services"].items():
        for port in service.get("ports", ()):
            assert str(port).startswith("127.0.0.1:"), name


def test_every_service_that_stays_has_a_health_check_and_waits_for_healthy_ones() -> None:
    services = yaml(COMPOSE)["services"]
    for name, service in services.items():
        once = service.get("restart") == "no"
        assert once or "healthcheck" in service, name
        for needed, how in service.get("depends_on", {}).items():
            ends = services[needed].get("restart") == "no"
            expected = "service_completed_successfully" if ends else "service_healthy"
            assert how["condition"] == expected, f"{name} on {needed}"


def test_every_service_that_stays_comes_back_after_a_reboot_and_a_job_does_not() -> None:
    for name, service in yaml(COMPOSE)["services"].items():
        jobs = ("topics", "upgrade")
        assert service["restart"] == ("no" if name in jobs else "unless-stopped"), name


def test_no_container_of_ours_runs_as_root_or_writes_to_its_image() -> None:
    for name, service in yaml(COMPOSE)["services"].items():
        if str(service["image"]).startswith("mmindustry"):
            assert service["user"] == "10001:10001", name
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name


def test_compose_starts_commands_that_there_are() -> None:
    for name, service in yaml(COMPOSE)["services"].items():
        if str(service["image"]).startswith("mmindustry"):
            assert service["command"][0] in WORDS, name


def test_no_password_stands_in_what_is_deployed() -> None:
    text = COMPOSE.read_text()

    assert re.findall(r"PASSWORD: (?!\$\{)", text) == []
    assert "${MMINDUSTRY_DB_PASSWORD:?" in text


def test_the_image_ends_as_an_ordinary_user() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()

    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]


def test_rules_hold_by_promtool() -> None:
    tool("promtool", "check", "rules", str(RULES))


def test_rules_fire_when_they_should_and_only_then() -> None:
    tool("promtool", "test", "rules", str(DEPLOY / "prometheus" / "tests" / "mmindustry.test.yml"))


def test_the_scrape_configuration_holds_by_promtool() -> None:
    tool("promtool", "check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))


def test_the_routes_hold_by_amtool() -> None:
    tool("amtool", "check-config", str(DEPLOY / "alertmanager" / "alertmanager.yml"))


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("alertname=MmindustryWatchdog", "severity=none"), "dead-man"),
        (("alertname=BearingOuter", "severity=critical", "source=mmindustry"), "plant"),
        (("alertname=MmindustryGapsOpen", "severity=info"), "nobody"),
        (("alertname=MmindustryWorkerDown", "severity=critical"), "plant"),
    ],
    ids=["watchdog", "machine", "info", "line"],
)
def test_an_alert_is_routed_to_its_receiver(labels: tuple[str, ...], receiver: str) -> None:
    config = str(DEPLOY / "alertmanager" / "alertmanager.yml")
    tool(
        "amtool",
        "config",
        "routes",
        "test",
        f"--config.file={config}",
        f"--verify.receivers={receiver}",
        *labels,
    )


def test_the_watchdog_never_sends_resolved() -> None:
    receivers = {
        r["name"]: r for r in yaml(DEPLOY / "alertmanager" / "alertmanager.yml")["receivers"]
    }

    assert receivers["dead-man"]["webhook_configs"][0]["send_resolved"] is False


def test_every_alert_has_labels_annotations_and_a_page() -> None:
    page = (DEPLOY / "handbook" / "alerts.md").read_text()
    for alert in alerts():
        name = alert["alert"]
        assert re.fullmatch(r"Mmindustry[A-Z]\w+", name)
        assert alert["labels"]["severity"] in {"critical", "warning", "info", "none"}, name
        notes = alert["annotations"]
        assert set(notes) == {"summary", "description", "runbook_url", "dashboard_url"}, name
        assert notes["runbook_url"] == f"deploy/handbook/alerts.md#{name.lower()}"
        assert f"\n## {name}\n" in page, name


def test_the_page_describes_no_alert_that_is_gone() -> None:
    page = (DEPLOY / "handbook" / "alerts.md").read_text()

    assert set(re.findall(r"^## (\w+)$", page, re.MULTILINE)) == {a["alert"] for a in alerts()}


def test_rules_and_routes_use_metrics_that_there_are() -> None:
    declared = {d.name for d in Metrics(CollectorRegistry()).declarations}
    used = set(re.findall(r"mmindustry_[a-z_]+", " ".join(a["expr"] for a in alerts())))

    assert {name.removesuffix("_bucket") for name in used} <= declared


@pytest.mark.parametrize("name", ["worker", "notifier", "profiler", "dashboard", "gateway"])
def test_a_unit_is_watched_restarted_and_locked_down(name: str) -> None:
    text = (DEPLOY / "systemd" / f"mmindustry-{name}.service").read_text()
    service = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    stall_seconds = load(None, environment={}).settings.telemetry.stall_seconds

    assert service["Type"] == "notify"
    assert service["ExecStart"].split()[1] == name
    assert name in WORDS
    assert service["Restart"] == "on-failure"
    assert service["ProtectSystem"] == "strict"
    assert service["LimitCORE"] == "0"
    assert float(service["WatchdogSec"]) > stall_seconds
