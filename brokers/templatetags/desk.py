"""The frame around every page: paper or live, the market, the feed's age, broker dots, notices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis
from django import template
from django.conf import settings
from django.utils.safestring import SafeString, mark_safe

from brokers import selectors as brokers
from market import selectors as market
from market.kernel import calendar
from market.kernel.clock import ist_day
from market.models import Timeline
from market.quotes import connection
from users import selectors as users
from users.models import User
from users.templatetags.money import ist_minute, until

register = template.Library()

HEARTBEAT_SECONDS = 10  # a heartbeat's life in Valkey
FEED_IS_AGING = 3


@dataclass(frozen=True, slots=True)
class Link:
    name: str
    href: str
    key: str = ""
    tab: bool = False
    rule: bool = False


LINKS = (
    Link("Desk", "/", "p", tab=True),
    Link("Baskets", "/baskets", "b", tab=True),
    Link("Executions", "/executions", "x", tab=True),
    Link("Risk", "/risk", "r", tab=True),
    Link("Orders", "/orders", "o"),
    Link("Performance", "/performance", "f", rule=True),
    Link("Option chain", "/market"),
    Link("Marketplace", "/marketplace", "m", rule=True),
    Link("Broker accounts", "/accounts-broker"),
    Link("Notices", "/notices"),
    Link("Settings", "/settings"),
)


@register.simple_tag(takes_context=True)
def current(context: template.Context, href: str) -> SafeString:
    """aria-current on the link of the page that is shown."""
    path = context["request"].path if "request" in context else ""
    here = path == href or (href != "/" and path.startswith(f"{href}/"))
    return mark_safe('aria-current="page"' if here else "")  # noqa: S308 - a constant


@register.simple_tag
def desk_links() -> tuple[Link, ...]:
    """The pages, in the order of the rail."""
    return LINKS


@register.inclusion_tag("parts/frame.html", takes_context=True)
def desk_frame(context: template.Context) -> dict[str, Any]:
    """What the bar above every page says."""
    user, timeline = context["user"], _timeline()
    accounts = list(brokers.accounts_of(user).filter(archived_at=None).order_by("id"))
    live = timeline is not None and timeline.source == Timeline.Source.LIVE
    beats = _heartbeats()
    return {
        "mode": "LIVE" if live else "PAPER",
        "mode_meaning": "Orders reach brokers and cost money"
        if live
        else "No order leaves the simulator",
        "market": _market(timeline),
        "feed": _feed(beats["market"]),
        "accounts": [_dot(account, beats["streams"]) for account in accounts],
        "unread": _unread(user),
    }


def _timeline() -> Timeline | None:
    try:
        return market.active_timeline()
    except Timeline.DoesNotExist:
        return None


def _market(timeline: Timeline | None) -> dict[str, Any]:
    if timeline is None or timeline.market_now is None:
        return {"state": "NOT STARTED", "change": "", "now": None, "speed": 1}
    now = timeline.market_now
    state, change = _session(now)
    return {"state": state, "change": change, "now": now, "speed": timeline.speed}


def _session(now: datetime) -> tuple[str, str]:
    try:
        session = calendar.session("NSE", ist_day(now))
        if session is not None and session.is_open(now):
            return "OPEN", f"closes {ist_minute(session.close)}, {until(session.close, now)}"
        if session is not None and now < session.open:
            return "CLOSED", f"opens {ist_minute(session.open)}"
        following = calendar.next_trading_day("NSE", ist_day(now))
    except calendar.OutsideCoverage:
        return "UNKNOWN", "the calendar does not cover this day"
    return "CLOSED", f"opens {following:%a} {following.day} {following:%b}"


def _heartbeats() -> dict[str, float | None]:
    """Seconds since each process last said that it lives; None when it does not."""
    names = ("market", "streams")
    try:
        pipe = connection().pipeline(transaction=False)
        for name in names:
            pipe.pttl(f"heartbeat:{name}")
        found = pipe.execute()
    except redis.RedisError:
        return dict.fromkeys(names)
    return {name: _age(left) for name, left in zip(names, found, strict=True)}


def _age(left: int) -> float | None:
    """From the milliseconds that a heartbeat has left of its life."""
    return None if left < 0 else max(0.0, HEARTBEAT_SECONDS - left / 1000)


def _feed(age: float | None) -> dict[str, str]:
    if age is None:
        return {"state": "stale", "words": "Feed stopped"}
    state = "aging" if age >= FEED_IS_AGING else "fresh"
    return {"state": state, "words": f"Feed {age:.0f} s ago" if age >= 1 else "Feed live"}


def _dot(account: Any, streams_age: float | None) -> dict[str, str]:
    named = {"name": account.get_broker_display()}
    if account.mode == "paper" and not settings.PLATFORM.enable_paper_trading:
        return {**named, "dot": "bad", "words": "paper trading is switched off"}
    if streams_age is None:
        return {**named, "dot": "warn", "words": "order updates come by polling only"}
    return {**named, "dot": "ok", "words": "connected"}


def _unread(user: User) -> int:
    return users.notices_of(user).filter(read_at=None).count()
