"""CPU cost of windowing an event, with many assets beside few, interleaved in one run.

    python -m tests.benchmarks.windowing [--quick]

One `name: value` line a figure; times are of process time on one thread. `windowing_growth_ratio`
is the cost of an event with 10,000 assets over that with 100: heaps and not scans keep it small.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from datetime import timedelta

from mmindustry.domain import Arrival, Claim, Event, Modality
from mmindustry.testing import BEGINNING, make_event
from mmindustry.windowing.assembler import Assembler
from mmindustry.windowing.policy import WindowPolicy

FEW, MANY = 100, 10_000
POLL = 500


def events_of(assets: int, count: int) -> list[Event]:
    """Return `count` frames and chunks in order of time, round over the assets."""
    kinds = (Modality.IMAGE, Modality.AUDIO)
    step = 10.0 / (2 * assets)  # each source speaks twice a window of ten seconds
    return [
        make_event(
            kinds[number % 2],
            number * step,
            asset=f"n/h/l/a-{number // 2 % assets}",
            offset=number // 2,
            id=str(number),
            payload=b"x",
        )
        for number in range(count)
    ]


def cost_microseconds(assets: int, events: Sequence[Event]) -> float:
    """Return CPU microseconds an event for adding and closing, polls of 500."""
    assembler = Assembler(WindowPolicy())
    assembler.restore(Claim(partition=0, epoch=1, progress=None))
    warm = events_of(assets, 4 * assets)
    _feed(assembler, warm)
    shift = timedelta(seconds=warm[-1].time.timestamp() - BEGINNING.timestamp() + 1)
    moved = [_later(event, shift, len(warm) + number) for number, event in enumerate(events)]
    begin = time.process_time()
    windows = _feed(assembler, moved)
    spent = time.process_time() - begin
    if windows == 0:
        raise RuntimeError("the run is too short: no window closed")
    return spent / len(events) * 1e6


def _later(event: Event, shift: timedelta, number: int) -> Event:
    at = (event.time + shift - BEGINNING).total_seconds()
    return make_event(
        event.modality, at, asset=event.asset, id=f"m{number}", offset=number, payload=b"x"
    )


def _feed(assembler: Assembler, events: Sequence[Event]) -> int:
    closed = 0
    for start in range(0, len(events), POLL):
        poll = events[start : start + POLL]
        assembler.add(poll)
        arrivals = {0: Arrival(poll[-1].append_time, ready=True, read_through={})}
        while True:
            windows, _ = assembler.close(arrivals)
            closed += len(windows)
            if not assembler.more:
                break
        assembler.changed()
    return closed


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, under a minute")
    rounds = 3 if parser.parse_args().quick else 7
    few, many = events_of(FEW, 50_000), events_of(MANY, 50_000)
    costs = [(cost_microseconds(FEW, few), cost_microseconds(MANY, many)) for _ in range(rounds)]
    print(f"windowing_event_100_assets_us: {statistics.median(f for f, _ in costs):.2f}")
    print(f"windowing_event_10000_assets_us: {statistics.median(m for _, m in costs):.2f}")
    print(f"windowing_growth_ratio: {statistics.median(m / f for f, m in costs):.2f}")


if __name__ == "__main__":
    main()
