"""Where alarms go, how often they are repeated, and what a destination may cost."""

from dataclasses import dataclass, field
from ipaddress import ip_network
from urllib.parse import urlsplit

_RESEND_RANGE = (5.0, 300.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTarget:
    """One receiver of alarms by HTTP POST, set here and nowhere else."""

    name: str
    """What logs call it."""
    url: str
    """Absolute; `https`, or `http` where `allow_http` says so. No user name, no redirect."""
    allow_http: bool = False
    """Whether the body may travel in clear text."""
    secret: str = field(default="", repr=False)
    """Signs each body: header `X-Mmindustry-Signature: sha256=<HMAC-SHA256>`; empty = unsigned."""

    def __post_init__(self) -> None:
        """Refuse a URL that can't be used, before anything is sent."""
        allowed = ("http", "https") if self.allow_http else ("https",)
        check_url(self.url, allowed, f"webhooks.{self.name}.url")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyPolicy:
    """How the notifier tells people."""

    external_url: str = "http://127.0.0.1:8080"
    """Where people reach the dashboard; links in notifications begin with it. Absolute."""
    runbook_url: str = ""
    """Base of the plant's runbooks; the fault is appended. Empty = no runbook link."""
    alertmanagers: tuple[str, ...] = ()
    """Base URL of each Alertmanager instance; alarms go to all, never to a load balancer."""
    resend_seconds: float = 30.0
    """How often active alarms are told Alertmanager again; 5..300. An alarm resolves itself there
    after four times this without news."""
    resolved_seconds: float = 300.0
    """How long a resolved alarm is repeated; 0..3600."""
    least_firing_seconds: float = 60.0
    """Shortest time an alarm fires in Alertmanager, so that none slips through its group wait;
    0..600."""
    webhooks: tuple[WebhookTarget, ...] = ()
    """Receivers of alarm changes; their names differ."""
    allow_cidrs: tuple[str, ...] = ()
    """Networks beyond the public internet that webhooks may reach, such as `10.20.0.0/16`."""
    ca_file: str = ""
    """PEM file of authorities to trust besides the system's, for https inside the plant."""
    timeout_seconds: float = 5.0
    """Longest one request may take from name look-up to answer; 0.1..60."""
    response_bytes: int = 65_536
    """Most bytes read of an answer; 1 KiB..1 MiB."""
    page_within_seconds: float = 3_600.0
    """An alarm whose event time is older than this when it is found is shown, not paged; above 0.
    """
    poll_seconds: float = 1.0
    """Pause between looks into an empty outbox; 0.05..60."""
    batch: int = 100
    """Most rows taken from the outbox at once; 1..1000."""

    def __post_init__(self) -> None:
        """Refuse what can't work, naming the key."""
        check_url(self.external_url, ("http", "https"), "external_url")
        if self.runbook_url:
            check_url(self.runbook_url, ("http", "https"), "runbook_url")
        for number, url in enumerate(self.alertmanagers):
            check_url(url, ("http", "https"), f"alertmanagers[{number}]")
        if len({target.name for target in self.webhooks}) < len(self.webhooks):
            raise ValueError("webhooks: two have the same name")
        for cidr in self.allow_cidrs:
            ip_network(cidr)
        for name, low, high in (
            ("resend_seconds", *_RESEND_RANGE),
            ("resolved_seconds", 0, 3600),
            ("least_firing_seconds", 0, 600),
            ("timeout_seconds", 0.1, 60),
            ("response_bytes", 1024, 1_048_576),
            ("page_within_seconds", 1, 1e9),
            ("poll_seconds", 0.05, 60),
            ("batch", 1, 1000),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be in {low}..{high}, got {getattr(self, name)}")


def check_url(url: str, schemes: tuple[str, ...], name: str) -> None:
    """Refuse a URL that is not absolute, of another scheme, or carries a user name.

    Raises:
        ValueError: It says which part of which URL is wrong.
    """
    parts = urlsplit(url)
    if parts.scheme not in schemes:
        raise ValueError(f"{name} must begin with {' or '.join(schemes)}://")
    if not parts.hostname:
        raise ValueError(f"{name} names no host")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{name} must not carry a user name or password")
    if not url.isascii():
        raise ValueError(f"{name} must be ASCII: write names in punycode, paths percent-encoded")
    if any(c.isspace() or ord(c) < 0x20 for c in url):
        raise ValueError(f"{name} holds a blank or control character")
    _ = parts.port  # raises ValueError where it is no port
