"""Read the configuration: all sources, all mistakes at once."""

import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmindustry.config import layers
from mmindustry.config.mistakes import Origin, Path
from mmindustry.config.places import data_dir_layer
from mmindustry.config.settings import Settings
from mmindustry.config.validation import validated
from mmindustry.telemetry.logs import is_secret_name


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings that hold, where each set value came from, the texts that must stay secret, and
    what looks like a mistake but is none for certain."""

    settings: Settings
    origins: Mapping[Path, Origin]
    secrets: tuple[str, ...]
    files: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def load(
    file: pathlib.Path | None,
    *,
    environment: Mapping[str, str],
    credentials: Sequence[pathlib.Path] = (),
    overrides: Mapping[str, Any] | None = None,
) -> Loaded:
    """Return the settings: defaults < file < conf.d < secret files < environment < overrides.

    A set `run.data_dir` moves the defaults of `places`, nothing else.

    Args:
        file: The YAML file; None = no file.
        environment: Variables for `${V}` and `MMINDUSTRY__SECTION__KEY`.
        credentials: Folders that may hold files named `mmindustry__section__key`.
        overrides: Dotted key -> value, from the command line; None values are left out.

    Raises:
        BadConfig: With every mistake there is, each with its place.
    """
    found = list(layers.file_layers(file, environment)) if file else []
    files = tuple(dict.fromkeys(o.source for t in found for o in t.origins.values()))
    merged = layers.merge(
        [
            *found,
            layers.credential_layer(credentials, Settings),
            layers.environment_layer(environment, Settings),
            layers.command_line_layer(overrides or {}),
        ]
    )
    merged = layers.merge([data_dir_layer(merged), merged])
    settings = validated(merged)
    warnings = tuple(_warnings(environment))
    return Loaded(settings, merged.origins, secrets_of(settings), files, warnings)


def _warnings(environment: Mapping[str, str]) -> Iterator[str]:
    for name, meant in layers.misspelt(environment, Settings):
        told = f"do you mean {meant}?" if meant else f"names of settings begin with {layers.PREFIX}"
        yield f"environment {name} is not read: {told}"


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Return every text of the settings that must never be shown."""
    found: set[str] = set()
    _collect_secrets(settings.model_dump(mode="json"), "", found)
    return tuple(sorted(found))


def _collect_secrets(value: Any, name: str, found: set[str]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _collect_secrets(inner, str(key), found)
    elif isinstance(value, list):
        for inner in value:
            _collect_secrets(inner, name, found)
    elif isinstance(value, str) and value:
        if is_secret_name(name):
            found.add(value)
        password = re.search(r"://[^/@:\s]*:([^@/\s]+)@", value)
        if password:
            found.add(password[1])
