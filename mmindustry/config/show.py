"""The settings in force, with the source of each value, secrets masked."""

from collections.abc import Mapping
from typing import Any

from mmindustry.config.load import Loaded
from mmindustry.config.mistakes import Origin, Path
from mmindustry.telemetry.logs import MASK, is_secret_name, mask_text


def shown(loaded: Loaded) -> dict[str, Any]:
    """Return every value in force as plain JSON, secrets masked."""
    values: dict[str, Any] = _masked(loaded.settings.model_dump(mode="json"), "")
    return values


def origins(loaded: Loaded) -> dict[str, tuple[Any, str]]:
    """Return dotted key -> (value, where it came from) for every key."""
    rows: dict[str, tuple[Any, str]] = {}
    _walk(shown(loaded), (), loaded.origins, rows)
    return rows


def _walk(
    value: Any, path: Path, known: Mapping[Path, Origin], rows: dict[str, tuple[Any, str]]
) -> None:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            _walk(inner, (*path, key), known, rows)
        return
    leaf = known.get(path)
    rows[".".join(str(step) for step in path)] = (value, str(leaf) if leaf else "default")


def _masked(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _masked(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner, name) for inner in value]
    if isinstance(value, str):
        return MASK if value and is_secret_name(name) else mask_text(value, ())
    return value
