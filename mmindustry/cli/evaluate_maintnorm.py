"""`mmindustry evaluate maintnorm`."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmindustry.cli.options import DataFolder, JsonOut
from mmindustry.cli.outcome import keep, said
from mmindustry.clock import SystemClock

_KINDS = (
    ("changed", "changed beyond case"),
    ("changed_without_masks", "changed, without masks"),
    ("mask", "masks"),
    ("word", "one word"),
    ("words", "several words"),
    ("empty", "empty targets"),
    ("unchanged", "unchanged"),
    ("all", "all tokens"),
)


def maintnorm(data: DataFolder, out: JsonOut = None) -> None:
    """Spell out work orders of one company with what was learned at another, every way round.

    Example: mmindustry evaluate maintnorm --data ../shared/data
    """
    from mmindustry.training.real.maintnorm import evaluate_maintnorm

    clock = SystemClock()
    begun = clock.monotonic()
    figures = evaluate_maintnorm(data, said)
    for way, found in figures["directions"].items():
        print("\n".join(_lines(way, found)))
    keep("maintnorm", figures, out, seconds=clock.monotonic() - begun)


def _lines(way: str, found: Mapping[str, Any]) -> Iterator[str]:
    yield f"learned -> tried: {way}"
    for kind, told in _KINDS:
        for who in ("baseline", "ours"):
            if kind in found[who]:
                yield f"{who} {told}: {_told(found[who][kind])}"
    for who in ("ours_without_raw_lines", "ours_without_raw_lines_and_plain_words"):
        yield f"{who} changed beyond case: {_told(found[who]['changed'])}"
    yield f"gain over the baseline, points: {found['gain_points']:+.1f}"


def _told(share: Mapping[str, Any]) -> str:
    low, high = share["interval_by_line"]
    return f"{share['accuracy']:.3f} ({low:.3f}-{high:.3f}) of {share['tokens']}"
