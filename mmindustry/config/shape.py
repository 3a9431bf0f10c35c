"""The shape of the settings: which keys there are, of which type, at every depth."""

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from mmindustry.config.mistakes import Path


def members(kind: Any) -> dict[str, Any] | None:
    """Return key -> type of a settings section or a policy; None where `kind` is a leaf."""
    kind = bare(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}
    return None


def bare(kind: Any) -> Any:
    """Return `X` of `X | None` and of `Annotated[X, ...]`; any other type as it is."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return bare(typing.get_args(kind)[0])
    if origin in {typing.Union, types.UnionType}:
        some = [part for part in typing.get_args(kind) if part is not types.NoneType]
        return bare(some[0]) if len(some) == 1 else kind
    return kind


def items(kind: Any) -> Any | None:
    """Return the type of the items of a tuple, list or set; None for every other type."""
    kind = bare(kind)
    if typing.get_origin(kind) in {tuple, list, set, frozenset}:
        return typing.get_args(kind)[0]
    return None


def values(kind: Any) -> Any | None:
    """Return the type of the values of a mapping; None for every other type."""
    kind = bare(kind)
    origin = typing.get_origin(kind)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return typing.get_args(kind)[1]
    return None


def at(kind: Any, path: Path) -> Any | None:
    """Return the type that stands at `path` below `kind`, None where no such key is."""
    for step in path:
        below = members(kind)
        if below is not None:
            kind = below.get(str(step))
        else:
            kind = items(kind) if isinstance(step, int) else values(kind)
        if kind is None:
            return None
    return kind


def leaves(kind: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield (path, type) of every key that holds a value rather than further keys."""
    below = members(kind)
    if below is None:
        yield path, kind
        return
    for name, inner in below.items():
        yield from leaves(inner, (*path, name))


def sections(kind: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], type[Any]]]:
    """Yield (path, policy class) of every section, from the outside in, the root excepted."""
    for name, inner in (members(kind) or {}).items():
        if members(inner) is not None:
            yield (*path, name), bare(inner)
            yield from sections(inner, (*path, name))
