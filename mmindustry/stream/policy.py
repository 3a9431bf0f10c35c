"""How the stream is reached, named, bounded and kept."""

from dataclasses import dataclass, field
from typing import Literal

_KIB = 1024
_MIB = 1024 * _KIB
DEAD_LETTER_SUFFIX = ".dlq"
DEAD_LETTER_ROOM_BYTES = 64 * _KIB
"""What a dead-letter topic takes more than its input, for the headers that are added."""


def _require(claim: bool, message: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not claim:
        raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicsPolicy:
    """Names, counts and limits of the topics; `mmindustry topics create` makes them so."""

    frames: str = "mm.frames"
    """Input topic of camera frames."""
    audio: str = "mm.audio"
    """Input topic of sound."""
    logs: str = "mm.logs"
    """Input topic of maintenance text."""
    states: str = "mm.states"
    """Input topic of operating states."""
    predictions: str = "mm.predictions"
    """Output topic of predictions."""
    alarms: str = "mm.alarms"
    """Output topic of alarms."""
    partitions: int = 4
    """Partitions of every input, the same for all of them; 1 to 4095."""
    replication: int = 1
    """Copies of each partition (Kafka); at least 1, three in production."""
    max_message_bytes: int = 24 * _MIB
    """Largest message an input takes, bytes; at least 64 KiB."""
    retention_seconds: float = 7 * 86400.0
    """How long a message is kept after it was appended, seconds; at least 60."""
    retention_bytes: int = 10 * 1024 * _MIB
    """How much of a partition is kept, bytes; at least 1 MiB. The local log keeps what a group
    still needs beyond it."""

    def __post_init__(self) -> None:
        names = (*self.inputs, self.predictions, self.alarms)
        _require(len(set(names)) == len(names), f"two topics share a name: {', '.join(names)}")
        _require(all(names), "a topic needs a name")
        _require(1 <= self.partitions <= 4095, f"partitions must be 1 to 4095: {self.partitions}")
        _require(self.replication >= 1, f"replication must be at least 1: {self.replication}")
        _require(self.max_message_bytes >= 64 * _KIB, "max_message_bytes must be at least 64 KiB")
        _require(self.retention_seconds >= 60, "retention_seconds must be at least 60")
        _require(self.retention_bytes >= _MIB, "retention_bytes must be at least 1 MiB")

    @property
    def inputs(self) -> tuple[str, ...]:
        """The co-partitioned topics a worker reads."""
        return (self.frames, self.audio, self.logs, self.states)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingPolicy:
    """How much is read at once, and how long a poll waits."""

    group: str = "mmindustry"
    """Consumer group: its members share the partitions."""
    poll_messages: int = 500
    """Most messages one poll returns; at least 1."""
    poll_bytes: int = 16 * _MIB
    """Most bytes one poll returns, a single larger message excepted; at least 64 KiB."""
    buffer_bytes: int = 64 * _MIB
    """Bytes fetched ahead over all partitions; a topic above its share is paused. >= 1 MiB."""
    wait_seconds: float = 0.2
    """Longest wait of a poll where nothing has come, seconds; 0.01 to 5."""
    end_every_seconds: float = 0.25
    """How often the ends of quiet topics are asked for, seconds; 0.01 to 5."""
    layout_every_seconds: float = 30.0
    """How often topic ids and counts are looked at while reading, seconds; at least 1."""

    def __post_init__(self) -> None:
        _require(bool(self.group), "group needs a name")
        _require(self.poll_messages >= 1, "poll_messages must be at least 1")
        _require(self.poll_bytes >= 64 * _KIB, "poll_bytes must be at least 64 KiB")
        _require(self.buffer_bytes >= _MIB, "buffer_bytes must be at least 1 MiB")
        _require(0.01 <= self.wait_seconds <= 5, "wait_seconds must be 0.01 to 5")
        _require(0.01 <= self.end_every_seconds <= 5, "end_every_seconds must be 0.01 to 5")
        _require(self.layout_every_seconds >= 1, "layout_every_seconds must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPolicy:
    """The embedded log: one folder, one machine, any number of processes."""

    folder: str = "data/stream"
    """Folder of the log and its locks; made when missing."""
    busy_seconds: float = 10.0
    """Longest wait for another process that writes, seconds; 0.1 to 60."""
    look_seconds: float = 0.02
    """How often a waiting reader looks for new messages, seconds; 0.001 to 1."""
    member_seconds: float = 0.5
    """How often a member looks who else reads, seconds; 0.05 to 10."""
    retain_seconds: float = 30.0
    """How often a publisher removes what retention lets go, seconds; at least 0.1."""

    def __post_init__(self) -> None:
        _require(bool(self.folder), "folder needs a path")
        _require(0.1 <= self.busy_seconds <= 60, "busy_seconds must be 0.1 to 60")
        _require(0.001 <= self.look_seconds <= 1, "look_seconds must be 0.001 to 1")
        _require(0.05 <= self.member_seconds <= 10, "member_seconds must be 0.05 to 10")
        _require(self.retain_seconds >= 0.1, "retain_seconds must be at least 0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaPolicy:
    """Where the brokers are, how to log in, and how long to wait for them."""

    bootstrap_servers: tuple[str, ...] = ("localhost:9092",)
    """`host:port` of at least one broker."""
    client_id: str = "mmindustry"
    """Name shown in the brokers' logs and quotas."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How the connection is protected; the host name is always verified under SSL."""
    ssl_cafile: str | None = None
    """PEM file of the authority that signed the brokers' certificates."""
    ssl_certfile: str | None = None
    """PEM file of the client's own certificate (mutual TLS)."""
    ssl_keyfile: str | None = None
    """PEM file of the client's private key."""
    ssl_password: str | None = field(default=None, repr=False)
    """Password of the key file. Secret."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """How to log in under SASL."""
    sasl_username: str | None = None
    """User to log in as."""
    sasl_password: str | None = field(default=None, repr=False)
    """Password to log in with. Secret."""
    session_seconds: float = 6.0
    """Silence after which the group takes a member's partitions away, seconds; 1 to 300."""
    heartbeat_seconds: float = 1.5
    """How often a member says it lives, seconds; at most a third of the session."""
    max_step_seconds: float = 300.0
    """Longest time between two polls, seconds; above the slowest step; at least the session."""
    request_seconds: float = 10.0
    """Longest wait for an answer to one request, seconds; 1 to 300."""
    delivery_seconds: float = 30.0
    """Longest try to have a message acknowledged, seconds; at least the request's."""
    reconnect_max_seconds: float = 1.0
    """Longest pause between two tries to reach a broker, seconds; 0.05 to 60."""
    metadata_seconds: float = 30.0
    """How old the picture of the cluster may grow, seconds; at least 1."""

    def __post_init__(self) -> None:
        _require(bool(self.bootstrap_servers), "bootstrap_servers needs at least one host:port")
        for server in self.bootstrap_servers:
            host, _, port = server.rpartition(":")
            _require(bool(host) and port.isdigit(), f"not host:port: {server!r}")
        self._check_login()
        _require(1 <= self.session_seconds <= 300, "session_seconds must be 1 to 300")
        _require(
            0 < self.heartbeat_seconds <= self.session_seconds / 3,
            "heartbeat_seconds must be above 0 and at most a third of session_seconds",
        )
        _require(
            self.max_step_seconds >= self.session_seconds,
            "max_step_seconds must be at least session_seconds",
        )
        _require(1 <= self.request_seconds <= 300, "request_seconds must be 1 to 300")
        _require(
            self.delivery_seconds >= self.request_seconds,
            "delivery_seconds must be at least request_seconds",
        )
        _require(0.05 <= self.reconnect_max_seconds <= 60, "reconnect_max_seconds: 0.05 to 60")
        _require(self.metadata_seconds >= 1, "metadata_seconds must be at least 1")

    def _check_login(self) -> None:
        sasl = self.security_protocol.startswith("SASL")
        _require(
            sasl == (self.sasl_mechanism is not None),
            "sasl_mechanism goes with security_protocol SASL_PLAINTEXT or SASL_SSL, and only there",
        )
        _require(
            not sasl or (bool(self.sasl_username) and bool(self.sasl_password)),
            f"{self.security_protocol} needs sasl_username and sasl_password",
        )
        _require(
            (self.ssl_certfile is None) == (self.ssl_keyfile is None),
            "ssl_certfile and ssl_keyfile go together",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How a try is repeated: the pause doubles, with jitter, up to a limit."""

    first_seconds: float = 0.1
    """Pause after the first failure, seconds; above 0."""
    most_seconds: float = 10.0
    """Longest pause, seconds; at least the first."""

    def __post_init__(self) -> None:
        _require(self.first_seconds > 0, "first_seconds must be above 0")
        _require(self.most_seconds >= self.first_seconds, "most_seconds must be at least the first")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPolicy:
    """Which log is used, and all that belongs to it."""

    kind: Literal["local", "kafka"] = "local"
    """`local`: the embedded log on this machine; `kafka`: a Kafka cluster."""
    topics: TopicsPolicy = TopicsPolicy()
    """Topics."""
    reading: ReadingPolicy = ReadingPolicy()
    """Reading."""
    retry: RetryPolicy = RetryPolicy()
    """Tries again when the stream is away."""
    local: LocalPolicy = LocalPolicy()
    """The embedded log."""
    kafka: KafkaPolicy = KafkaPolicy()
    """The Kafka cluster."""
