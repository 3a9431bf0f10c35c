import hashlib
import hmac
import json
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from typing_extensions import override

from mmindustry.clock import SystemClock
from mmindustry.domain import OutboxRow, Outcome
from mmindustry.errors import ConfigError, DependencyDown, Fenced, PublishRefused
from mmindustry.notify.outbox import carry, run_notifier
from mmindustry.notify.policy import NotifyPolicy, WebhookTarget
from mmindustry.notify.topic import TopicNotifier
from mmindustry.notify.transport import Reach
from mmindustry.notify.ways import make_notifiers
from mmindustry.notify.webhook import WebhookNotifier
from tests.unit.notify import material as m


def hook(*receivers: m.Receiver, secret: str = "", reach: Reach | None = None) -> WebhookNotifier:
    targets = tuple(
        WebhookTarget(name=f"t{k}", url=f"{r.url}/hook", allow_http=True, secret=secret)
        for k, r in enumerate(receivers)
    )
    policy = NotifyPolicy(webhooks=targets)
    return WebhookNotifier(policy, m.transport(reach=reach), m.Hands())


def fates(outcomes: Sequence[Outcome]) -> list[tuple[bool, bool]]:
    return [(outcome.sent, outcome.final) for outcome in outcomes]


def test_webhook_gets_all_that_waited_in_one_signed_post() -> None:
    with m.receiving() as receiver:
        rows = [m.row(k, m.body(window=f"w{k}"), "webhook") for k in range(30)]

        outcomes = hook(receiver, secret="s3").send(rows)  # noqa: S106 - a test's own

        assert fates(outcomes) == [(True, True)] * 30
        (document,) = receiver.documents
        assert isinstance(document, dict)
        assert document["version"] == 1
        assert [alarm["id"] for alarm in document["alarms"]] == list(range(30))
        assert document["alarms"][0]["url"].startswith("http://127.0.0.1:8080/alarms/view?id=")
        signed = hmac.new(b"s3", receiver.bodies[0], hashlib.sha256).hexdigest()
        assert f"X-Mmindustry-Signature: sha256={signed}" in receiver.heads[0]


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        (200, (True, True)),
        (204, (True, True)),
        (302, (False, True)),
        (400, (False, True)),
        (404, (False, True)),
        (429, (False, False)),
        (500, (False, False)),
        (503, (False, False)),
    ],
)
def test_webhook_answer_decides_whether_it_is_tried_again(
    status: int, fate: tuple[bool, bool]
) -> None:
    with m.receiving(m.answer(status)) as receiver:
        assert fates(hook(receiver).send([m.row(1, m.body(), "webhook")])) == [fate]


def test_webhook_inside_the_plant_is_final_unless_its_network_is_allowed() -> None:
    with m.receiving() as receiver:
        rows = [m.row(1, m.body(), "webhook")]

        refused = hook(receiver, reach=Reach()).send(rows)
        allowed = hook(receiver, reach=Reach(allow_cidrs=("127.0.0.0/8",))).send(rows)

        assert fates(refused) == [(False, True)]
        assert "allow_cidrs" in refused[0].detail
        assert fates(allowed) == [(True, True)]


def test_target_that_took_a_row_is_not_told_it_again_for_the_sake_of_another() -> None:
    with m.receiving() as good, m.receiving(m.answer(503), m.OK) as bad:
        both = hook(good, bad)
        rows = [m.row(1, m.body(), "webhook")]

        assert fates(both.send(rows)) == [(False, False)]
        assert fates(both.send(rows)) == [(True, True)]

        assert (len(good.bodies), len(bad.bodies)) == (1, 2)


def test_old_alarm_reaches_no_webhook() -> None:
    with m.receiving() as receiver:
        old = m.body(at=m.NOW.replace(year=2019))

        assert fates(hook(receiver).send([m.row(1, old, "webhook")])) == [(True, True)]
        assert receiver.bodies == []


class Stream:
    """A publisher that refuses what it is told to."""

    def __init__(self, refuse: str = "", *, down: bool = False) -> None:
        self._refuse = refuse
        self._down = down
        self.sent: list[tuple[bytes, bytes, dict[str, str]]] = []

    def send(
        self,
        topic: str,
        messages: Sequence[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]],
    ) -> list[int]:
        if self._down:
            raise DependencyDown(f"{topic} is away")
        for key, _, _ in messages:
            if key and self._refuse and self._refuse in key.decode():
                raise PublishRefused("too large")
        for key, value, headers in messages:
            told = {name: text.decode() for name, text in headers}
            self.sent.append((key or b"", value or b"", told))
        return [0] * len(messages)


def test_alarm_leaves_as_a_cloud_event_under_its_asset() -> None:
    stream = Stream()

    outcomes = TopicNotifier("mm.alarms", stream).send([m.row(7, m.body(), "mm.alarms")])

    ((key, value, headers),) = stream.sent
    assert fates(outcomes) == [(True, True)]
    assert key == b"north/mill/line-1/pump-7"
    assert json.loads(value)["fault"] == "bearing_outer"
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": "mm.alarms/7",
        "ce_source": "mmindustry",
        "ce_type": "io.mmindustry.alarm.v1",
        "ce_time": m.NOW.isoformat(),
        "ce_subject": "north/mill/line-1/pump-7",
        "content-type": "application/json",
    }


