"""One leg of an open trade by hand: shifted, exited or added, and never a naked short on the way."""

import pytest

from allocations.risk import ScopeTerms
from allocations.services import set_scope_limit
from execution import services
from execution.engine import adjust, adjusting, exposures
from execution.engine.account_view import AccountView
from execution.engine.adjusting import Asked
from execution.models import Order
from market.kernel.contracts import parse
from tests.factories import make_run
from tests.integration.execution.conftest import one_strategy
from users.errors import Refused


@pytest.fixture
def condor(desk_of):
    """(desk, pair) with an iron condor of two lots: 23700/23900 puts, 24500/24700 calls or so."""
    limits = {"max_open_positions": 5}
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=2, **limits))
    desk.at(9, 20)
    return desk, desk.pair("Iron Condor", "zerodha")


def contracts(desk, pair):
    """(bought call, sold call, bought put, sold put)."""
    held = desk.held(pair)
    return [
        next(s for s, units in held.items() if s.endswith(kind) and (units > 0) == bought)
        for kind in ("CE", "PE")
        for bought in (True, False)
    ]


def moved(symbol: str, points: int) -> str:
    underlying, expiry, strike, kind = symbol.split("-")
    return f"{underlying}-{expiry}-{int(strike) + points}-{kind}"


def ask(desk, pair, *, at, **asked):
    """The change judged, written and played."""
    seen = desk.player._desk(desk.player.last)
    pair.refresh_from_db()
    change = adjusting.change_of(pair, Asked(**asked), seen)
    stop = adjusting.why_not(pair, change, AccountView([pair], seen), funds=True)
    if stop is not None:
        return stop.code
    owner = pair.broker_account.user
    run = services.adjust(
        user=owner, allocation=pair, plan=adjust.plan_of(change), lots=change.trade_lots, at=seen.now,
        by=owner, source="test", now=desk.player.wall,
    )  # fmt: skip
    for moment in at:
        desk.at(*moment)
    run.refresh_from_db()
    return (run.status, run.code)


SOON = [(9, 25), (9, 25, 10)]


def filled(run_of_pair):
    rows = Order.objects.filter(execution__phase="adjust", allocation=run_of_pair, status="FILLED")
    return [(o.action, o.side, o.quantity) for o in rows.order_by("finished_at", "pk")]


def test_a_short_is_bought_back_and_only_then_sold_further_away(condor):
    desk, pair = condor
    _, short, *_ = contracts(desk, pair)

    result = ask(desk, pair, act="shift", contract=short, steps=2, at=SOON)

    assert result == ("done", "")
    assert filled(pair) == [("close", "BUY", 130), ("open", "SELL", 130)]
    assert desk.held(pair)[moved(short, 100)] == -130
    assert short not in desk.held(pair)


def test_a_hedge_is_replaced_before_it_is_sold(condor):
    desk, pair = condor
    hedge, *_ = contracts(desk, pair)

    result = ask(desk, pair, act="shift", contract=hedge, steps=1, at=SOON)

    assert result == ("done", "")
    assert filled(pair) == [("open", "BUY", 130), ("close", "SELL", 130)]
    assert desk.held(pair)[moved(hedge, 50)] == 130


def test_a_hedge_that_a_short_leans_on_is_not_sold(condor):
    desk, pair = condor
    hedge, *_ = contracts(desk, pair)
    before = desk.held(pair)

    assert ask(desk, pair, act="exit", contract=hedge, at=SOON) == "UNDECLARED_NAKED"
    assert desk.held(pair) == before


def test_a_short_alone_is_bought_back_and_then_its_hedge_may_go(condor):
    desk, pair = condor
    hedge, short, *_ = contracts(desk, pair)

    assert ask(desk, pair, act="exit", contract=short, at=SOON) == ("done", "")
    assert ask(desk, pair, act="exit", contract=hedge, at=[(9, 26), (9, 26, 10)]) == ("done", "")
    assert sorted(desk.held(pair).values()) == [-130, 130]


def test_a_leg_is_added_within_the_limits_of_an_entry(condor):
    desk, pair = condor
    hedge, *_ = contracts(desk, pair)
    new = moved(hedge, 100)

    refused = [
        ask(desk, pair, act="add", contract=contract, side=side, lots=lots, at=[])
        for contract, side, lots in ((new, "SELL", 1), (new, "BUY", 3), (hedge, "BUY", 2))
    ]
    assert refused == ["UNDECLARED_NAKED", "LOTS_ABOVE_LIMIT", "LEGS_MEET"]
    assert len(desk.held(pair)) == 4
    assert ask(desk, pair, act="add", contract=new, side="BUY", lots=2, at=SOON) == ("done", "")
    assert desk.held(pair)[new] == 130


