"""The ledger over several simulated days, with hand-computed figures."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction

from execution import services as execution
from market.kernel.clock import IST
from marketplace import services
from marketplace.models import FeeEntry, FeeMeter, FeeTerms, Invoice
from marketplace.selectors import pairs_of
from optionsplatform.celery import app
from tests.factories import NOW, make_account, make_day, make_listing, make_subscription

D = Decimal
DAYS = [date(2026, 8, 4), date(2026, 8, 5), date(2026, 8, 6), date(2026, 8, 7), date(2026, 8, 10)]


def close(timeline, day):
    """The market goes on to the evening of this day."""
    timeline.market_now = datetime(day.year, day.month, day.day, 15, 40, tzinfo=IST)
    timeline.save()


def accrue(now=NOW):
    return services.accrue(now=now)


def lines(subscription):
    rows = FeeEntry.objects.filter(subscription=subscription).order_by("pk")
    return [(row.kind, row.period.isoformat(), row.amount, row.notional) for row in rows]


@pytest.fixture
def condor(subscription):
    return pairs_of(subscription).get(strategy__name="Condor")


@pytest.fixture
def covered_call(subscription):
    return pairs_of(subscription).get(strategy__name="Covered Call")


def test_a_week_of_two_pairs_pays_only_for_new_highs_of_closed_cycles(
    subscription, timeline, condor, covered_call
):
    # closed net of charges, both pairs: 900, 100, 100 (call open), 1,850 (call closed), 1,850
    make_day(condor, timeline, DAYS[0], realised="1000", charges="100")
    make_day(covered_call, timeline, DAYS[0], realised="0", charges="60", unrealised="400")
    make_day(condor, timeline, DAYS[1], realised="300", charges="100")
    make_day(covered_call, timeline, DAYS[1], realised="250", charges="0", unrealised="-90")
    make_day(condor, timeline, DAYS[2], realised="300", charges="0")
    make_day(covered_call, timeline, DAYS[3], realised="1850", charges="40")
    for day in DAYS:
        close(timeline, day)
        accrue()

    assert lines(subscription) == [
        ("performance", "2026-08-04", D("180.00"), True),  # 20% of 900
        ("performance", "2026-08-07", D("190.00"), True),  # 20% of 1,850 less 900
    ]
    subscription.refresh_from_db()
    assert subscription.high_water_mark == D("1850.00")
    last = FeeEntry.objects.latest("pk")
    assert last.basis == {
        "rate": "0.2000",
        "cumulative_net": "1850.00",
        "mark_before": "900.00",
        "mark_after": "1850.00",
        "pairs": {
            condor.public_id: {"net": "100.00", "closed_on": "2026-08-06"},
            covered_call.public_id: {"net": "1750.00", "closed_on": "2026-08-07"},
        },
        "terms": subscription.terms_id,
    }


def test_counting_all_days_at_once_gives_the_lines_of_counting_each_day(
    subscription, timeline, condor
):
    for day, realised in zip(DAYS, ["500", "200", "700", "600", "1000"], strict=True):
        make_day(condor, timeline, day, realised=realised)
    close(timeline, DAYS[-1])
    accrue()

    assert lines(subscription) == [
        ("performance", "2026-08-04", D("100.00"), True),
        ("performance", "2026-08-06", D("40.00"), True),
        ("performance", "2026-08-10", D("60.00"), True),
    ]


def test_accruing_again_appends_nothing(subscription, timeline, condor):
    make_day(condor, timeline, DAYS[0], realised="500")
    first = accrue()

    assert len(first) == 1
    assert accrue() == []
    assert accrue(NOW + timedelta(hours=1)) == []
    assert FeeEntry.objects.count() == 1


def test_a_day_that_is_open_or_provisional_waits_and_later_days_wait_for_it(
    subscription, timeline, condor
):
    first = make_day(condor, timeline, DAYS[0], realised="500", provisional=True)
    second = make_day(condor, timeline, DAYS[1], realised="800", final=False)
    close(timeline, DAYS[1])

    assert accrue() == []
    first.provisional, first.realised = False, D(400)
    first.save()
    assert [entry.amount for entry in accrue()] == [D("80.00")]
    second.final = True
    second.save()
    assert [entry.amount for entry in accrue()] == [D("80.00")]


def test_a_pause_does_not_reset_the_mark(user, subscription, timeline, condor):
    make_day(condor, timeline, DAYS[0], realised="1000")
    accrue()
    scope = {"user": user, "scope": "basket", "target": subscription.basket_id, "by": user}
    execution.pause(**scope, source="test", now=NOW)
    make_day(condor, timeline, DAYS[1], realised="400")
    accrue()
    execution.resume(**scope, source="test", now=NOW)
    make_day(condor, timeline, DAYS[2], realised="1100")
    accrue()

    assert [amount for _, _, amount, _ in lines(subscription)] == [D("200.00"), D("20.00")]
    assert FeeMeter.objects.get().high_water_mark == D("1100.00")


def test_live_and_paper_pairs_have_marks_of_their_own_and_only_live_ones_are_invoiced(
    user, curator, timeline
):
    listing = make_listing(curator, monthly_fee="310", rate="0.10", gst=True)
    live, paper = make_account(user, mode="live"), make_account(user, broker="angelone")
    subscription = make_subscription(user, listing, live, paper)
    real = pairs_of(subscription).get(strategy__name="Condor", broker_account=live)
    trial = pairs_of(subscription).get(strategy__name="Condor", broker_account=paper)
    make_day(real, timeline, DAYS[0], realised="1000", charges="10")
    make_day(trial, timeline, DAYS[0], realised="700", charges="20")
    close(timeline, DAYS[0])
    accrue()

    assert lines(subscription) == [
        ("monthly", "2026-08-01", D("280.00"), False),  # 310 x 28/31
        ("gst", "2026-08-01", D("50.40"), False),
        ("performance", "2026-08-04", D("99.00"), False),
        ("gst", "2026-08-04", D("17.82"), False),
        ("performance", "2026-08-04", D("68.00"), True),
        ("gst", "2026-08-04", D("12.24"), True),
    ]
    subscription.refresh_from_db()
    assert subscription.high_water_mark == D("990.00")
    assert not Invoice.objects.exists()

    close(timeline, date(2026, 9, 1))
    accrue()

    invoice = Invoice.objects.get()
    assert (invoice.period, invoice.total) == (date(2026, 8, 1), D("447.22"))
    assert user.notices.get(kind="invoice").title.startswith("Invoice for")
    assert lines(subscription)[6:] == [
        ("monthly", "2026-09-01", D("310.00"), False),
        ("gst", "2026-09-01", D("55.80"), False),
    ]
    accrue()
    assert Invoice.objects.count() == 1


def test_the_first_of_a_month_can_be_a_trading_day_and_both_fees_are_taxed(user, curator, timeline):
    listing = make_listing(curator, monthly_fee="100", rate="0.10", gst=True)
    subscription = make_subscription(user, listing, make_account(user, mode="live"))
    pair = pairs_of(subscription).first()
    make_day(pair, timeline, date(2026, 9, 1), realised="1000")
    close(timeline, date(2026, 9, 1))
    accrue()

    assert [line for line in lines(subscription) if line[1] == "2026-09-01"] == [
        ("monthly", "2026-09-01", D("100.00"), False),
        ("gst", "2026-09-01", D("18.00"), False),
        ("performance", "2026-09-01", D("100.00"), False),
        ("gst", "2026-09-01", D("18.00"), False),
    ]


def test_an_invoice_waits_for_a_provisional_day_of_its_month(user, curator, timeline):
    subscription = make_subscription(user, make_listing(curator), make_account(user, mode="live"))
    pair = pairs_of(subscription).first()
    make_day(pair, timeline, date(2026, 8, 5), realised="1000")
    late = make_day(pair, timeline, date(2026, 8, 25), realised="2000", provisional=True)
    close(timeline, date(2026, 9, 2))
    accrue()
    assert not Invoice.objects.exists()

    late.provisional = False
    late.save()
    accrue()

    assert Invoice.objects.get().total == D("400.00")


def test_what_a_pair_earned_before_subscribing_costs_nothing(user, listing, account, timeline):
    subscription = make_subscription(user, listing, account)
    pair = pairs_of(subscription).first()
    make_day(pair, timeline, date(2026, 8, 3), realised="5000", charges="10")
    make_day(pair, timeline, DAYS[0], realised="5300", charges="50")
    accrue()

    assert lines(subscription) == [("performance", "2026-08-04", D("50.00"), True)]


def test_the_ledger_and_the_terms_cannot_be_rewritten(subscription, timeline, condor):
    make_day(condor, timeline, DAYS[0], realised="500")
    accrue()

    for change in (
        lambda: FeeEntry.objects.update(amount=0),
        lambda: FeeEntry.objects.all().delete(),
        lambda: FeeTerms.objects.update(monthly_fee=9),
        lambda: FeeMeter.objects.update(high_water_mark=0),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_without_a_market_nothing_is_counted(subscription, timeline, condor):
    make_day(condor, timeline, DAYS[0], realised="500")
    timeline.active = False
    timeline.save()

    assert accrue() == []


def test_the_task_that_beat_calls_counts_each_open_subscription(
    subscription, timeline, condor, settings
):
    make_day(condor, timeline, DAYS[0], realised="500")
    app.loader.import_default_modules()
    app.conf.task_always_eager = True
    try:
        app.tasks[settings.CELERY_BEAT_SCHEDULE["fees"]["task"]]()
    finally:
        app.conf.task_always_eager = False

    assert lines(subscription) == [("performance", "2026-08-04", D("100.00"), True)]
