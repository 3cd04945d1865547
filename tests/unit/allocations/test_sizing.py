from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from allocations.sizing import Record, propose

GOOD = Record(key="zerodha", lots=2, floor=1, cap=5, days=20, net=Decimal(900))
POOR = Record(key="angelone", lots=8, floor=1, cap=9, days=20, net=Decimal(200), slippage=Decimal(150))


def lots(records):
    return {row.key: row.proposed for row in propose(records)}


def test_a_quarter_of_the_poorer_pairs_lots_move_to_the_better():
    assert lots([GOOD, POOR]) == {"zerodha": 4, "angelone": 6}


def test_every_proposal_says_why():
    good, poor = propose([GOOD, POOR])

    assert good.reason == (
        "More lots: net ₹900.00 a lot and day, worst drawdown ₹0.00 a lot, slippage ₹0.00 a lot, 100% filled."
    )
    assert poor.reason.startswith("Fewer lots: net ₹200.00")


def test_a_cap_and_a_floor_hold():
    assert lots([replace(GOOD, cap=3), POOR]) == {"zerodha": 3, "angelone": 7}
    assert lots([GOOD, replace(POOR, floor=8)]) == {"zerodha": 2, "angelone": 8}


def test_a_pair_with_an_open_trade_is_not_touched():
    still = propose([GOOD, replace(POOR, open_trade=True)])

    assert [row.proposed for row in still] == [2, 8]
    assert still[1].reason == "Unchanged: a trade is open."


def test_a_short_record_moves_nothing():
    young = propose([replace(GOOD, days=4), POOR])

    assert [row.proposed for row in young] == [2, 8]
    assert young[0].reason == "Unchanged: 4 trading days on record, 5 are needed."


def test_scores_that_are_as_good_as_equal_move_nothing():
    assert lots([replace(GOOD, net=Decimal("200.50")), POOR]) == {"zerodha": 2, "angelone": 8}


def test_a_broker_that_does_not_fill_scores_less():
    shy = replace(GOOD, net=Decimal(300), fill_rate=Decimal("0.5"))

    assert shy.score == Decimal(150)
    assert lots([shy, POOR]) == {"zerodha": 1, "angelone": 9}


RECORDS = st.lists(
    st.builds(
        lambda key, floor, spare, room, days, net, drawdown, fill, trade: Record(
            key=key, floor=floor, lots=floor + spare, cap=floor + spare + room, days=days, net=net,
            drawdown=drawdown, fill_rate=fill, open_trade=trade,
        ),
        st.integers(), st.integers(0, 5), st.integers(0, 40), st.integers(0, 40), st.integers(0, 60),
        st.decimals(-5000, 5000, places=2), st.decimals(0, 9000, places=2),
        st.decimals(0, 1, places=2), st.booleans(),
    ),
    max_size=8, unique_by=lambda record: record.key,
)  # fmt: skip


@given(RECORDS)
def test_lots_are_conserved_and_stay_between_floor_and_cap(records):
    proposals = propose(records)

    assert sum(row.proposed for row in proposals) == sum(record.lots for record in records)
    for record, row in zip(records, proposals, strict=True):
        assert record.floor <= row.proposed <= record.cap
        assert record.lots - row.proposed <= max(1, record.lots // 4)
        if record.fixed:
            assert row.proposed == record.lots


@given(RECORDS)
def test_no_lot_moves_to_a_poorer_pair(records):
    rows = {row.key: row for row in propose(records)}
    takers = [r for r in records if rows[r.key].proposed > r.lots]
    givers = [r for r in records if rows[r.key].proposed < r.lots]

    assert all(max(t.score for t in takers) > giver.score for giver in givers)
