"""Where settings come from, the later over the earlier: file, conf.d, secrets, environment, CLI."""

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmindustry.config import shape
from mmindustry.config.mistakes import Mistake, Origin, Path
from mmindustry.config.tree import MAX_FILE_BYTES, Tree, read_scalar, read_yaml

PREFIX = "MMINDUSTRY__"
_FILE = "_FILE"


def file_layers(file: pathlib.Path, environment: Mapping[str, str]) -> Iterator[Tree]:
    """Yield the tree of `file`, then those of `conf.d/*.yaml` beside it, by name."""
    yield _file(file, environment)
    beside = file.parent / "conf.d"
    if beside.is_dir():
        for more in sorted([*beside.glob("*.yaml"), *beside.glob("*.yml")]):
            yield _file(more, environment)


def credential_layer(folders: Sequence[pathlib.Path], root: Any) -> Tree:
    """Return values found as files named `mmindustry__section__key` in folders of secrets."""
    tree = Tree()
    for folder in folders:
        for path, kind in shape.leaves(root):
            found = folder / "__".join(("mmindustry", *path))
            if found.is_file():
                _take_secret(tree, path, kind, found)
    return tree


def environment_layer(environment: Mapping[str, str], root: Any) -> Tree:
    """Return what `MMINDUSTRY__SECTION__KEY` says; `..._FILE` names a file that holds the value."""
    tree = Tree()
    for name, text in sorted(environment.items()):
        if not name.startswith(PREFIX):
            continue
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        kind = shape.at(root, path)
        if kind is None and name.endswith(_FILE):
            inner = (*path[:-1], path[-1].removesuffix(_FILE.lower()))
            inner_kind = shape.at(root, inner)
            if inner_kind is not None:
                _take_secret(tree, inner, inner_kind, pathlib.Path(text))
                continue
        _put(tree, path, _as_typed(text, kind), Origin(f"environment {name}"))
    return tree


def misspelt(environment: Mapping[str, str], root: Any) -> Iterator[tuple[str, str]]:
    """Yield variables that look like settings and are not read, each with the name that was meant.

    Case and the number of underscores are what people get wrong: nothing else is guessed at, for
    other variables that begin with our name may be anybody's. Where a section is named but no key
    is known in it, the meant name is "".
    """
    ours = [name for name in sorted(environment) if name.upper().startswith("MMINDUSTRY_")]
    strays = [name for name in ours if not name.startswith(PREFIX)]
    if not strays:
        return
    names = (PREFIX + "__".join(path).upper() for path, _ in shape.leaves(root))
    known = {_plain(name): name for name in names}
    for name in strays:
        meant = known.get(_plain(name.removesuffix(_FILE)))
        if meant is not None:
            yield name, meant + (_FILE if name.endswith(_FILE) else "")
        elif "__" in name:
            yield name, ""


def _plain(name: str) -> str:
    return name.upper().replace("_", "")


def command_line_layer(overrides: Mapping[str, Any]) -> Tree:
    """Return what options of the command line say; keys are dotted."""
    tree = Tree()
    for key, value in overrides.items():
        if value is not None:
            _put(tree, tuple(key.split(".")), value, Origin("command line"))
    return tree


def merge(trees: Sequence[Tree]) -> Tree:
    """Return one tree: mappings join, everything else (lists too) is replaced by the later."""
    merged = Tree()
    for tree in trees:
        merged.mistakes.extend(tree.mistakes)
        _join(merged, tree, tree.values, ())
    return merged


def _join(into: Tree, tree: Tree, new: Mapping[str, Any], path: Path) -> None:
    old = into.values
    for step in path:
        old = old[str(step)]
    for key, value in new.items():
        here = (*path, key)
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            _join(into, tree, value, here)
        elif value is not None or not isinstance(old.get(key), dict):
            old[key] = value
            kept = {p: o for p, o in into.origins.items() if p[: len(here)] != here}
            taken = {p: o for p, o in tree.origins.items() if p[: len(here)] == here}
            into.origins = kept | taken


def _file(file: pathlib.Path, environment: Mapping[str, str]) -> Tree:
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_FILE_BYTES + 1)
        return read_yaml(raw.decode(), str(file), environment)
    except UnicodeDecodeError:
        return Tree(mistakes=[Mistake(Origin(str(file)), (), "expected UTF-8 text")])
    except OSError as error:
        return Tree(mistakes=[Mistake(Origin(str(file)), (), f"can't be read: {error.strerror}")])


def _take_secret(tree: Tree, path: Path, kind: Any, file: pathlib.Path) -> None:
    try:
        text = file.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        tree.mistakes.append(Mistake(Origin(str(file)), path, f"can't be read: {error}"))
        return
    _put(tree, path, _as_typed(text, kind), Origin(str(file)))


def _as_typed(text: str, kind: Any) -> Any:
    """Return an environment's text as the key's type wants it: lists also by commas."""
    if kind is None or shape.bare(kind) in {str, pathlib.Path}:
        return text
    value = read_scalar(text)
    if shape.items(kind) is not None and not isinstance(value, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    return value


def _put(tree: Tree, path: Path, value: Any, origin: Origin) -> None:
    below = tree.values
    for step in path[:-1]:
        inner = below.setdefault(str(step), {})
        if not isinstance(inner, dict):
            return
        below = inner
    below[str(path[-1])] = value
    tree.origins[path] = origin
