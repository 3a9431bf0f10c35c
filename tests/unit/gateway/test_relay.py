"""The gateway while the stream is away: nothing accepted is lost, nothing overtakes."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from mmindustry.clock import SystemClock
from mmindustry.codec.encode import Encoded, encode
from mmindustry.domain import LogEntry
from mmindustry.errors import DependencyDown, PublishRefused
from mmindustry.gateway.relay import Relay
from mmindustry.gateway.spool import Spool
from mmindustry.telemetry.metrics import Metrics
from tests.codec_samples import ASSET, NOON


class Stream:
    """A stream that can be taken away."""

    def __init__(self) -> None:
        self.away = False
        self.refuses = False
        self.sent: list[tuple[str, bytes]] = []

    def send(
        self,
        topic: str,
        messages: Sequence[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]],
    ) -> Sequence[int]:
        if self.away:
            raise DependencyDown("no broker answers")
        if self.refuses:
            raise PublishRefused(f"no topic {topic}")
        self.sent += [(topic, dict(headers)["ce_id"]) for _, _, headers in messages]
        return [3 for _ in messages]


def event(number: int, text: str = "hot") -> Encoded:
    return encode(LogEntry(text), event_id=str(number), source="log-1", asset=ASSET, time=NOON)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with open_spool(tmp_path) as opened:
        yield opened


def open_spool(folder: Path, limit_bytes: int = 1 << 20) -> Spool:
    return Spool(
        str(folder / "spool"), limit_bytes=limit_bytes, value_bytes=1 << 20, clock=SystemClock()
    )


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def held(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("mmindustry_spool_bytes")


def drain(relay: Relay) -> int:
    moved = 0
    while now := relay.forward():
        moved += now
    return moved


def test_an_event_goes_straight_into_a_stream_that_is_there(spool: Spool, metrics: Metrics) -> None:
    stream = Stream()
    relay = Relay(stream, spool, metrics)

    delivery = relay.deliver("mm.logs", event(1))

    assert (delivery.kept, delivery.partition) == ("stream", 3)
    assert stream.sent == [("mm.logs", b"1")]
    assert spool.waiting == 0


def test_while_the_stream_is_away_events_wait_and_go_on_in_order(
    spool: Spool, metrics: Metrics
) -> None:
    stream = Stream()
    relay = Relay(stream, spool, metrics)
    stream.away = True
    kept = [relay.deliver("mm.frames" if n == 2 else "mm.logs", event(n)).kept for n in range(40)]
    assert kept == ["spool"] * 40
    assert relay.forward() == 0
    assert relay.trouble == "no broker answers"
    assert held(metrics)

    stream.away = False
    late = relay.deliver("mm.logs", event(40))
    moved = drain(relay)

    assert late.kept == "spool", "it may not overtake what waits"
    assert moved == 41
    assert [number for _, number in stream.sent] == [b"%d" % n for n in range(41)]
    assert stream.sent[2][0] == "mm.frames"
    assert (spool.waiting, held(metrics), relay.trouble) == (0, 0, "")
    assert relay.deliver("mm.logs", event(41)).kept == "stream"


def test_what_waits_outlives_the_gateway(tmp_path: Path, metrics: Metrics) -> None:
    stream = Stream()
    stream.away = True
    with open_spool(tmp_path) as spool:
        relay = Relay(stream, spool, metrics)
        for number in range(20):
            relay.deliver("mm.logs", event(number))
        stream.away = False
        assert relay.forward() == 16

    with open_spool(tmp_path) as spool:
        assert spool.waiting == 4
        drain(Relay(stream, spool, metrics))

    assert [number for _, number in stream.sent] == [b"%d" % n for n in range(20)]


def test_an_event_arrives_from_the_spool_as_it_was(spool: Spool) -> None:
    spool.add("mm.logs", event(7, "oil leak"))

    (waiting,) = spool.first(9)

    assert (waiting.topic, waiting.encoded) == ("mm.logs", event(7, "oil leak"))


def test_a_full_spool_refuses_and_keeps_what_it_has(tmp_path: Path, metrics: Metrics) -> None:
    stream = Stream()
    stream.away = True
    with open_spool(tmp_path, limit_bytes=4_000) as spool:
        relay = Relay(stream, spool, metrics)
        relay.deliver("mm.logs", event(1, "x" * 3_000))

        with pytest.raises(DependencyDown, match="the spool is full"):
            relay.deliver("mm.logs", event(2, "x" * 3_000))

        stream.away = False
        assert drain(relay) == 1
        assert relay.deliver("mm.logs", event(3, "x" * 3_000)).kept == "stream"


def test_what_the_stream_refuses_for_good_is_told_and_not_lost(
    spool: Spool, metrics: Metrics
) -> None:
    stream = Stream()
    relay = Relay(stream, spool, metrics)
    stream.refuses = True
    with pytest.raises(PublishRefused):
        relay.deliver("mm.logs", event(1))
    spool.add("mm.logs", event(2))

    assert relay.forward() == 0

    assert relay.trouble == "no topic mm.logs"
    stream.refuses = False
    assert drain(relay) == 1


def test_forwarding_goes_on_until_it_is_told_to_stop(spool: Spool, metrics: Metrics) -> None:
    stream = Stream()
    relay = Relay(stream, spool, metrics)
    for number in range(40):
        spool.add("mm.logs", event(number))
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return len(waits) == 5

    relay.keep_forwarding(wait, 0.7)

    assert len(stream.sent) == 40
    assert waits == [0, 0, 0, 0.7, 0.7]


def test_threads_may_deliver_at_once(spool: Spool, metrics: Metrics) -> None:
    stream = Stream()
    stream.away = True
    relay = Relay(stream, spool, metrics)

    def deliver(first: int) -> None:
        for number in range(first, first + 10):
            relay.deliver("mm.logs", event(number))

    threads = [threading.Thread(target=deliver, args=(first,)) for first in (0, 10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    stream.away = False
    drain(relay)

    numbers = [int(number) for _, number in stream.sent]
    assert sorted(numbers) == list(range(30))
    for first in (0, 10, 20):
        mine = [number for number in numbers if first <= number < first + 10]
        assert mine == sorted(mine)
