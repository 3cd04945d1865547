"""What a position is worth, to the paisa, and what is said when that is not known."""

import time
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.live import rows
from execution.live.account_margins import AccountMargins
from execution.live.lines import Past, Scope, build
from execution.live.valuation import revalue, totals
from market.kernel import calendar, pricing
from tests.unit.execution.live.worlds import CALL, EXPIRY, FUTURE, NOW, PUT, frame, line, quote

QUOTED = {CALL: quote("70.90", "71.20", "71.00"), PUT: quote("55.00", "55.30", "55.10")}


def row_of(position, quotes=QUOTED, *, last=None, silent=False, **world):
    book = build([position])
    values = revalue(book, frame(quotes, **world), last)
    return rows.positions(book, values, silent=silent)["1", "positions"][f"p{position.id}"]


def total_of(book, values, key="all"):
    return rows.summary(book, totals(book, values), {})["1", "summary"][key]


def test_a_short_is_marked_at_the_ask_and_a_long_at_the_bid():
    short, long = row_of(line(CALL, -130)), row_of(line(PUT, 65, average="50.25"))

    assert (short["mark"], short["pnl"]) == ("71.20", "3744.00")  # 130 x (100 - 71.20)
    assert (long["mark"], long["pnl"]) == ("55.00", "308.75")  # 65 x (55 - 50.25)
    assert (short["quantity"], short["lots"], short["ltp"]) == (-130, -2, "71.00")


def test_pnl_is_gross_and_the_days_pnl_is_after_the_days_charges():
    row = row_of(line(CALL, -130, realised="500.25", charges="61.10", opening="1200.00", before="40.00"))

    assert row["pnl"] == "4244.25"
    assert row["day_pnl"] == "3023.15"  # 4244.25 - 1200.00 - (61.10 - 40.00)


def test_a_day_that_was_not_opened_has_no_day_pnl_and_neither_has_its_total():
    book = build([line(CALL, opening=None)])
    values = revalue(book, frame(QUOTED))

    assert rows.positions(book, values, silent=False)["1", "positions"]["p1"]["day_pnl"] is None
    assert total_of(book, values)["day_pnl"] is None
    assert total_of(book, values)["pnl"] == "3744.00"


def test_an_empty_exit_side_falls_back_on_the_last_price_and_says_so():
    row = row_of(line(CALL, -130), {CALL: quote("70.90", None, "71.00")})

    assert (row["mark"], row["mark_is_ltp"], row["pnl"]) == ("71.00", True, "3770.00")


def test_a_contract_that_was_never_quoted_has_no_price_no_pnl_and_no_greeks():
    book = build([line(CALL, -130, realised="10.00")])
    values = revalue(book, frame({}))
    row = rows.positions(book, values, silent=False)["1", "positions"]["p1"]

    assert (row["mark"], row["pnl"], row["day_pnl"], row["delta"], row["asof"]) == (None,) * 5
    assert (row["stale"], row["iv_note"]) == (True, "not quoted")
    assert total_of(book, values)["unpriced"] == 1
    assert total_of(book, values)["pnl"] == "10.00"  # what is not priced counts at its cost


def test_a_contract_missing_from_the_frame_keeps_its_last_quote_and_its_time():
    old = quote("70.90", "71.20", "71.00", age=65)

    row = row_of(line(CALL, -130), {}, last={CALL: old})

    assert (row["mark"], row["stale"], row["asof"]) == ("71.20", True, "2026-08-04T09:58:55+05:30")


@pytest.mark.parametrize(
    ("age", "cadence", "stale"), [(10, 1.0, False), (11, 1.0, True), (119, 60.0, False), (121, 60.0, True)]
)
def test_a_quote_is_stale_when_older_than_ten_seconds_or_twice_the_cadence(age, cadence, stale):
    quotes = {CALL: quote("70.90", "71.20", "71.00", age=age)}

    assert row_of(line(CALL), quotes, cadence=cadence)["stale"] is stale


