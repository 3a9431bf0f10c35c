"""The cluster's manifests: settings that hold, pods locked down, probes on true paths."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from mmindustry.cli.table import COMMANDS
from mmindustry.config.load import load

FOLDER = Path(__file__).parents[3] / "deploy" / "kubernetes"
WORDS = {entry.name for entry in COMMANDS}


def documents() -> Iterator[dict[str, Any]]:
    for file in sorted(FOLDER.glob("*.yaml")):
        for document in YAML(typ="safe", pure=True).load_all(file.read_text()):
            if "kind" in document:
                yield document


def pods() -> list[tuple[str, dict[str, Any]]]:
    return [
        (document["metadata"]["name"], document["spec"]["template"]["spec"])
        for document in documents()
        if document["kind"] in {"Deployment", "Job"}
    ]


def test_the_settings_hold_by_our_own_model() -> None:
    settings = load(FOLDER / "mmindustry.yaml", environment={}).settings

    assert settings.stream.kind == "kafka"


def test_kustomize_names_every_manifest() -> None:
    listed = YAML(typ="safe", pure=True).load((FOLDER / "kustomization.yaml").read_text())

    there = {file.name for file in FOLDER.glob("*.yaml")}
    assert set(listed["resources"]) == there - {"kustomization.yaml", "mmindustry.yaml"}


@pytest.mark.parametrize(("name", "pod"), pods(), ids=[name for name, _ in pods()])
def test_a_pod_is_locked_down_and_runs_a_command_that_there_is(
    name: str, pod: dict[str, Any]
) -> None:
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True, name
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["args"][0] in WORDS
    assert "memory" in container["resources"]["limits"]


def test_a_pod_is_given_longer_to_end_than_a_daemon_takes() -> None:
    drain = load(FOLDER / "mmindustry.yaml", environment={}).settings.run.drain_seconds

    assert all(pod["terminationGracePeriodSeconds"] > drain for _, pod in pods())


def test_the_gpu_override_holds_the_gpu_and_nothing_else() -> None:
    text = (FOLDER.parent / "compose.gpu.yml").read_text()
    (name, service), *others = YAML(typ="safe", pure=True).load(text)["services"].items()

    assert (name, others) == ("worker", [])
    assert set(service) == {"image", "build", "environment", "deploy"}
