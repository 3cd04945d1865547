"""Operators see what the engine and the owners did, with the audit of it, and change nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from django.test import Client

from execution import services
from execution.models import Mismatch, Receipt
from market.models import Timeline
from tests.factories import (
    UserFactory,
    make_account,
    make_allocation,
    make_basket,
    make_operator,
    make_strategy,
)
from users.services import record

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 8, 3, 5, 0, tzinfo=UTC)


@pytest.fixture
def operator(settings):
    settings.ADMIN_REQUIRES_MFA = False
    client = Client()
    client.force_login(make_operator())
    return client


@pytest.fixture
def pair(user):
    Timeline.objects.create(key="admin", source="simulated", first_day=date(2026, 8, 3), seed=1, active=True, speed=10)
    return make_allocation(make_strategy(make_basket(user)), make_account(user))


def text(client, path):
    answer = client.get(f"/admin/execution/{path}/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_mismatch_is_shown_with_who_decided_it(operator, pair, user):
    row = Mismatch.objects.create(
        broker_account=pair.broker_account, timeline=Timeline.objects.get(), kind="squared_off",
        subject="NIFTY-20260804-24500-PE NRML", ours=-65, theirs=0, missing=65, fix="adopt_close", opened_at=NOW,
    )  # fmt: skip
    record(actor=user, owner=user, action="reconcile.adopt_close", obj=row, source="page", now=NOW)

    assert row.subject in text(operator, "mismatch")
    shown = text(operator, f"mismatch/{row.pk}/change")
    assert f"03 Aug 2026 10:30:00 reconcile.adopt_close by {user} (page)" in shown
    assert operator.post(f"/admin/execution/mismatch/{row.pk}/change/", {"theirs": 1}).status_code == 403


def test_a_receipt_is_shown_with_its_accounts_and_the_act(operator, pair, user):
    services.exit_now(user=user, scope="pair", target=pair.pk, by=user, source="page", now=NOW)
    receipt = Receipt.objects.get()

    shown = text(operator, f"receipt/{receipt.pk}/change")

    assert receipt.name in text(operator, "receipt")
    assert f"03 Aug 2026 10:30:00 exit by {user} (page)" in shown
    assert operator.post(f"/admin/execution/receipt/{receipt.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("model", ["mismatch", "receipt"])
def test_who_is_no_operator_does_not_see_them(operator, model):
    staff = Client()
    staff.force_login(UserFactory(is_staff=True))

    assert staff.get(f"/admin/execution/{model}/").status_code == 403
