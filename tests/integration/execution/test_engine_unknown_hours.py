"""A day that trades at hours which nobody has told the desk: closed until they are imported, and said so."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import date, time

from django.utils import timezone

from execution import hours, services
from execution.models import Order, StrategyExecution
from market import quotes
from market.catalogue import surface
from market.facts import tables
from market.facts.values import SpecialSession
from market.kernel.clock import at
from strategies.models import StrategyVersion
from strategies.selectors import house
from tests.factories import make_operator
from tests.integration.execution.conftest import one_strategy
from users.models import Notice

FRIDAY, MUHURAT = date(2026, 11, 6), date(2026, 11, 8)


def on_muhurat(desk, hour, minute):
    """Friday's prices, quoted at this instant of the Sunday."""
    now = at(MUHURAT, time(hour, minute))
    friday = desk.market.frame_at(at(FRIDAY, time(10, 0)), timeline=desk.player.timeline.key, n=1, cadence=60)
    desk.n += 1
    fresh = {symbol: quote._replace(at=now) for symbol, quote in friday.quotes.items()}
    desk.player.push(replace(friday, now=now, n=desk.n, quotes=fresh))
    return now


@contextmanager
def hours_imported():
    """As after import_facts: the evening's hour is in force."""
    known = tables.in_force()
    evening = SpecialSession("muhurat", ((time(18, 0), time(19, 0)),))
    specials = known.specials | {(exchange, MUHURAT): evening for exchange in tables.EXCHANGES}
    tables.install(replace(known, specials=specials))
    try:
        yield
    finally:
        tables.install(known)


def act(pair):
    return {"by": pair.broker_account.user, "source": "test", "now": timezone.now()}


def enter(pair, now):
    version = StrategyVersion.objects.get(strategy=pair.strategy)
    return services.enter_now(user=pair.broker_account.user, entries=[(pair, version)], at=now, **act(pair))[0]


def test_an_entry_is_missed_with_a_fix_until_the_hours_are_imported_and_then_goes_the_same_day(desk_of):
    desk = desk_of(one_strategy("Cash Secured Put", broker="finvasia", lots=1), day=FRIDAY)
    pair = desk.pair("Cash Secured Put", "finvasia")
    desk.at(9, 15)
    first = enter(pair, on_muhurat(desk, 18, 5))
    on_muhurat(desk, 18, 6)

    first.refresh_from_db()
    assert (first.status, first.code) == ("missed", "HOURS_UNKNOWN")
    assert "special_sessions" in first.detail
    assert not Order.objects.exists()

    with hours_imported():
        second = enter(pair, on_muhurat(desk, 18, 7))
        on_muhurat(desk, 18, 7)
        on_muhurat(desk, 18, 8)
        second.refresh_from_db()
        assert (second.status, second.code) == ("done", "")


def test_an_exit_waits_for_the_hours_and_every_tick_until_then_passes(desk_of):
    desk = desk_of(one_strategy("Covered Call", broker="zerodha", lots=1), day=FRIDAY)
    pair = desk.pair("Covered Call", "zerodha")
    desk.at(9, 20)
    on_muhurat(desk, 9, 0)
    services.exit_now(user=pair.broker_account.user, scope="pair", target=pair.pk, **act(pair))
    on_muhurat(desk, 18, 5)
    on_muhurat(desk, 18, 6)

    exits = StrategyExecution.objects.filter(phase="exit", cause="user")
    assert exits.get().status == "due"
    with hours_imported():
        on_muhurat(desk, 18, 7)
        on_muhurat(desk, 18, 8)
        assert exits.get().status == "done"
        assert desk.held(pair) == {}


def test_operators_are_told_once_of_an_exchange_whose_hours_are_missing(desk_of):
    operator = make_operator()
    desk = desk_of(one_strategy("Cash Secured Put", broker="finvasia", lots=1), day=FRIDAY)
    desk.at(9, 15)
    on_muhurat(desk, 18, 5)
    now = desk.player._desk(desk.player.last)
    for key in quotes.connection().scan_iter("hours:told:*"):
        quotes.connection().delete(key)

    with hours_imported():
        hours.tell_unknown(now)
    assert not Notice.objects.filter(kind="hours_unknown").exists()
    hours.tell_unknown(now)
    hours.tell_unknown(now)

    told = Notice.objects.filter(user=operator, kind="hours_unknown").order_by("title")
    assert [notice.title for notice in told] == [
        "The hours of BSE on 08 Nov 2026 are not known", "The hours of NSE on 08 Nov 2026 are not known",
    ]  # fmt: skip
    assert "import_facts" in told[0].body


def test_the_chain_and_the_strategy_form_work_on_such_a_day(desk_of):
    desk = desk_of(one_strategy("Cash Secured Put", broker="finvasia", lots=1), day=FRIDAY)
    desk.at(9, 15)
    now = on_muhurat(desk, 18, 5)
    frame = replace(desk.player.last, forwards={("NIFTY", MUHURAT): next(iter(desk.player.last.forwards.values()))})

    assert surface.divergence(frame, "NIFTY").spot_is_live is False
    assert (house("NIFTY", now=now).open, house("NIFTY", now=now).close) == (time(9, 15), time(15, 40))
