"""The ways out that a policy asks for, made and ready."""

import ssl
from collections.abc import Callable, Iterable

from mmindustry.clock import Clock
from mmindustry.notify.alert import Body
from mmindustry.notify.alertmanager import AlertmanagerNotifier
from mmindustry.notify.policy import NotifyPolicy
from mmindustry.notify.topic import TYPES, TopicNotifier
from mmindustry.notify.transport import Reach, Transport
from mmindustry.notify.webhook import WebhookNotifier
from mmindustry.ports import Notifier, Publisher


def make_notifiers(
    policy: NotifyPolicy,
    clock: Clock,
    *,
    active: Callable[[], Iterable[Body]],
    publisher: Publisher | None = None,
) -> dict[str, Notifier]:
    """Return channel -> its way out, for all that the policy sets.

    Args:
        policy: Where to, and the limits.
        clock: Of the notifier's host.
        active: Gives the bodies of alarms that stand, from the record.
        publisher: Into the stream, for the topics; None = they have no way out here.

    Raises:
        FileNotFoundError: `ca_file` is not there.
    """
    tls = ssl.create_default_context()
    if policy.ca_file:
        tls.load_verify_locations(policy.ca_file)
    found: dict[str, Notifier] = {}
    if policy.alertmanagers:
        # Set by the plant's own engineers and mostly inside the plant: no address is off limits.
        transport = _transport(policy, clock, Reach(trusted=True), tls)
        found["alertmanager"] = AlertmanagerNotifier(policy, transport, clock, active)
    if policy.webhooks:
        transport = _transport(policy, clock, Reach(allow_cidrs=policy.allow_cidrs), tls)
        found["webhook"] = WebhookNotifier(policy, transport, clock)
    if publisher is not None:
        found |= {topic: TopicNotifier(topic, publisher) for topic in TYPES}
    return found


def _transport(policy: NotifyPolicy, clock: Clock, reach: Reach, tls: ssl.SSLContext) -> Transport:
    return Transport(
        clock=clock,
        reach=reach,
        timeout_seconds=policy.timeout_seconds,
        response_bytes=policy.response_bytes,
        tls=tls,
    )
