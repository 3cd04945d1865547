from datetime import date

import pytest
from rest_framework.test import APIClient

from tests.factories import (
    UserFactory,
    make_basket,
    make_curator,
    make_grant,
    make_published_basket,
    make_strategy,
)
from tests.integration.strategies.sent import SPREAD, without

pytestmark = pytest.mark.django_db


@pytest.fixture
def other():
    client = APIClient()
    client.force_login(UserFactory())
    return client


ROUTES = [
    ("get", "/options/baskets/{basket}", None),
    ("put", "/options/baskets/{basket}", {"name": "Mine"}),
    ("patch", "/options/baskets/{basket}", {"name": "Mine"}),
    ("delete", "/options/baskets/{basket}", None),
    ("post", "/options/baskets/{basket}/strategies", SPREAD),
    ("get", "/options/strategies/{strategy}", None),
    ("put", "/options/strategies/{strategy}", without(SPREAD, "underlying")),
    ("patch", "/options/strategies/{strategy}", {"name": "Mine"}),
    ("delete", "/options/strategies/{strategy}", None),
]


@pytest.mark.parametrize(("method", "path", "sent"), ROUTES)
def test_a_stranger_finds_nothing(other, basket, strategy, method, path, sent):
    path = path.format(basket=basket.pk, strategy=strategy.pk)

    assert getattr(other, method)(path, sent, format="json").status_code == 404
    strategy.refresh_from_db()
    assert (strategy.name, strategy.archived_at) == ("Iron Condor", None)


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [*ROUTES, ("get", "/options/strategies", None), ("get", "/options/presets", None), ("get", "/options/baskets", None)],
)
def test_the_signed_out_are_asked_to_sign_in(basket, strategy, method, path, sent):
    path = path.format(basket=basket.pk, strategy=strategy.pk)

    assert getattr(APIClient(), method)(path, sent, format="json").status_code in (401, 403)


@pytest.mark.parametrize(("method", "path", "sent"), [route for route in ROUTES if route[0] != "get"])
def test_through_a_grant_a_strategy_is_read_only(api, user, method, path, sent):
    published, version = make_published_basket(make_curator())
    make_grant(user, version)
    path = path.format(basket=published.pk, strategy=published.strategies.get().pk)

    assert api.get(f"/options/baskets/{published.pk}").json()["read_only"] is True
    assert getattr(api, method)(path, sent, format="json").status_code == 403


def test_a_read_key_reads_and_does_not_write(key_api, strategy):
    program = key_api("read")

    assert program.get(f"/options/strategies/{strategy.pk}").status_code == 200
    assert program.delete(f"/options/strategies/{strategy.pk}").status_code == 403


def test_the_list_holds_own_and_granted_strategies_and_no_others(api, user, strategy):
    published, version = make_published_basket(make_curator())
    make_grant(user, version)
    make_strategy(make_basket(UserFactory()))

    data = api.get("/options/strategies").json()["data"]

    assert {row["id"] for row in data} == {strategy.pk, published.strategies.get().pk}


def test_a_subscriber_reads_the_version_they_hold(api, user):
    curator = make_curator()
    published, version = make_published_basket(curator)
    make_grant(user, version)
    strategy = published.strategies.get()
    editor = APIClient()
    editor.force_login(curator)

    edited = editor.patch(f"/options/strategies/{strategy.pk}", {"exit_time": "14:00"}, format="json")

    assert edited.json()["version"] == 2
    assert api.get(f"/options/strategies/{strategy.pk}").json()["version"] == 1


@pytest.mark.parametrize("path", ["/options/strategies?limit=50", "/options/baskets?limit=50"])
def test_a_list_takes_the_same_queries_for_two_rows_and_twenty(
    api, user, path, django_assert_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def fill(count, start):
        for number in range(start, start + count):
            make_strategy(make_basket(user, name=f"Basket {number}"))

    fill(2, 0)
    with CaptureQueriesContext(connection, ) as two:
        assert len(api.get(path).json()["data"]) == 2
    fill(18, 2)
    with django_assert_num_queries(len(two)):
        assert len(api.get(path).json()["data"]) == 20


def test_the_market_day_is_the_timelines(user):
    from datetime import UTC, datetime

    from market.models import Timeline
    from strategies.selectors import market_day

    assert market_day(datetime(2026, 8, 4, 3, 50, tzinfo=UTC)) == date(2026, 8, 4)
    Timeline.objects.create(key="sim", source="simulated", first_day=date(2026, 7, 1), active=True)
    assert market_day(datetime(2026, 8, 4, 3, 50, tzinfo=UTC)) == date(2026, 7, 1)