def test_a_put_leg_moves_into_the_next_expiry_under_a_hedge_of_the_same(condor):
    """A short of next week is not covered by a put of this week."""
    desk, pair = condor
    *_, hedge, short = contracts(desk, pair)

    assert ask(desk, pair, act="shift", contract=short, next_expiry=True, at=SOON) == "UNDECLARED_NAKED"
    assert ask(desk, pair, act="shift", contract=hedge, next_expiry=True, at=SOON) == ("done", "")
    assert hedge.replace("20260804", "20260811") in desk.held(pair)


def test_a_paused_pair_may_exit_a_leg_and_open_none(condor):
    desk, pair = condor
    hedge, short, *_ = contracts(desk, pair)
    owner = pair.broker_account.user
    services.pause(user=owner, scope="pair", target=pair.pk, by=owner, source="test", now=desk.player.wall)

    assert ask(desk, pair, act="shift", contract=short, steps=1, at=SOON) == "REDUCING"
    assert ask(desk, pair, act="exit", contract=short, at=SOON) == ("done", "")


def test_a_new_leg_that_does_not_fill_in_time_leaves_the_old_hedge(condor):
    desk, pair = condor
    hedge, *_ = contracts(desk, pair)

    def no_asks(quotes):
        return {s: q._replace(ask_quantity=0) for s, q in quotes.items()}

    seen = desk.player._desk(desk.player.last)
    pair.refresh_from_db()
    change = adjusting.change_of(pair, Asked(act="shift", contract=hedge, steps=1), seen)
    owner = pair.broker_account.user
    run = services.adjust(
        user=owner, allocation=pair, plan=adjust.plan_of(change), lots=change.trade_lots, at=seen.now,
        by=owner, source="test", now=desk.player.wall,
    )  # fmt: skip
    desk.at(9, 25, change=no_asks)
    desk.at(9, 26, change=no_asks)
    desk.at(9, 27, change=no_asks)

    run.refresh_from_db()
    assert (run.status, run.code) == ("failed", "TIMED_OUT")
    assert desk.held(pair)[hedge] == 130


def test_what_cannot_be_meant_is_refused_at_its_field(condor):
    desk, pair = condor

    for asked in (
        {"act": "exit", "contract": "NIFTY-20260804-20000-CE"},
        {"act": "add", "contract": "BANKNIFTY-20260825-55000-CE", "side": "BUY", "lots": 1},
        {"act": "add", "contract": "NIFTY", "side": "BUY", "lots": 1},
    ):
        with pytest.raises(Refused) as refusal:
            ask(desk, pair, at=[], **asked)
        assert refusal.value.field == "contract"


def test_a_second_change_waits_for_the_first(condor):
    desk, pair = condor
    _, short, *_ = contracts(desk, pair)
    assert ask(desk, pair, act="shift", contract=short, steps=1, at=[]) == ("due", "")

    with pytest.raises(Refused, match="being entered"):
        ask(desk, pair, act="exit", contract=short, at=[])


class Busy:
    """The account's wire; while the broker says what is free, another change begins that opens `rival`."""

    def __init__(self, wire, begin):
        self._wire, self._begin = wire, begin

    def __getattr__(self, name):
        return getattr(self._wire, name)

    def funds(self):
        self._begin()
        return self._wire.funds()


def test_changes_under_way_count_in_shared_limits_also_when_they_begin_at_the_same_moment(condor):
    desk, pair = condor
    hedge, *_ = contracts(desk, pair)
    new, rival, owner = moved(hedge, 100), moved(hedge, 200), pair.broker_account.user
    set_scope_limit(user=owner, scope="user", target=None, terms=ScopeTerms(max_open_positions=5),
                    source="test", now=desk.player.wall)  # fmt: skip

    def begin():
        plan = {"close": None, "closes_first": True, "lots": 2,
                "legs": [{"leg": 9, "side": "BUY", "ratio": 1, "symbol": rival, "reference": "10"}]}  # fmt: skip
        make_run(pair, desk.player.timeline, phase="adjust", cycle=9, status="running", plan=plan, lots=2)

    account = pair.broker_account
    seen = desk.player._desk(desk.player.last)
    change = adjusting.change_of(pair, Asked(act="add", contract=new, side="BUY", lots=2), seen)
    run = services.adjust(user=owner, allocation=pair, plan=adjust.plan_of(change), lots=2, at=seen.now,
                          by=owner, source="test", now=desk.player.wall)  # fmt: skip
    desk.player._adapters[account.pk] = Busy(desk.player.adapter(account), begin)

    assert adjust.start(run.pk, desk.player._desk(desk.player.last)) == []

    run.refresh_from_db()
    assert (run.status, run.code) == ("denied", "TOO_MANY_POSITIONS")
    assert run.detail.startswith("everything you run: 6 open positions of at most 5.")
    books = exposures.books_of_user(owner.pk, seen)
    assert (books[pair.pk].units[parse(rival)], books[pair.pk].lots) == (130, 2)
