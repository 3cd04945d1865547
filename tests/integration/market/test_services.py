"""Contracts, timelines and settlement values as rows, each with its rules."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from market import selectors, services
from market.kernel.contracts import Contract as Spec
from market.kernel.contracts import parse
from market.models import Contract, SettlementPrice, Timeline
from tests.factories import make_operator
from tests.integration.market.conftest import WALL
from users.errors import Refused
from users.models import AuditEntry

pytestmark = pytest.mark.django_db
EXPIRY = date(2026, 8, 4)


def simulated(key="test-sim", **fields):
    return services.create_timeline(
        **{"key": key, "source": "simulated", "first_day": EXPIRY, **fields}
    )


def test_contracts_are_made_once_with_the_facts_of_their_expiry(django_assert_num_queries):
    specs = [parse("NIFTY-20260804-24500-CE"), Spec("NIFTY", date(2026, 8, 25), "FUT")]
    first = services.ensure_contracts(specs)

    with django_assert_num_queries(1):
        again = services.ensure_contracts(specs)

    assert {s: c.pk for s, c in first.items()} == {s: c.pk for s, c in again.items()}
    call = first["NIFTY-20260804-24500-CE"]
    assert (call.lot_size, call.tick_size, call.exchange) == (65, Decimal("0.05"), "NSE")
    assert call.spec == specs[0]
    assert first["NIFTY-20260825-FUT"].strike is None


def test_a_strike_of_zero_or_a_future_with_one_is_refused_by_the_database():
    call = services.ensure_contracts([parse("NIFTY-20260804-24500-CE")])["NIFTY-20260804-24500-CE"]
    with pytest.raises(IntegrityError), transaction.atomic():
        Contract.objects.filter(pk=call.pk).update(strike=0)
    with pytest.raises(IntegrityError), transaction.atomic():
        Contract.objects.filter(pk=call.pk).update(option_type="FUT")


def test_exactly_one_timeline_is_active_and_the_switch_is_audited():
    first, second = simulated("a"), simulated("b")
    services.activate_timeline(timeline=first, now=WALL)
    operator = make_operator()

    services.activate_timeline(timeline=second, now=WALL, actor=operator, source="admin")

    assert [t.key for t in Timeline.objects.filter(active=True)] == ["b"]
    assert selectors.active_timeline() == second
    entry = AuditEntry.objects.latest("pk")
    assert (entry.actor, entry.action) == (operator, "market.activate_timeline")
    assert (entry.before, entry.after) == ({"active": "a"}, {"active": "b"})


def test_activating_the_active_timeline_again_changes_and_records_nothing():
    row = services.activate_timeline(timeline=simulated(), now=WALL)
    services.activate_timeline(timeline=row, now=WALL)

    assert AuditEntry.objects.filter(action="market.activate_timeline").count() == 1


def test_two_active_timelines_are_refused_by_the_database():
    services.activate_timeline(timeline=simulated("a"), now=WALL)
    other = simulated("b")
    with pytest.raises(IntegrityError), transaction.atomic():
        Timeline.objects.filter(pk=other.pk).update(active=True)


def test_no_active_timeline_says_what_to_do():
    with pytest.raises(Timeline.DoesNotExist, match="create one and activate it"):
        selectors.active_timeline()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"key": "With Space"}, "key"),
        ({"key": "x" * 41}, "key"),
        ({"source": "dream"}, "source"),
        ({"speed": 0}, "speed"),
        ({"speed": 61}, "speed"),
        ({"source": "live", "speed": 10}, "speed"),
        ({"source": "recorded"}, "files"),
        ({"files": ["a.csv"]}, "files"),
    ],
)
def test_a_wrong_timeline_is_refused_by_field_and_nothing_is_saved(fields, field):
    with pytest.raises(Refused) as refusal:
        simulated(**fields)

    assert refusal.value.field == field
    assert not Timeline.objects.exists()


def test_a_key_is_used_once():
    simulated("a")
    with pytest.raises(Refused, match="A timeline 'a' exists"):
        simulated("a")


def settle(timeline, **fields):
    return services.set_settlement_price(
        **{
            "timeline": timeline, "underlying": "NIFTY", "day": EXPIRY,
            "price": Decimal("24612.35"), "source": "NSE", "now": WALL, **fields,
        }
    )  # fmt: skip


def test_a_settlement_value_can_be_corrected_and_both_are_in_the_audit_log():
    timeline = simulated()
    assert selectors.settlement_price(timeline, "NIFTY", EXPIRY) is None
    settle(timeline)
    settle(timeline)
    settle(timeline, price=Decimal("24610.00"), actor=make_operator())

    assert selectors.settlement_price(timeline, "NIFTY", EXPIRY).price == Decimal("24610.00")
    entries = AuditEntry.objects.filter(action="market.set_settlement_price").order_by("pk")
    assert [e.after["price"] for e in entries] == ["24612.35", "24610.00"]
    assert entries[1].before["price"] == "24612.35"
    assert [e.source for e in entries] == ["system", "admin"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"day": date(2026, 8, 5)}, "day"),
        ({"day": date(2031, 8, 5)}, "day"),
        ({"underlying": "GOLD"}, "day"),
        ({"price": Decimal(0)}, "price"),
        ({"price": Decimal("NaN")}, "price"),
        ({"price": Decimal("1.005")}, "price"),
        ({"source": " "}, "source"),
    ],
)
def test_a_wrong_settlement_value_is_refused_by_field(fields, field):
    with pytest.raises(Refused) as refusal:
        settle(simulated(), **fields)

    assert refusal.value.field == field
    assert not SettlementPrice.objects.exists()
