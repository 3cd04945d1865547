import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from allocations.models import StrategyBrokerAllocation
from tests.factories import (
    UserFactory,
    make_account,
    make_allocation,
    make_basket,
    make_curator,
    make_grant,
    make_published_basket,
    make_strategy,
)
from tests.integration.allocations.sent import LIMITS, cell, matrix_path

pytestmark = pytest.mark.django_db


ROUTES = [
    ("get", "/options/strategies/{s}/brokers", None),
    ("post", "/options/strategies/{s}/brokers", {"broker_account_id": 1, **LIMITS}),
    ("put", "/options/strategies/{s}/brokers/{p}", LIMITS),
    ("patch", "/options/strategies/{s}/brokers/{p}", {"lots": 0}),
    ("delete", "/options/strategies/{s}/brokers/{p}", None),
    ("get", "/options/baskets/{b}/allocations", None),
    ("put", "/options/baskets/{b}/allocations", {"rows": []}),
]


@pytest.mark.parametrize(("method", "path", "sent"), ROUTES)
def test_a_stranger_finds_nothing(pair, method, path, sent):
    client = APIClient()
    client.force_login(UserFactory())
    path = path.format(s=pair.strategy_id, p=pair.pk, b=pair.strategy.basket_id)

    assert getattr(client, method)(path, sent, format="json").status_code == 404
    pair.refresh_from_db()
    assert (pair.lots, pair.archived_at) == (2, None)


@pytest.mark.parametrize(("method", "path", "sent"), ROUTES)
def test_the_signed_out_are_asked_to_sign_in(pair, method, path, sent):
    path = path.format(s=pair.strategy_id, p=pair.pk, b=pair.strategy.basket_id)

    assert getattr(APIClient(), method)(path, sent, format="json").status_code in (401, 403)


def test_two_subscribers_of_one_strategy_do_not_see_each_others_pairs(api, user, account):
    basket, version = make_published_basket(make_curator())
    strategy = basket.strategies.get()
    neighbour = UserFactory()
    make_grant(user, version)
    make_grant(neighbour, version)
    mine = make_allocation(strategy, account)
    theirs = make_allocation(strategy, make_account(neighbour))

    listed = api.get(f"/options/strategies/{strategy.pk}/brokers").json()["data"]
    rows = api.get(f"/options/baskets/{basket.pk}/allocations").json()["rows"]
    touched = api.patch(f"/options/strategies/{strategy.pk}/brokers/{theirs.pk}", {"lots": 0}, format="json")

    assert [row["id"] for row in listed] == [row["id"] for row in rows] == [mine.pk]
    assert touched.status_code == 404


def test_a_subscriber_sets_lots_on_a_strategy_they_cannot_edit(api, user, account):
    basket, version = make_published_basket(make_curator())
    make_grant(user, version)
    sent = {"rows": [cell(basket.strategies.get(), account)]}

    answer = api.put(f"/options/baskets/{basket.pk}/allocations", sent, format="json")

    assert (answer.status_code, answer.json()["rows"][0]["lots"]) == (200, 2)


def test_browsing_a_published_basket_gives_no_right_to_allocate(api, user, account):
    basket, _ = make_published_basket(make_curator())
    sent = {"rows": [cell(basket.strategies.get(), account)]}

    answer = api.put(f"/options/baskets/{basket.pk}/allocations", sent, format="json")

    assert answer.status_code == 422
    assert StrategyBrokerAllocation.objects.count() == 0


@pytest.mark.parametrize(("scope", "status"), [("read", 403), ("paper", 403), ("trade", 200)])
def test_a_paper_key_never_touches_a_live_account(key_api, user, strategy, scope, status):
    pair = make_allocation(strategy, make_account(user, mode="live"))
    program = key_api(scope)
    path = f"/options/strategies/{strategy.pk}/brokers/{pair.pk}"
    rows = {"rows": [cell(strategy, pair.broker_account, lots=1)]}

    assert program.patch(path, {"lots": 1}, format="json").status_code == status
    assert program.put(matrix_path(strategy), rows, format="json").status_code == status
    assert program.put(matrix_path(strategy), {"rows": []}, format="json").status_code == status


def test_the_matrix_takes_the_same_queries_for_two_pairs_and_twenty(
    api, user, django_assert_num_queries
):
    basket = make_basket(user)
    accounts = [make_account(user) for _ in range(10)]
    first, second = make_strategy(basket), make_strategy(basket, name="Second")
    for account in accounts[:2]:
        make_allocation(first, account)
    paths = [f"/options/baskets/{basket.pk}/allocations", f"/options/strategies/{first.pk}/brokers"]
    counts = []
    for path in paths:
        with CaptureQueriesContext(connection) as queries:
            api.get(path)
        counts.append(len(queries))

    for account in accounts:
        make_allocation(second, account)
    for account in accounts[2:]:
        make_allocation(first, account)

    for path, count in zip(paths, counts, strict=True):
        with django_assert_num_queries(count):
            api.get(path)
