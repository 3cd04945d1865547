"""What an alarm is about, when it is tried again, how it is signed, where it may go. No Django here."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

#: topic: (words, the kinds of notices that belong to it)
TOPICS: dict[str, tuple[str, frozenset[str]]] = {
    "unknown_order": ("An order without an answer", frozenset({"unknown_order"})),
    "mismatch": ("Our books and the broker's differ", frozenset({"mismatch", "external", "overfill"})),
    "limit": ("A limit is reached", frozenset({"limit"})),
    "missed": (
        "An entry or exit was missed, denied or failed",
        frozenset({"execution_missed", "execution_denied", "execution_failed", "execution_partial"}),
    ),
    "dead_feed": ("Prices stopped coming", frozenset({"dead_feed", "unjudged"})),
    "dead_process": ("A process died", frozenset({"dead_process"})),
    "other": ("Anything else", frozenset()),
}
SEVERITIES = ("warning", "critical")
#: Between one attempt and the next; after the last it is given up.
WAITS = tuple(timedelta(seconds=s) for s in (10, 30, 120, 600, 1800, 3600, 10800))
#: Addresses that lead elsewhere than they say.
TUNNELS = tuple(ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))


def topic_of(kind: str) -> str:
    """The topic of a notice's kind; "other" for one that has none of its own."""
    return next((topic for topic, (_, kinds) in TOPICS.items() if kind in kinds), "other")


def wants(*, lowest: str, topics: Iterable[str], severity: str, kind: str) -> bool:
    """Whether a channel with this choice takes a notice; no topics chosen means all of them."""
    if severity not in SEVERITIES or SEVERITIES.index(severity) < SEVERITIES.index(lowest):
        return False
    chosen = set(topics)
    return not chosen or topic_of(kind) in chosen


def next_try(attempts: int, now: datetime) -> datetime | None:
    """When to try again after so many failed attempts; None: given up."""
    return now + WAITS[attempts - 1] if attempts <= len(WAITS) else None


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """HMAC-SHA256 over "timestamp.body", as hexadecimal digits."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, sha256).hexdigest()


def bad_form(url: str, *, allow_loopback: bool) -> str:
    """Why this can be no webhook's address, as far as its text alone says; "" when it may be one."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "It is no address."
    if is_address(host):
        return refusal(url, [host], allow_loopback=allow_loopback)
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        return "It must be https://host/path, without a user name."
    here = allow_loopback and host == "localhost"
    return "" if parts.scheme == "https" or here else "It must be https."


def is_address(host: str) -> bool:
    """Whether the host is an IP address and not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def refusal(url: str, addresses: Iterable[str], *, allow_loopback: bool) -> str:
    """Why nothing may be sent to this URL, whose host has these addresses; "" when it may.

    Every address must be a public one: a name may have several. Loopback, and http to it, only
    where that is allowed.
    """
    parts = urlsplit(url)
    found = [ip_address(address) for address in addresses]
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        return "It must be https://host/path, without a user name."
    if not found:
        return "Its host has no address."
    loopback = all(_plain(address).is_loopback for address in found)
    if loopback and allow_loopback:
        return ""
    if parts.scheme != "https":
        return "It must be https."
    if not all(_is_public(address) for address in found):
        return "Its host is not a public address."
    return ""


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    plain = _plain(address)
    tunnelled = any(plain in net for net in TUNNELS if net.version == plain.version)
    return plain.is_global and not plain.is_multicast and not tunnelled


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address that is written as an IPv6 one, as what it is."""
    return getattr(address, "ipv4_mapped", None) or address
