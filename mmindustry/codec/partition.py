"""Which partition a key belongs to, exactly as the Java client of Kafka says."""

import struct

_SEED = 0x9747B28C
_MIX = 0x5BD1E995
_SHIFT = 24
_WORD = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Return the 32-bit MurmurHash2 of `data` as an unsigned number.

    A. Appleby's MurmurHash2 with the seed of `org.apache.kafka.common.utils.Utils.murmur2`.

    >>> murmur2(b"21")
    3321034988
    """
    whole = len(data) & ~3
    value = _SEED ^ len(data)
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        mixed = word * _MIX & _WORD
        mixed ^= mixed >> _SHIFT
        value = (value * _MIX & _WORD) ^ (mixed * _MIX & _WORD)
    tail = data[whole:]
    if tail:
        value = (value ^ int.from_bytes(tail, "little")) * _MIX & _WORD
    value ^= value >> 13
    value = value * _MIX & _WORD
    return value ^ (value >> 15)


def partition_of(key: bytes, count: int) -> int:
    """Return the partition of `key` among `count`, in 0 .. count - 1.

    What Java's default partitioner and kcat's `murmur2_random` do with a key.

    Raises:
        ValueError: `count` is below 1.

    >>> partition_of(b"plant/hall/line-1/pump-1", 1)
    0
    """
    if count < 1:
        raise ValueError(f"a topic has at least one partition, got {count}")
    return (murmur2(key) & 0x7FFFFFFF) % count