def test_without_frames_every_open_row_is_stale():
    assert row_of(line(CALL), silent=True)["stale"] is True
    assert row_of(line(CALL, 0), silent=True)["stale"] is False


def test_greeks_are_those_of_the_whole_position_in_rupees():
    t = pricing.year_fraction(NOW, calendar.settlement_time("NSE", EXPIRY))
    df = 2.718281828459045 ** (-pricing.RATE * t)
    unit = pricing.greeks(24500.0, 24700.0, t, df, 0.12, is_call=True)
    price = Decimal(repr(round(unit["price"], 2)))

    row = row_of(line(CALL, -130), {CALL: quote(price, price, price)})

    assert row["iv"] == pytest.approx(0.12, abs=2e-4)
    assert row["delta"] == pytest.approx(-130 * unit["delta"], rel=2e-3)
    assert row["gamma"] == pytest.approx(-130 * unit["gamma"], rel=5e-3)
    assert row["theta"] == pytest.approx(-130 * unit["theta"] / 365, rel=5e-3)
    assert row["vega"] == pytest.approx(-130 * unit["vega"] / 100, rel=5e-3)


def test_vol_comes_from_the_out_of_the_money_twin_where_that_is_quoted():
    inside, twin = "NIFTY-20260811-24300-CE", PUT
    quotes = {inside: quote("240.00", "290.00", "260.00"), twin: QUOTED[PUT]}

    both = row_of(line(inside, 65), quotes)
    put = row_of(line(twin, 65), quotes)

    assert both["iv"] == put["iv"]
    assert both["delta"] > 0 > put["delta"]


def test_without_a_forward_there_is_pnl_but_no_vol_and_no_greek():
    row = row_of(line(CALL), forward=None)

    assert row["pnl"] == "3744.00"
    assert (row["iv"], row["delta"], row["theta"]) == (None, None, None)
    assert row["iv_note"] == "no forward for this expiry"


def test_a_price_below_its_intrinsic_value_gives_no_greeks():
    inside = "NIFTY-20260811-24300-CE"

    row = row_of(line(inside, 65), {inside: quote("150.00", "151.00", "150.00")})

    assert (row["iv"], row["delta"]) == (None, None)
    assert row["iv_note"] == "price below intrinsic value"


def test_an_expired_option_keeps_its_mark_and_has_no_greeks():
    late = NOW + timedelta(days=8)

    row = row_of(line(CALL), {CALL: quote("70.90", "71.20", "71.00", now=late)}, now=late)

    assert (row["mark"], row["delta"], row["iv_note"]) == ("71.20", None, "expired")


def test_a_future_moves_one_rupee_a_point_and_has_no_vol():
    row = row_of(line(FUTURE, 65, average="24500"), {FUTURE: quote("24600.00", "24601.00", "24600.50")})

    assert (row["pnl"], row["delta"], row["gamma"], row["vega"], row["iv"]) == ("6500.00", 65.0, 0.0, 0.0, None)


def test_a_closed_position_shows_what_it_realised_and_needs_no_price():
    row = row_of(line(CALL, 0, realised="-812.35"), {})

    assert (row["pnl"], row["mark"], row["delta"], row["stale"]) == ("-812.35", None, 0.0, False)


def test_what_was_closed_on_earlier_days_counts_in_the_total_but_not_in_the_day():
    scope = Scope(owner=1, basket=10, strategy=20, allocation=30, account=40)
    book = build([line(CALL, -130)], [Past(scope, Decimal("900.00"), Decimal("120.50"))])
    values = revalue(book, frame(QUOTED))

    total = total_of(book, values, "pair:30")

    assert (total["pnl"], total["charges"], total["net"], total["day_pnl"]) == ("4644.00", "120.50", "4523.50", "3744.00")


