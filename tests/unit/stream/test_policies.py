"""Rules of the stream's settings, of retries, and of what a changed layout needs."""

from itertools import islice
from random import Random
from typing import Any

import pytest

from mmindustry.domain import Claim, Progress, TopicProgress
from mmindustry.errors import LayoutChanged
from mmindustry.stream.admin import specs_of
from mmindustry.stream.layout import TopicLayout, check_claim
from mmindustry.stream.policy import (
    KafkaPolicy,
    LocalPolicy,
    ReadingPolicy,
    RetryPolicy,
    TopicsPolicy,
)
from mmindustry.stream.relayout import Remedy, plan_relayout
from mmindustry.stream.retry import pauses


@pytest.mark.parametrize(
    ("kind", "wrong", "named"),
    [
        (TopicsPolicy, {"partitions": 0}, "partitions"),
        (TopicsPolicy, {"audio": "mm.frames"}, "share a name"),
        (TopicsPolicy, {"retention_bytes": 5}, "retention_bytes"),
        (ReadingPolicy, {"poll_bytes": 1}, "poll_bytes"),
        (ReadingPolicy, {"wait_seconds": 9.0}, "wait_seconds"),
        (LocalPolicy, {"folder": ""}, "folder"),
        (KafkaPolicy, {"bootstrap_servers": ("broker",)}, "host:port"),
        (KafkaPolicy, {"bootstrap_servers": ()}, "bootstrap_servers"),
        (KafkaPolicy, {"heartbeat_seconds": 3.0}, "third"),
        (KafkaPolicy, {"max_step_seconds": 2.0}, "max_step_seconds"),
        (KafkaPolicy, {"sasl_mechanism": "PLAIN"}, "sasl_mechanism"),
        (KafkaPolicy, {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN"}, "sasl_user"),
        (KafkaPolicy, {"ssl_certfile": "c.pem"}, "ssl_keyfile"),
        (RetryPolicy, {"first_seconds": 0.0}, "first_seconds"),
    ],
)
def test_value_out_of_range_is_refused_by_name(
    kind: Any, wrong: dict[str, object], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        kind(**wrong)


def test_secrets_do_not_show_when_a_policy_is_printed() -> None:
    policy = KafkaPolicy(
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="line",
        sasl_password="hunter2",  # noqa: S106 - the canary
    )

    assert "hunter2" not in repr(policy)


def test_dead_letter_topics_take_64_kib_more_than_their_inputs() -> None:
    specs = {spec.name: spec for spec in specs_of(TopicsPolicy())}

    for name in TopicsPolicy().inputs:
        room = specs[f"{name}.dlq"].max_message_bytes - specs[name].max_message_bytes
        assert room == 64 * 1024
        assert specs[f"{name}.dlq"].partitions == specs[name].partitions


def test_pauses_double_with_jitter_up_to_their_limit() -> None:
    policy = RetryPolicy(first_seconds=0.1, most_seconds=1.0)

    found = list(islice(pauses(policy, Random(5)), 40))

    limits = [min(0.1 * 2**n, 1.0) for n in range(40)]
    assert all(top / 2 <= pause <= top for pause, top in zip(found, limits, strict=True))
    assert len(set(found)) == 40


def log(partitions: int = 2, **changed: str) -> dict[str, TopicLayout]:
    ids = {"a": "id-a", "b": "id-b", **changed}
    span = range(partitions)
    return {
        name: TopicLayout(name, id_, partitions, dict.fromkeys(span, 0), dict.fromkeys(span, 9))
        for name, id_ in ids.items()
    }


def read_through(offset: int, partitions: int = 2) -> list[Progress]:
    return [
        Progress(
            partition=partition,
            arrival=None,
            topics={
                name: TopicProgress(f"id-{name}/{partitions}", 0, offset, offset)
                for name in ("a", "b")
            },
        )
        for partition in range(partitions)
    ]


def test_same_log_needs_no_relayout() -> None:
    plan = plan_relayout(read_through(9), log(), ("a", "b"))

    assert (plan.remedy, plan.words, plan.lag) == (Remedy.NONE, (), 0)


def test_new_count_moves_assets_and_counts_what_is_not_read() -> None:
    plan = plan_relayout(read_through(8), log(partitions=3), ("a", "b"))

    assert plan.remedy is Remedy.COUNT
    assert plan.partitions == 3
    assert plan.lag == 2 * (1 + 1 + 9)
    assert plan.topic_ids == {"a": "id-a/3", "b": "id-b/3"}
    assert all("2 -> 3 partitions" in words for words in plan.words)


def test_log_made_anew_begins_a_new_era_and_says_which_topic() -> None:
    plan = plan_relayout(read_through(9), log(b="id-new"), ("a", "b"))

    assert plan.remedy is Remedy.LOG
    assert len(plan.words) == 1
    assert plan.words[0].startswith("b: made anew")


def test_log_that_ends_early_begins_a_new_era() -> None:
    plan = plan_relayout(read_through(12), log(), ("a", "b"))

    assert plan.remedy is Remedy.LOG
    assert "end before what was read" in plan.words[0]


def test_unequal_counts_must_be_mended_first() -> None:
    layouts = {**log(), "b": log(partitions=3)["b"]}

    with pytest.raises(LayoutChanged, match="one partition count"):
        plan_relayout(read_through(9), layouts, ("a", "b"))


@pytest.mark.parametrize(
    ("layouts", "named"),
    [
        ({"a": log()["a"]}, "no topic b"),
        (log(partitions=4), "id/partitions"),
        (log(a="id-other"), "id-other"),
    ],
)
def test_claim_of_another_layout_is_refused(layouts: dict[str, TopicLayout], named: str) -> None:
    claim = Claim(partition=1, epoch=2, progress=read_through(9)[1])

    with pytest.raises(LayoutChanged, match=named):
        check_claim(claim, layouts, ("a", "b"))
