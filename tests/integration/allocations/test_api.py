import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from allocations.models import StrategyBrokerAllocation
from allocations.services import set_trading_state
from tests.factories import (
    NOW,
    UserFactory,
    make_account,
    make_allocation,
    make_basket,
    make_curator,
    make_grant,
    make_published_basket,
    make_strategy,
)
from users.models import AuditEntry

pytestmark = pytest.mark.django_db

LIMITS = {
    "lots": 2, "product": "NRML", "max_lots": 4, "max_day_loss": "25000.00",
    "max_margin": "400000.00", "max_open_positions": 8,
}  # fmt: skip


def pointers(answer):
    return {error["pointer"] for error in answer.json()["errors"]}


@pytest.fixture
def account(user):
    return make_account(user)


@pytest.fixture
def strategy(user):
    return make_strategy(make_basket(user))


@pytest.fixture
def pair(strategy, account):
    return make_allocation(strategy, account)


@pytest.fixture
def path(pair):
    return f"/options/strategies/{pair.strategy_id}/brokers/{pair.pk}"


def matrix_path(strategy):
    return f"/options/baskets/{strategy.basket_id}/allocations"


def cell(strategy, account, **changes):
    return {"strategy_id": strategy.pk, "broker_account_id": account.pk, **LIMITS, **changes}


def test_lots_are_allocated_to_a_broker(api, strategy, account):
    sent = {"broker_account_id": account.pk, **LIMITS}

    answer = api.post(f"/options/strategies/{strategy.pk}/brokers", sent, format="json")

    body = answer.json()
    assert (answer.status_code, answer["ETag"]) == (201, '"1"')
    assert (body["lots"], body["max_day_loss"], body["strategy_version"]) == (2, "25000.00", 1)
    assert body["state"] == {"state": "active", "scope": "", "reason": ""}
    listed = api.get(f"/options/strategies/{strategy.pk}/brokers").json()
    assert listed == {"data": [body], "next_cursor": None}
    assert AuditEntry.objects.get(action="allocation.create").after["lots"] == 2


