"""Whether a picture's name says that what it shows is normal or not."""

import re
from pathlib import Path

_NORMAL = frozenset(
    {"normal", "normals", "good", "ok", "okay", "fine", "sound", "intact", "undamaged", "healthy"}
    | {"conforming", "pass", "passed"}
)
_ANOMALOUS = frozenset(
    {"anomaly", "anomalies", "anomalous", "abnormal", "bad", "defect", "defects", "defective"}
    | {"damaged", "damage", "broken", "fault", "faulty", "nok", "ng", "notok", "nonconforming"}
    | {"reject", "rejected", "scrap", "fail", "failed"}
)
_NOT = frozenset({"no", "not", "non", "without"})
_WORDS = re.compile(r"[a-z]+")


def named_anomalous(picture: Path, below: Path) -> bool | None:
    """Return what a picture's own name says, else the nearest folder's; None: nothing.

    Args:
        picture: Lies somewhere below that folder.
        below: Its own name says nothing of one picture.

    >>> named_anomalous(Path("plates/all/not_ok-3.png"), Path("plates"))
    True
    >>> named_anomalous(Path("plates/test/good/003.png"), Path("plates"))
    False
    >>> named_anomalous(Path("plates/test/003.png"), Path("plates"))
    """
    inside = picture.relative_to(below)
    for name in (inside.stem, *(folder.name for folder in inside.parents)):
        said = _said(_WORDS.findall(name.lower()))
        if len(said) == 1:
            return said.pop()
    return None


def _said(words: list[str]) -> set[bool]:
    before = ["", *words]
    return {
        (word in _ANOMALOUS) != (previous in _NOT)
        for previous, word in zip(before, words, strict=False)
        if word in _NORMAL or word in _ANOMALOUS
    }
