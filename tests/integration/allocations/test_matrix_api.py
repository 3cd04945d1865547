import pytest

from allocations.models import StrategyBrokerAllocation
from tests.factories import (
    make_account,
)
from tests.integration.allocations.sent import cell, matrix_path, pointers

pytestmark = pytest.mark.django_db


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
