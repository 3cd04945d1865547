"""Two workers at the same subscription: every fee is charged once."""

from datetime import date
from threading import Barrier, Thread

import pytest
from django.db import connection

from marketplace import services
from marketplace.models import FeeEntry
from marketplace.selectors import pairs_of
from tests.factories import (
    NOW,
    UserFactory,
    make_curator,
    make_day,
    make_listing,
    make_subscription,
)

from .conftest import start_world


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_charge_every_fee_once():
    timeline = start_world()
    listing = make_listing(make_curator(), monthly_fee="310", gst=True)
    subscription = make_subscription(UserFactory(), listing)
    pair = pairs_of(subscription).first()
    for day in range(3, 8):
        make_day(pair, timeline, date(2026, 8, day), realised=str(day * 100))
    gate, failures = Barrier(4), []

    def work():
        try:
            gate.wait(timeout=10)
            for _ in range(5):
                services.accrue(now=NOW)
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)
        finally:
            connection.close()

    workers = [Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert failures == []
    kinds = sorted(FeeEntry.objects.values_list("kind", "period"))
    assert kinds == [
        ("gst", date(2026, 8, 1)),
        *(("gst", date(2026, 8, day)) for day in range(4, 8)),
        ("monthly", date(2026, 8, 1)),
        *(("performance", date(2026, 8, day)) for day in range(4, 8)),
    ]