def test_the_same_idempotency_key_allocates_once(api, strategy, account):
    sent, key = {"broker_account_id": account.pk, **LIMITS}, {"HTTP_IDEMPOTENCY_KEY": "a-1"}
    path = f"/options/strategies/{strategy.pk}/brokers"

    answers = [api.post(path, sent, format="json", **key) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert StrategyBrokerAllocation.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"lots": -1}, "/lots"),
        ({"lots": 1.5}, "/lots"),
        ({"lots": True}, "/lots"),
        ({"lots": 5}, "/lots"),
        ({"lots": None}, "/lots"),
        ({"max_day_loss": "0.00"}, "/max_day_loss"),
        ({"max_day_loss": 25000.5}, "/max_day_loss"),
        ({"max_margin": "-1.00"}, "/max_margin"),
        ({"max_open_positions": 0}, "/max_open_positions"),
        ({"product": "CNC"}, "/product"),
        ({"broker_account_id": 999999}, "/broker_account_id"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_saved(api, strategy, account, changes, pointer):
    sent = {"broker_account_id": account.pk, **LIMITS, **changes}

    answer = api.post(f"/options/strategies/{strategy.pk}/brokers", sent, format="json")

    assert (answer.status_code, pointers(answer)) == (422, {pointer})
    assert StrategyBrokerAllocation.objects.count() == 0


def test_another_users_account_is_refused(api, strategy):
    foreign = make_account(UserFactory())
    sent = {"broker_account_id": foreign.pk, **LIMITS}

    answer = api.post(f"/options/strategies/{strategy.pk}/brokers", sent, format="json")

    assert (answer.status_code, pointers(answer)) == (422, {"/broker_account_id"})


def test_a_pair_exists_once(api, pair):
    sent = {"broker_account_id": pair.broker_account_id, **LIMITS}

    answer = api.post(f"/options/strategies/{pair.strategy_id}/brokers", sent, format="json")

    assert (answer.status_code, pointers(answer)) == (422, {"/broker_account_id"})


def test_lots_are_changed_and_the_version_counts(api, path, pair):
    answer = api.patch(path, {"lots": 3}, format="json", HTTP_IF_MATCH='"1"')

    assert (answer.status_code, answer["ETag"], answer.json()["lots"]) == (200, '"2"', 3)
    entry = AuditEntry.objects.get(action="allocation.set")
    assert (entry.before["lots"], entry.after["lots"]) == (2, 3)


def test_a_change_over_a_newer_version_is_refused_with_the_current_one(api, path, pair):
    api.patch(path, {"lots": 3}, format="json")

    answer = api.patch(path, {"lots": 1}, format="json", HTTP_IF_MATCH='"1"')

    assert (answer.status_code, answer.json()["code"]) == (412, "version_moved")
    assert "version 2" in answer.json()["detail"]
    pair.refresh_from_db()
    assert pair.lots == 3


def test_putting_needs_every_limit(api, path):
    assert pointers(api.put(path, {"lots": 1}, format="json")) == {
        "/max_lots", "/max_day_loss", "/max_margin", "/max_open_positions",
    }  # fmt: skip
    assert api.put(path, LIMITS | {"lots": 4}, format="json").json()["lots"] == 4


def test_saving_what_is_there_changes_nothing(api, path):
    assert api.put(path, LIMITS, format="json").json()["version"] == 1


def test_deleting_archives_and_the_pair_may_be_made_again(api, path, pair):
    assert api.delete(path).status_code == 204
    assert api.patch(path, {"lots": 1}, format="json").status_code == 404

    sent = {"broker_account_id": pair.broker_account_id, **LIMITS}
    again = api.post(f"/options/strategies/{pair.strategy_id}/brokers", sent, format="json")

    assert again.status_code == 201
    assert StrategyBrokerAllocation.objects.count() == 2


def test_the_state_that_applies_is_shown(api, user, path, pair):
    set_trading_state(
        user=user, scope="basket", target=pair.strategy.basket, state="reducing", reason="lunch",
        by=user, now=NOW,
    )  # fmt: skip

    body = api.patch(path, {"lots": 1}, format="json").json()

    assert body["state"] == {"state": "reducing", "scope": "basket", "reason": "lunch"}


def test_the_matrix_is_saved_as_a_whole(api, user, strategy, account, pair):
    second = make_account(user, broker="angelone")
    rows = [cell(strategy, account, lots=1), cell(strategy, second, lots=3)]
    read = api.get(matrix_path(strategy))

    saved = api.put(matrix_path(strategy), {"rows": rows}, format="json", HTTP_IF_MATCH=read["ETag"])

    assert saved.status_code == 200
    assert [row["lots"] for row in saved.json()["rows"]] == [1, 3]
    assert api.get(matrix_path(strategy)).json() == saved.json()
    assert saved["ETag"] != read["ETag"]


def test_a_pair_left_out_of_the_matrix_is_archived(api, strategy, pair):
    saved = api.put(matrix_path(strategy), {"rows": []}, format="json")

    assert (saved.status_code, saved.json()["rows"]) == (200, [])
    pair.refresh_from_db()
    assert pair.archived_at is not None


def test_one_wrong_cell_saves_nothing(api, user, strategy, account, pair):
    second = make_account(user, broker="angelone")
    rows = [cell(strategy, account, lots=1), cell(strategy, second, lots=9)]

    answer = api.put(matrix_path(strategy), {"rows": rows}, format="json")

    assert (answer.status_code, pointers(answer)) == (422, {"/rows/1/lots"})
    pair.refresh_from_db()
    assert pair.lots == 2
    assert StrategyBrokerAllocation.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"lots": -1}, "/rows/0/lots"),
        ({"strategy_id": 999999}, "/rows/0/strategy_id"),
        ({"broker_account_id": 999999}, "/rows/0/broker_account_id"),
        ({"colour": "red"}, "/rows/0/colour"),
    ],
)
def test_a_wrong_cell_of_the_matrix_is_named(api, strategy, account, change, pointer):
    answer = api.put(matrix_path(strategy), {"rows": [cell(strategy, account, **change)]}, format="json")

    assert (answer.status_code, pointers(answer)) == (422, {pointer})


def test_a_pair_stands_once_in_the_matrix(api, strategy, account):
    rows = [cell(strategy, account)] * 2

    assert pointers(api.put(matrix_path(strategy), {"rows": rows}, format="json")) == {"/rows/1"}


def test_a_matrix_that_moved_is_not_overwritten(api, strategy, account, pair, path):
    read = api.get(matrix_path(strategy))
    api.patch(path, {"lots": 4}, format="json")

    answer = api.put(
        matrix_path(strategy), {"rows": []}, format="json", HTTP_IF_MATCH=read["ETag"]
    )

    assert answer.status_code == 412
    pair.refresh_from_db()
    assert (pair.lots, pair.archived_at) == (4, None)


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
