"""The ways out that a policy asks for, made and ready."""

import ssl
from collections.abc import Callable, Iterable, Sequence

from mmindustry.clock import Clock
from mmindustry.errors import ConfigError
from mmindustry.notify.alert import Body
from mmindustry.notify.alertmanager import AlertmanagerNotifier
from mmindustry.notify.policy import NotifyPolicy
from mmindustry.notify.topic import TopicNotifier
from mmindustry.notify.transport import Reach, Transport
from mmindustry.notify.webhook import WebhookNotifier
from mmindustry.ports import Notifier, Publisher


def make_notifiers(
    policy: NotifyPolicy,
    clock: Clock,
    *,
    active: Callable[[], Iterable[Body]],
    publish: tuple[Publisher, Sequence[str]],
) -> dict[str, Notifier]:
    """Return channel -> its way out; one that has no destination tells nobody and says so.

    Args:
        policy: Where to, and the limits.
        clock: Of the notifier's host.
        active: Gives the bodies of alarms that stand, from the record.
        publish: Into the stream, and the topics that go that way; a channel is named like its
            topic.

    Raises:
        ConfigError: `ca_file` is not there or holds no certificate.
    """
    tls = _tls(policy)
    # Alertmanagers are set by the plant's own engineers, mostly inside it: no address is closed.
    inside = _transport(policy, clock, Reach(trusted=True), tls)
    outside = _transport(policy, clock, Reach(allow_cidrs=policy.allow_cidrs), tls)
    publisher, topics = publish
    return {
        "alertmanager": AlertmanagerNotifier(policy, inside, clock, active),
        "webhook": WebhookNotifier(policy, outside, clock),
        **{topic: TopicNotifier(topic, publisher) for topic in topics},
    }


def _tls(policy: NotifyPolicy) -> ssl.SSLContext:
    tls = ssl.create_default_context()
    if policy.ca_file:
        try:
            tls.load_verify_locations(policy.ca_file)
        except OSError as error:  # ssl.SSLError is one too
            raise ConfigError(f"notify.ca_file: {policy.ca_file}: {error}") from error
    return tls


def _transport(policy: NotifyPolicy, clock: Clock, reach: Reach, tls: ssl.SSLContext) -> Transport:
    return Transport(
        clock=clock,
        reach=reach,
        timeout_seconds=policy.timeout_seconds,
        response_bytes=policy.response_bytes,
        tls=tls,
    )
