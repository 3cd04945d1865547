"""A published basket, a world at 09:20 of 4 August 2026, and a subscriber of one paper account."""

import pytest

from market.models import Timeline
from tests.factories import NOW, make_account, make_curator, make_listing, make_subscription


def start_world() -> Timeline:
    return Timeline.objects.create(
        key="t1", source="simulated", first_day=NOW.date(), active=True, market_now=NOW
    )


@pytest.fixture
def timeline(db):
    return start_world()


@pytest.fixture
def curator(db):
    return make_curator()


@pytest.fixture
def listing(curator, timeline):
    return make_listing(curator)


@pytest.fixture
def account(user):
    return make_account(user)


@pytest.fixture
def subscription(user, listing, account):
    return make_subscription(user, listing, account)
