"""Put-call ratios and max pain, to the unit; the worked table of docs/concepts/chain.md."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from market.catalogue.interest import interest_of, max_pain
from market.kernel.contracts import Contract
from market.kernel.frame import Quote

EXPIRY = date(2026, 8, 11)
NOW = datetime(2026, 8, 4, 4, 30, tzinfo=UTC)
DOCUMENT = Path(__file__).parents[4] / "docs/concepts/chain.md"


def option(strike, kind, oi=None, volume=None):
    contract = Contract("NIFTY", EXPIRY, kind, Decimal(strike))
    return contract, Quote(None, None, Decimal("1.00"), 0, 0, NOW, oi, volume)


def document_rows():
    lines = DOCUMENT.read_text().partition("| strike | call OI |")[2].splitlines()[2:]
    table = [line for line in lines[: lines.index("")] if line]
    return [[int(cell) for cell in line.strip("|").split("|")] for line in table]


def paid(held, level):
    return sum(oi * max((level - k) if is_call else (k - level), 0) for k, is_call, oi in held)


def test_the_documents_worked_example_is_what_the_code_says():
    rows = document_rows()
    held = [
        (Decimal(k), is_call, oi)
        for k, call, put, _ in rows
        for is_call, oi in ((True, call), (False, put))
    ]
    found = interest_of(
        option(k, kind, oi=oi) for k, c, p, _ in rows for kind, oi in (("CE", c), ("PE", p))
    )

    assert [paid(held, level) for level, *_ in rows] == [row[3] for row in rows]
    assert found.max_pain == Decimal(24500)
    assert (found.put_oi, found.call_oi) == (7150, 7800)
    assert round(found.pcr_oi, 4) == 0.9167


def test_where_the_source_tells_nothing_every_figure_is_none():
    found = interest_of([option(24500, "CE"), option(24500, "PE")])

    assert (found.call_oi, found.pcr_oi, found.pcr_volume, found.max_pain) == (None,) * 4
    assert found.oi_unknown == 2


def test_where_some_options_lack_it_the_others_count_and_the_missing_are_counted():
    found = interest_of(
        [option(24500, "CE", oi=100), option(24500, "PE", oi=250), option(24600, "CE")]
    )

    assert (found.pcr_oi, found.oi_unknown, found.max_pain) == (2.5, 1, Decimal(24500))


def test_one_side_alone_gives_neither_ratio_nor_max_pain():
    found = interest_of([option(24500, "PE", oi=100, volume=5), option(24500, "CE")])

    assert (found.put_oi, found.pcr_oi, found.pcr_volume, found.max_pain) == (100, None, None, None)


def test_puts_over_no_calls_at_all_is_no_ratio():
    assert interest_of([option(1, "PE", oi=9), option(1, "CE", oi=0)]).pcr_oi is None


def test_the_ratio_by_volume_is_apart_from_that_by_open_interest():
    found = interest_of(
        [option(1, "CE", oi=10, volume=400), option(1, "PE", oi=20, volume=100)]
    )

    assert (found.pcr_oi, found.pcr_volume) == (2.0, 0.25)


def test_of_strikes_that_pay_the_same_the_lowest_is_max_pain():
    held = [(Decimal(100), True, 10), (Decimal(200), False, 10)]

    assert max_pain(held) == Decimal(100)  # 1,000 at either strike


def test_without_open_interest_there_is_no_max_pain():
    assert max_pain([]) is None
    assert max_pain([(Decimal(100), True, 0), (Decimal(100), False, 0)]) is None


@given(
    st.lists(
        st.tuples(
            st.integers(1, 600).map(lambda n: Decimal(n) * Decimal("12.5")),
            st.booleans(),
            st.integers(0, 10**8),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_no_listed_strike_pays_less_than_max_pain(held):
    found = max_pain(held)

    if found is None:
        assert all(oi == 0 for _, _, oi in held)
    else:
        assert paid(held, found) == min(paid(held, strike) for strike, _, _ in held)
