"""Kafka: the only package that speaks it (kafka-python with crc32c)."""
