"""`mmindustry evaluate nestor`."""

from mmindustry.cli.options import DataFolder, JsonOut
from mmindustry.cli.outcome import keep, said
from mmindustry.clock import SystemClock

_PLAIN = ("accuracy", "ece", "control_majority_macro_f1")


def nestor(data: DataFolder, out: JsonOut = None) -> None:
    """Tell failure modes of work orders from their text, assets left out.

    Example: mmindustry evaluate nestor --data ../shared/data
    """
    from mmindustry.training.real.orders import evaluate_nestor

    clock = SystemClock()
    begun = clock.monotonic()
    figures = evaluate_nestor(data, said)
    low, high = figures["macro_f1_interval"]
    print(f"orders: {figures['rows']} of {figures['groups']} assets")
    print(f"macro_f1: {figures['macro_f1']:.3f} ({low:.3f}-{high:.3f}, assets drawn)")
    for name in _PLAIN:
        print(f"{name}: {figures[name]:.3f}")
    for mode, f1 in figures["f1"].items():
        print(f"f1 {mode}: {f1:.3f}")
    print(f"caveat: {figures['caveat']}")
    keep("nestor", figures, out, seconds=clock.monotonic() - begun)
