"""Reaching the brokers: settings as kafka-python names them, and what its errors mean."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, TypeVar

from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

from mmindustry.errors import DependencyDown, MissingExtra
from mmindustry.stream.policy import KafkaPolicy

Client = TypeVar("Client")


def require_crc32c() -> None:
    """Check that checksums are computed by native code.

    Without the `crc32c` package kafka-python does it in Python: 17 ms per 100 kB, a third of all
    the work of a line.

    Raises:
        MissingExtra: `crc32c` is not installed.
    """
    if find_spec("crc32c") is None:
        raise MissingExtra(
            "Kafka needs native checksums: install `crc32c` (pip install 'kafka-python[crc32c]')"
        )


def settings(policy: KafkaPolicy) -> dict[str, Any]:
    """Return what consumer, producer and admin have in common."""
    return {
        "bootstrap_servers": list(policy.bootstrap_servers),
        "client_id": policy.client_id,
        "request_timeout_ms": _ms(policy.request_seconds),
        "bootstrap_timeout_ms": _ms(policy.request_seconds),
        "reconnect_backoff_max_ms": _ms(policy.reconnect_max_seconds),
        "metadata_max_age_ms": _ms(policy.metadata_seconds),
        "security_protocol": policy.security_protocol,
        "ssl_check_hostname": True,
        "ssl_cafile": policy.ssl_cafile,
        "ssl_certfile": policy.ssl_certfile,
        "ssl_keyfile": policy.ssl_keyfile,
        "ssl_password": policy.ssl_password,
        "sasl_mechanism": policy.sasl_mechanism,
        "sasl_plain_username": policy.sasl_username,
        "sasl_plain_password": policy.sasl_password,
    }


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def connected(make: Callable[..., Client], policy: KafkaPolicy, **more: Any) -> Client:
    """Return a client that has reached the cluster.

    Its network thread is ended where it could not, so that tries leave nothing behind.

    Raises:
        DependencyDown: No broker answers, or the login is refused.
        MissingExtra: `crc32c` is not installed.
    """
    require_crc32c()
    made: list[KafkaNetClient] = []

    def remembered(**given: Any) -> KafkaNetClient:
        made.append(KafkaNetClient(**given))
        return made[-1]

    try:
        return make(**{**settings(policy), **more}, kafka_client=remembered)
    except (KafkaError, OSError) as error:
        for client in made:
            client.close()
        servers = ", ".join(policy.bootstrap_servers)
        raise DependencyDown(
            f"Kafka at {servers} ({policy.security_protocol}): {described(error)}; check that it "
            "runs, the address, the protocol and the login"
        ) from error


def described(error: Exception) -> str:
    """Return an error's class and words, for it often has no words."""
    words = str(error)
    name = type(error).__name__
    return words if name in words else f"{name}: {words}" if words else name


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn kafka-python's errors into ours.

    Raises:
        DependencyDown: The broker did not do it.
    """
    try:
        yield
    except KafkaError as error:
        raise DependencyDown(f"Kafka: {doing}: {described(error)}") from error
