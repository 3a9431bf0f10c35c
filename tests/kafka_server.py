"""One real Kafka broker for the whole test session, promised as `kafka`."""

from collections.abc import Iterator

import pytest

from deploy.local.kafka import KafkaUnavailableError, LocalKafka
from tests.promises import missing


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[LocalKafka]:
    broker = LocalKafka()
    try:
        broker.start()
    except KafkaUnavailableError as error:
        missing("kafka", str(error))
    try:
        yield broker
    finally:
        broker.stop()
