from random import Random

import pytest
from kafka.partitioner.default import DefaultPartitioner

from mmindustry.codec.partition import murmur2, partition_of


class OneTopic:
    """What kafka-python asks of a cluster: one topic of `count` partitions."""

    def __init__(self, count: int) -> None:
        self.count = count

    def topics(self) -> set[str]:
        return {"mm.logs"}

    def partitions_for_topic(self, _: str) -> set[int]:
        return set(range(self.count))

    available_partitions_for_topic = partitions_for_topic


def test_partition_is_the_one_of_kafkas_own_partitioner() -> None:
    random = Random(26)
    keys = [random.randbytes(random.randrange(1, 60)) for _ in range(500)]
    counts = [random.randrange(1, 60) for _ in keys]

    ours = [partition_of(key, count) for key, count in zip(keys, counts, strict=True)]

    kafkas = DefaultPartitioner()
    theirs = [
        kafkas.partition("mm.logs", key, key, b"", b"", OneTopic(count))
        for key, count in zip(keys, counts, strict=True)
    ]
    assert ours == theirs


@pytest.mark.parametrize(
    ("text", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
    ids=lambda value: str(value)[:14],
)
def test_hash_is_the_one_of_the_java_clients_own_test(text: bytes, signed: int) -> None:
    assert murmur2(text) == signed & 0xFFFFFFFF


def test_a_topic_without_partitions_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one partition"):
        partition_of(b"key", 0)
