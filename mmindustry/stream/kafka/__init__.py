"""Kafka: the only package that speaks it (kafka-python with crc32c)."""

from mmindustry.stream.kafka.admin import KafkaAdmin
from mmindustry.stream.kafka.publisher import KafkaPublisher
from mmindustry.stream.kafka.source import KafkaSource

__all__ = ["KafkaAdmin", "KafkaPublisher", "KafkaSource"]
