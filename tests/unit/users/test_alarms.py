"""Who is alarmed of what, when it is tried again, how it is signed, and where nothing is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import new

import pytest
from hypothesis import given
from hypothesis import strategies as st

from users import alarms

NOW = datetime(2026, 8, 4, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lowest", "topics", "severity", "kind", "taken"),
    [
        ("warning", [], "warning", "limit", True),
        ("warning", [], "info", "limit", False),
        ("critical", [], "warning", "limit", False),
        ("critical", [], "critical", "unknown_order", True),
        ("warning", ["limit"], "critical", "unknown_order", False),
        ("warning", ["limit", "dead_feed"], "critical", "dead_feed", True),
        ("warning", ["missed"], "warning", "execution_missed", True),
        ("warning", ["other"], "warning", "late_close", True),
    ],
)
def test_a_channel_takes_what_is_bad_enough_and_of_its_topics(lowest, topics, severity, kind, taken):
    assert alarms.wants(lowest=lowest, topics=topics, severity=severity, kind=kind) is taken


def test_the_waits_grow_and_end():
    waits = [alarms.next_try(n, NOW) for n in range(1, 9)]

    assert waits[0] == NOW + timedelta(seconds=10)
    assert waits[6] == NOW + timedelta(hours=3)
    assert waits[7] is None
    assert all(a < b for a, b in zip(waits[:6], waits[1:7], strict=True))


@given(st.text(min_size=1), st.integers(0, 2**40), st.binary())
def test_a_signature_is_the_hmac_over_timestamp_dot_body(secret, timestamp, body):
    expected = new(secret.encode(), str(timestamp).encode() + b"." + body, sha256).hexdigest()

    assert alarms.signature(secret, timestamp, body) == expected


PUBLIC, URL = "93.184.216.34", "https://pager.example.com/desk"


@pytest.mark.parametrize(
    ("url", "addresses", "why"),
    [
        (URL, [PUBLIC], ""),
        (URL, [PUBLIC, "2606:2800:220:1::1"], ""),
        (URL, [], "Its host has no address."),
        (URL, [PUBLIC, "10.0.0.1"], "Its host is not a public address."),
        *((URL, [inside], "Its host is not a public address.") for inside in (
            "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",  # noqa: S104 - an address that is refused
            "224.0.0.1", "::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1",
            "2002:7f00:1::", "2001:0:1::1",
        )),
        ("http://pager.example.com/", [PUBLIC], "It must be https."),
        ("ftp://pager.example.com/", [PUBLIC], "It must be https://host/path, without a user name."),
        ("https://me:pw@pager.example.com/", [PUBLIC], "It must be https://host/path, without a user name."),
    ],
)  # fmt: skip
def test_nothing_is_sent_but_to_public_https_addresses(url, addresses, why):
    assert alarms.refusal(url, addresses, allow_loopback=False) == why


def test_loopback_is_taken_only_where_it_is_allowed_and_never_mixed_with_other_addresses():
    assert alarms.refusal("http://127.0.0.1:9/x", ["127.0.0.1"], allow_loopback=True) == ""
    assert alarms.refusal("http://127.0.0.1:9/x", ["127.0.0.1"], allow_loopback=False) == "It must be https."
    assert alarms.refusal(URL, ["127.0.0.1", "10.0.0.1"], allow_loopback=True) == "Its host is not a public address."


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://pager.example.com/desk?key=1", True), ("https://93.184.216.34/x", True),
        ("http://pager.example.com/", False), ("https://10.0.0.1/", False), ("https://[::1]/", False),
        ("pager.example.com", False), ("https://", False), ("https://host:99999/", False),
        ("https://[broken/", False), ("https://me@host/", False), ("http://localhost/", False),
    ],
)  # fmt: skip
def test_an_address_is_judged_by_its_text_before_it_is_kept(url, good):
    assert (alarms.bad_form(url, allow_loopback=False) == "") is good


@given(st.text())
def test_no_text_breaks_the_judgement(text):
    assert isinstance(alarms.bad_form(text, allow_loopback=True), str)
