"""A bundle: one folder that holds all a network needs to be served, each file under its hash.

    weights.safetensors   the network          arrays.safetensors   the mel basis and its like
    model.onnx            for serving on CPU   bundle.json          recipe, labels, thresholds, ...
    card.md               what it is, how it was made, what it can do
    heatmap.onnx          where on the product a defect is; only where masks were learned from

Immutable once written; its id follows from its content.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmindustry.errors import BundleError, ConfigError
from mmindustry.features.spec import VOCABULARY
from mmindustry.features.wordpiece import read_vocabulary
from mmindustry.fusion.manifest import Manifest, id_of
from mmindustry.fusion.weights import Arrays, unpack

WEIGHTS, ARRAYS, MODEL, CARD = "weights.safetensors", "arrays.safetensors", "model.onnx", "card.md"
MANIFEST = "bundle.json"
BUILTIN = "builtin"
HEATMAP = "heatmap.onnx"
_FILES = (WEIGHTS, ARRAYS, MODEL, CARD)
_MAX_BYTES = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle in memory, every byte checked."""

    manifest: Manifest
    folder: Path
    weights: bytes
    model: bytes
    arrays: Arrays
    card: str
    heatmap: bytes | None = None

    @property
    def id(self) -> str:
        """Name and the first digits of the content's hash; named in every row."""
        return self.manifest.id

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The word pieces its recipe is followed with; empty where it asks for none."""
        held = self.arrays.get(VOCABULARY)
        return () if held is None else read_vocabulary(held.tobytes())


def builtin_bundle() -> Path:
    """Return the folder of the bundle that ships in the package."""
    return Path(__file__).parent / BUILTIN


def bundle_folder(name: str) -> Path:
    """Return the folder a policy's `bundle` means: `builtin`, or a path."""
    return builtin_bundle() if name == BUILTIN else Path(name)


def write_bundle(
    folder: Path, manifest: Manifest, contents: Mapping[str, bytes], *, replace: bool = False
) -> str:
    """Write a bundle at `folder` all at once, and return its id.

    Args:
        folder: Where it shall stand; appears complete or not at all.
        manifest: Its `id` and `files` are filled in here.
        contents: File name -> bytes, for each of weights, arrays, model and card, and for the heat
            map's model where there is one.
        replace: Put it in the place of another.

    Raises:
        BundleError: The folder exists and `replace` is not set, or a file is missing.
    """
    if missing := [name for name in _FILES if name not in contents]:
        raise BundleError(f"{folder}: a bundle needs {', '.join(missing)} too")
    if folder.exists() and not replace:
        raise BundleError(f"{folder}: exists already; give another folder, bundles never change")
    held = [name for name in (*_FILES, HEATMAP) if name in contents]
    sealed = manifest.sealed({name: contents[name] for name in held})
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name in held:
            _write(fresh / name, contents[name])
        _write(fresh / MANIFEST, sealed.to_bytes())
        fresh.chmod(0o755)
        _put_in_place(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return sealed.id


def read_bundle(folder: Path) -> Bundle:
    """Return the bundle in `folder`, every file compared with its hash.

    Raises:
        BundleError: A file is missing, changed, of another format or not readable.
    """
    manifest = read_manifest(folder)
    held = [name for name in (*_FILES, HEATMAP) if name in _FILES or name in manifest.files]
    contents = {name: _checked(folder / name, manifest) for name in held}
    return Bundle(
        manifest=manifest,
        folder=folder,
        weights=contents[WEIGHTS],
        model=contents[MODEL],
        arrays=unpack(contents[ARRAYS], str(folder / ARRAYS)),
        card=contents[CARD].decode("utf-8", "replace"),
        heatmap=contents.get(HEATMAP),
    )


def read_manifest(folder: Path) -> Manifest:
    """Return a bundle's manifest alone, its id compared with its content.

    Raises:
        BundleError: There is none, or it was changed.
    """
    path = folder / MANIFEST
    try:
        document = json.loads(_read(path))
    except ValueError as error:
        raise BundleError(f"{path}: not JSON ({error})") from error
    if not isinstance(document, dict):
        raise BundleError(f"{path}: must be a JSON object")
    manifest = Manifest.from_json(document)
    if (expected := id_of(document)) != manifest.id:
        raise BundleError(f"{path}: was changed; its id is {manifest.id}, content says {expected}")
    return manifest


def list_bundles(root: Path) -> list[Path]:
    """Return the folders directly below `root` (or `root` itself) that hold a bundle, sorted."""
    if (root / MANIFEST).is_file():
        return [root]
    if not root.is_dir():
        return []
    return sorted(path.parent for path in root.glob(f"*/{MANIFEST}"))


def check_window_length(manifest: Manifest, seconds: float) -> None:
    """Refuse a window length the bundle was not trained for.

    Raises:
        ConfigError: Naming the lengths it knows (exit 78).
    """
    known = manifest.spec.recipe.window_lengths
    if not any(abs(seconds - length) < 1e-6 for length in known):  # noqa: PLR2004 - microseconds
        lengths = " or ".join(f"{length:g} s" for length in known)
        raise ConfigError(
            f"windows of {seconds:g} s: bundle {manifest.id} was trained for {lengths}; "
            "set that length or train a bundle for this one"
        )


def _put_in_place(fresh: Path, folder: Path) -> None:
    if not folder.exists():
        fresh.replace(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    folder.replace(old / folder.name)
    fresh.replace(folder)
    shutil.rmtree(old)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BundleError(f"{path}: larger than 2 GiB; that is no file of a bundle")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise BundleError(f"{path}: missing; is {path.parent} a bundle?") from error
    except OSError as error:
        raise BundleError(f"{path}: can't be read ({error.strerror})") from error


def _checked(path: Path, manifest: Manifest) -> bytes:
    content = _read(path)
    found = hashlib.sha256(content).hexdigest()
    if found != (expected := manifest.files[path.name]):
        raise BundleError(f"{path}: damaged; sha256 is {found[:16]}.., expected {expected[:16]}..")
    return content
