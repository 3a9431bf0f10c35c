"""Read the configuration: all sources, all mistakes at once."""

import json
import pathlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mmindustry.config import layers, shape
from mmindustry.config.convert import Converter
from mmindustry.config.mistakes import BadConfig, Mistake, Origin, Path
from mmindustry.config.settings import Settings
from mmindustry.config.tree import Tree
from mmindustry.telemetry.logs import MASK, is_secret_name, mask_text

_LONGEST_GOT = 60
_EXPECTED = {
    "int": "expected an integer",
    "float": "expected a number",
    "bool": "expected true or false",
    "string": "expected text",
    "tuple": "expected a list",
    "list": "expected a list",
    "dict": "expected a mapping",
    "dataclass": "expected a section (key: value lines)",
    "model": "expected a section (key: value lines)",
    "path": "expected a path",
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings that hold, where each set value came from, and the texts that must stay secret."""

    settings: Settings
    origins: Mapping[Path, Origin]
    secrets: tuple[str, ...]
    files: tuple[str, ...]


def load(
    file: pathlib.Path | None,
    *,
    environment: Mapping[str, str],
    credentials: Sequence[pathlib.Path] = (),
    overrides: Mapping[str, Any] | None = None,
) -> Loaded:
    """Return the settings: defaults < file < conf.d < secret files < environment < overrides.

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
    settings = _validated(merged)
    return Loaded(settings, merged.origins, secrets_of(settings), files)


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Return every text of the settings that must never be shown."""
    found: set[str] = set()
    _collect_secrets(settings.model_dump(mode="json"), "", found)
    return tuple(sorted(found))


def _validated(merged: Tree) -> Settings:
    converter = Converter(merged.origins)
    values = converter.convert(merged.values, Settings)
    mistakes = [*merged.mistakes, *converter.wrong]
    told = {mistake.path for mistake in mistakes}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            mistake = _mistake(detail, merged.origins)
            if mistake.path not in told:
                mistakes.append(mistake)
    else:
        if not mistakes:
            return settings
    raise BadConfig(mistakes)


def _mistake(detail: ErrorDetails, origins: Mapping[Path, Origin]) -> Mistake:
    path = _real_path(detail["loc"])
    kind = detail["type"]
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        return Mistake(_origin(path, origins), path, "unknown key", hint=_meant(path))
    if kind == "missing":
        return Mistake(_origin(path, origins), path, "expected a value, there is none")
    if kind == "value_error":
        path, text = _blamed(path, str(detail["ctx"]["error"]))
        return Mistake(_origin(path, origins), path, text)
    return Mistake(
        _origin(path, origins), path, _expectation(detail), _shown(path, detail["input"])
    )


def _expectation(detail: ErrorDetails) -> str:
    if detail["type"] in {"literal_error", "enum"}:
        return f"expected {detail['ctx']['expected']}"
    words = detail["type"].split("_")
    if words[-1] in {"type", "parsing"} or words[0] in {"dataclass", "model"}:
        known = _EXPECTED.get(words[0])
        if known:
            return known
    text = detail["msg"].removeprefix("Input should be ")
    return f"expected {text[0].lower()}{text[1:]}"


def _blamed(path: Path, message: str) -> tuple[Path, str]:
    """Return the key that a policy's own message begins with, and the rest of the message."""
    word = re.match(r"([\w.]+):? ", message)
    if word:
        blamed = (*path, *word[1].split("."))
        if shape.at(Settings, blamed) is not None:
            return blamed, message[word.end() :]
    return path, message


def _meant(path: Path) -> str:
    siblings = shape.members(shape.at(Settings, path[:-1])) or {}
    close = get_close_matches(str(path[-1]), siblings, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"known here: {', '.join(sorted(siblings))}" if siblings else ""


def _real_path(loc: tuple[int | str, ...]) -> Path:
    """Return the steps of `loc` that are keys; pydantic adds tags of unions between them."""
    path: Path = ()
    for step in loc:
        if shape.at(Settings, (*path, step)) is not None or step == loc[-1]:
            path = (*path, step)
    return path


def _origin(path: Path, origins: Mapping[Path, Origin]) -> Origin:
    for length in range(len(path), 0, -1):
        if path[:length] in origins:
            return origins[path[:length]]
    return Origin("defaults")


def _shown(path: Path, value: Any) -> str:
    if any(is_secret_name(str(step)) for step in path):
        return MASK
    text = mask_text(json.dumps(value, default=str, ensure_ascii=False), ())
    return text if len(text) <= _LONGEST_GOT else f"{text[:_LONGEST_GOT]}..."


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
