"""Limits above the pair, delta and vega, and a day's loss that closes what is open."""

from dataclasses import replace
from decimal import Decimal

import pytest

from allocations.models import ScopeLimit
from allocations.risk import ScopeTerms
from allocations.selectors import terms_of
from allocations.services import set_allocation, set_scope_limit
from users.models import Notice, User


def limit(desk, scope, target=None, **terms) -> ScopeLimit:
    owner = User.objects.get(email="headless@example.com")
    return set_scope_limit(
        user=owner, scope=scope, target=target, terms=ScopeTerms(**terms), source="test",
        now=desk.player.wall,
    )  # fmt: skip


def test_pairs_of_an_account_share_its_lots_and_the_account_is_named(desk):
    condor, call = desk.pair("Iron Condor", "zerodha"), desk.pair("Covered Call", "zerodha")
    limit(desk, "account", condor.broker_account, max_lots=6)

    desk.at(9, 20)

    runs = sorted((desk.run(pair) for pair in (condor, call)), key=lambda run: run.status)
    assert [(run.status, run.code) for run in runs] == [("denied", "LOTS_ABOVE_LIMIT"), ("done", "")]
    assert runs[0].detail == (
        "account Zerodha: 7 lots of at most 6. Close open lots, enter fewer, or raise max_lots."
    )
    assert desk.run(desk.pair("Iron Condor", "angelone")).status == "done"


def test_the_tightest_of_basket_account_and_user_is_named(desk):
    pair = desk.pair("Covered Call", "zerodha")
    limit(desk, "user", max_margin=Decimal(2000))
    limit(desk, "account", pair.broker_account, max_margin=Decimal(1000000))
    limit(desk, "basket", pair.strategy.basket, max_margin=Decimal(1000))

    desk.at(9, 20)

    run = desk.run(pair)
    assert (run.status, run.code) == ("denied", "MARGIN_ABOVE_LIMIT")
    assert run.detail.startswith("basket Conservative Income Strategies: margin ")
    assert "rupees of at most 1,000." in run.detail


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("max_delta", "DELTA_ABOVE_LIMIT", "rupees a point of at most 1"),
        ("max_vega", "VEGA_ABOVE_LIMIT", "rupees a vol point of at most 1"),
    ],
)
def test_a_pair_beyond_its_delta_or_vega_is_denied_with_the_unit(desk, name, code, words):
    pair = desk.change_pair(desk.pair("Covered Call", "zerodha"), **{name: Decimal(1)})

    desk.at(9, 20)

    assert (desk.run(pair).status, desk.run(pair).code) == ("denied", code)
    assert words in desk.run(pair).detail
    assert desk.run(pair).detail.startswith("pair Covered Call on Zerodha: ")


def test_an_entry_waits_while_an_option_has_no_vol_and_goes_when_it_has(desk):
    pair = desk.change_pair(desk.pair("Iron Condor", "zerodha"), max_delta=Decimal(10**6))
    absurd = Decimal(100000)

    def dear_calls(quotes):
        """Above the forward no vol explains an out-of-the-money call's price."""
        far = {s for s in quotes if s.startswith("NIFTY-") and s.endswith("CE")}
        return {s: q._replace(bid=absurd, ask=absurd, ltp=absurd) if s in far else q for s, q in quotes.items()}

    desk.at(9, 20, change=dear_calls)
    waiting = desk.run(pair)
    desk.at(9, 20, 30)

    assert waiting.status == "due"
    assert waiting.detail.startswith("GREEKS_UNKNOWN: pair Iron Condor on Zerodha: delta and vega are not known.")
    assert desk.run(pair).status == "done"


def test_a_reached_day_loss_of_an_account_closes_its_pairs_where_asked_and_denies_entries(desk):
    condor, other = desk.pair("Iron Condor", "zerodha"), desk.pair("Iron Condor", "angelone")
    desk.at(9, 20)
    desk.at(9, 21)
    assert len(desk.held(condor)) == 4
    limit(desk, "account", condor.broker_account, max_day_loss=Decimal(1), square_off_at_loss=True)
    limit(desk, "account", other.broker_account, max_day_loss=Decimal(1))

    desk.at(9, 22)
    desk.at(9, 23)

    assert desk.run(condor, "exit").cause == "day_loss"
    assert desk.held(condor) == {}
    assert len(desk.held(other)) == 4
    told = dict(Notice.objects.filter(kind="limit").values_list("title", "body"))
    assert set(told) == {"Day loss reached: account Zerodha", "Day loss reached: account Angel One"}
    assert "is being closed" in told["Day loss reached: account Zerodha"]
    assert "stays" in told["Day loss reached: account Angel One"]


def test_a_looser_limit_waits_for_the_next_trading_days_first_frame(desk):
    pair = desk.pair("Iron Condor", "zerodha")
    desk.at(9, 20)
    pair.refresh_from_db()
    owner = pair.broker_account.user
    wanted = replace(terms_of(pair), lots=3, max_lots=3, max_day_loss=Decimal(9000))

    set_allocation(user=owner, allocation=pair, terms=wanted, source="test", now=desk.player.wall)
    pair.refresh_from_db()
    assert (pair.lots, pair.max_lots, pair.max_day_loss) == (2, 2, Decimal(9000))
    desk.at(9, 25)
    pair.refresh_from_db()
    assert (pair.lots, pair.max_lots) == (2, 2)
    desk.player.last = None
    desk.day = desk.day.replace(day=desk.day.day + 1)
    desk.market = type(desk.market)(14, desk.day)
    desk.at(9, 15)

    pair.refresh_from_db()
    assert (pair.lots, pair.max_lots, pair.pending.count()) == (3, 3, 0)
