"""`mmindustry evaluate bldc`."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmindustry.cli.options import DataFolder, JsonOut
from mmindustry.cli.outcome import keep, said
from mmindustry.clock import SystemClock


def bldc(data: DataFolder, out: JsonOut = None) -> None:
    """Tell healthy from faulty motors by sound, speeds and motors left out, at one threshold.

    Example: mmindustry evaluate bldc --data ../shared/data
    """
    from mmindustry.training.real.bldc import evaluate_bldc

    clock = SystemClock()
    begun = clock.monotonic()
    figures = evaluate_bldc(data, said)
    for fault, found in figures["faults"].items():
        print("\n".join(_lines(fault, found)))
    keep("bldc", figures, out, seconds=clock.monotonic() - begun)


def _lines(fault: str, found: Mapping[str, Any]) -> Iterator[str]:
    yield f"fault: {fault}"
    for name in ("ours", "control_loudness", "control_speed"):
        for way, rates in found[name].items():
            yield from _rates(f"{name} {way}", rates)
            for motor, own in rates.get("motors", {}).items():
                yield from _rates(f"{name} {way} {motor}", own)
    for rate, value in found["control_majority"].items():
        yield f"control_majority {rate}: {value:.3f}"
    for other, told in found["confounded"].items():
        motors = ", ".join(told["motors"])
        yield (
            f"{other} (on {motors}; {told['note']}) called {fault}: {told['called_fault']:.3f} "
            f"of {told['windows']} windows"
        )


def _rates(what: str, rates: Mapping[str, Any]) -> Iterator[str]:
    for rate in ("specificity", "recall"):
        if rate in rates:
            yield f"{what} {rate}: {_told(rates[rate])}"
    if "auroc" in rates:
        yield f"{what} auroc: {rates['auroc']:.3f}"


def _told(rate: Mapping[str, Any]) -> str:
    low, high = rate["interval_by_recording"]
    whole = rate["recordings_right"]
    return (
        f"{rate['value']:.3f} of {rate['windows']} windows, "
        f"95 % by recording {low:.3f}-{high:.3f}; "
        f"of {rate['recordings']} recordings {whole['value']:.3f} "
        f"({whole['wilson'][0]:.3f}-{whole['wilson'][1]:.3f})"
    )