def test_stream_that_is_away_puts_rows_off_and_one_refused_row_goes_alone() -> None:
    rows = [m.row(k, m.body(asset=f"a/b/c/{name}"), "mm.alarms") for k, name in enumerate("xyz")]

    away = TopicNotifier("mm.alarms", Stream(down=True)).send(rows)
    picky = TopicNotifier("mm.alarms", Stream(refuse="/y")).send(rows)

    assert fates(away) == [(False, False)] * 3
    assert fates(picky) == [(True, True), (False, True), (True, True)]


class Rows:
    """An outbox in memory: each row is claimed once, what was put off comes again."""

    def __init__(self, rows: Sequence[OutboxRow], stop: "Halt | None" = None) -> None:
        self.waiting = list(rows)
        self.marked: list[Outcome] = []
        self._stop = stop
        self._held: dict[int, OutboxRow] = {}

    def claim(self, limit: int) -> list[OutboxRow]:
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        self._held |= {row.id: row for row in taken}
        return taken

    def mark(self, outcomes: Sequence[Outcome]) -> None:
        self.marked += outcomes
        self.waiting += [self._held[o.id] for o in outcomes if not (o.sent or o.final)]


class Halt:
    """A stop that is wanted after so many waits."""

    def __init__(self, waits: int) -> None:
        self._left = waits
        self._event = threading.Event()

    def wanted(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        assert seconds > 0
        self._left -= 1
        if self._left <= 0:
            self._event.set()
        return self.wanted()


class Way:
    """A way out that fails as often as told, and counts its rounds."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.batches: list[list[int]] = []
        self.rounds = 0

    def send(self, rows: Sequence[OutboxRow]) -> list[Outcome]:
        self.batches.append([row.id for row in rows])
        self.failures -= 1
        return [Outcome(row.id, sent=self.failures < 0, final=self.failures < 0) for row in rows]

    def tend(self) -> None:
        self.rounds += 1


def test_loop_carries_every_row_once_each_channel_together_and_in_order() -> None:
    pager, hooked = Way(), Way(failures=1)
    rows = [m.row(k, m.body(), "alertmanager" if k % 2 else "webhook") for k in range(10)]
    outbox, counted = Rows(rows), dict[tuple[str, str], int]()

    def count(channel: str, outcome: str, number: int) -> None:
        counted[channel, outcome] = counted.get((channel, outcome), 0) + number

    run_notifier(
        outbox,
        {"alertmanager": pager, "webhook": hooked},
        NotifyPolicy(batch=6),
        stop=Halt(1),
        count=count,
    )

    assert [k for batch in pager.batches for k in batch] == [1, 3, 5, 7, 9]
    assert sorted(o.id for o in outbox.marked if o.sent) == list(range(10))
    assert counted == {
        ("alertmanager", "sent"): 5,
        ("webhook", "sent"): 5,
        ("webhook", "put_off"): 3,
    }
    assert pager.rounds >= 2


def test_loop_tends_what_stands_while_nothing_waits() -> None:
    way = Way()

    run_notifier(Rows([]), {"alertmanager": way}, NotifyPolicy(), stop=Halt(5))

    assert way.rounds == 5
    assert way.batches == []


def test_loop_ends_quietly_when_the_record_is_away_and_the_end_was_asked_for() -> None:
    class Away(Rows):
        @override
        def claim(self, limit: int) -> list[OutboxRow]:
            raise Fenced(f"asked to stop while {limit} rows were wanted")

    run_notifier(Away([]), {}, NotifyPolicy(), stop=Halt(9))


def test_row_without_a_way_out_is_given_up_with_the_remedy() -> None:
    (outcome,) = carry([m.row(1, m.body(), "pigeon")], {}, lambda *_: None)

    assert (outcome.sent, outcome.final) == (False, True)
    assert "pigeon" in outcome.detail


def test_policy_makes_the_ways_out_it_names() -> None:
    clock = SystemClock()
    target = WebhookTarget(name="x", url="https://x.io/")
    full = NotifyPolicy(alertmanagers=("http://127.0.0.1:9093",), webhooks=(target,))

    made = make_notifiers(full, clock, active=list, publish=(Stream(), ["mm.alarms"]))

    assert sorted(made) == ["alertmanager", "mm.alarms", "webhook"]


def test_way_out_without_a_destination_shows_only_and_lets_no_row_pile_up() -> None:
    ways = make_notifiers(NotifyPolicy(), SystemClock(), active=list, publish=(Stream(), []))
    rows = [
        m.row(k, m.body(at=SystemClock().now()), channel)
        for k, channel in enumerate(("alertmanager", "webhook"))
    ]

    outcomes = carry(rows, ways, lambda *_: None)

    assert fates(outcomes) == [(True, True)] * 2
    assert all("shown only" in outcome.detail for outcome in outcomes)


@pytest.mark.parametrize("name", ["none.pem", "words.pem"])
def test_authority_file_without_a_certificate_is_told_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "words.pem").write_text("no certificate")
    policy = NotifyPolicy(ca_file=str(tmp_path / name))

    with pytest.raises(ConfigError, match=name):
        make_notifiers(policy, SystemClock(), active=list, publish=(Stream(), []))