def test_margin_of_all_accounts_is_unknown_when_one_is():
    book = build([line(CALL, id=1), line(PUT, id=2, scope=Scope(1, 10, 20, 31, 41))])
    sums = totals(book, revalue(book, frame(QUOTED)))

    known = rows.summary(book, sums, {40: Decimal("100.00"), 41: Decimal("23.50")})["1", "summary"]
    partly = rows.summary(book, sums, {40: Decimal("100.00"), 41: None})["1", "summary"]

    assert (known["all"]["margin"], known["account:41"]["margin"]) == ("123.50", "23.50")
    assert (partly["all"]["margin"], partly["account:40"]["margin"]) == (None, "100.00")


money = st.decimals("-99999", "99999", places=2)
held = st.tuples(
    st.sampled_from([CALL, PUT, FUTURE, "NIFTY-20260811-24500-CE"]),
    st.integers(-20, 20),
    money,
    st.decimals(0, 9999, places=2),
    st.integers(1, 2),
    st.integers(1, 3),
)


@given(st.lists(held, min_size=1, max_size=30))
def test_every_total_is_the_sum_of_its_rows_to_the_paisa(positions):
    lines = [
        line(s, lots * 65, id=n, realised=r, charges=c, scope=Scope(owner, basket, basket, n, owner))
        for n, (s, lots, r, c, owner, basket) in enumerate(positions, start=1)
    ]
    book = build(lines)
    values = revalue(book, frame(QUOTED | {FUTURE: quote("24600", "24601", "24600")}))
    told, sums = rows.positions(book, values, silent=False), rows.summary(book, totals(book, values), {})

    for owner in {str(item.scope.owner) for item in lines}:
        mine = [r for r in told[owner, "positions"].values() if r["pnl"] is not None]
        realised = sum((Decimal(r["realised"]) for r in told[owner, "positions"].values() if r["pnl"] is None), Decimal())
        total = sums[owner, "summary"]["all"]
        assert Decimal(total["pnl"]) == sum((Decimal(r["pnl"]) for r in mine), realised)
        assert Decimal(total["net"]) == Decimal(total["pnl"]) - Decimal(total["charges"])
        baskets = [v for k, v in sums[owner, "summary"].items() if k.startswith("basket:")]
        assert sum(Decimal(v["pnl"]) for v in baskets) == Decimal(total["pnl"])


def test_two_thousand_positions_are_revalued_as_arrays_and_not_one_by_one():
    strikes = range(20000, 30000, 10)
    quotes = {f"NIFTY-20260811-{k}-{t}": quote("70.90", "71.20", "71.00") for k in strikes for t in ("CE", "PE")}
    book = build([line(symbol, -130, id=n) for n, symbol in enumerate(quotes, start=1)])
    world = frame(quotes)
    assert len(book.lines) == 2000

    taken = []
    for _ in range(9):
        start = time.thread_time()
        revalue(book, world)
        taken.append(time.thread_time() - start)

    assert min(taken) < 0.040  # 5 ms on an idle core: bench_live measures it; one by one takes a second


def test_margins_take_turns_within_their_budget_and_changed_accounts_come_first():
    ticks = iter(range(100))
    book = build([line(CALL, -130, id=n, scope=Scope(1, 1, 1, n, n)) for n in (1, 2, 3)])
    changed = build([line(CALL, -130 if n != 2 else -65, id=n, scope=Scope(1, 1, 1, n, n)) for n in (1, 2, 3)])
    known = AccountMargins()
    known.refresh(book, frame(QUOTED), clock=lambda: next(ticks), budget=1)
    first = set(known.known)
    known.refresh(book, frame(QUOTED), clock=lambda: 0, budget=1)
    before = dict(known.known)
    known.refresh(changed, frame(QUOTED), clock=lambda: next(ticks), budget=1)

    assert first == {1}
    assert set(before) == {1, 2, 3}
    assert known.known[2] < before[2]
    assert known.known[1] == before[1]
