from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from baskets.models import Basket
from baskets.selectors import baskets_of, visible_baskets
from baskets.services import archive_basket, end_entries
from strategies.models import StrategyVersion
from strategies.services import publish_basket
from tests.factories import (
    NOW,
    UserFactory,
    make_basket,
    make_curator,
    make_grant,
    make_published_basket,
    make_strategy,
)
from users.errors import Forbidden, Refused
from users.models import AuditEntry

pytestmark = pytest.mark.django_db


def test_a_basket_is_created(api, user):
    answer = api.post("/options/baskets", {"name": " Income "}, format="json")

    body = answer.json()
    assert answer.status_code == 201
    assert (body["name"], body["kind"], body["status"], body["read_only"]) == ("Income", "user", "active", False)
    assert api.get("/options/baskets").json() == {"data": [body], "next_cursor": None}
    assert AuditEntry.objects.get().owner == user


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": 7}, "/name"),
        ({"name": "x" * 121}, "/name"),
        ({"name": "Income", "kind": "admin"}, "/kind"),
        ({"name": "Taken"}, "/name"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_saved(api, user, sent, pointer):
    make_basket(user, name="Taken")

    answer = api.post("/options/baskets", sent, format="json")

    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {pointer}
    assert Basket.objects.count() == 1


def test_an_archived_name_may_be_used_again(user):
    archive_basket(by=user, basket=make_basket(user), source="test", now=NOW)

    assert baskets_of(user).count() == 0
    assert make_basket(user).name == "Conservative Income Strategies"


def test_the_marketplace_shows_what_is_published_and_nothing_else(api, user):
    curator = make_curator()
    published, _ = make_published_basket(curator)
    make_basket(curator, name="Draft", kind="admin")
    make_basket(user)

    rows = api.get("/options/baskets?source=marketplace").json()["data"]

    assert [(row["id"], row["read_only"]) for row in rows] == [(published.pk, True)]
    assert api.get("/options/baskets?source=elsewhere").status_code == 422


def test_lists_are_read_in_pages(api, user):
    ids = [make_basket(user, name=f"Basket {n}").pk for n in range(3)]

    first = api.get("/options/baskets?limit=2").json()
    rest = api.get(f"/options/baskets?limit=2&cursor={first['next_cursor']}").json()

    assert [row["id"] for row in first["data"] + rest["data"]] == ids[::-1]
    assert rest["next_cursor"] is None
    assert api.get("/options/baskets?limit=101").status_code == 422


def test_the_signed_out_see_nothing():
    assert APIClient().get("/options/baskets").status_code in (401, 403)
    assert APIClient().post("/options/baskets", {"name": "x"}, format="json").status_code in (401, 403)


def test_a_user_makes_no_marketplace_basket(user):
    with pytest.raises(Refused) as refused:
        make_basket(user, kind="admin")

    assert refused.value.field == "kind"


def test_a_published_version_never_changes(user):
    curator = make_curator()
    basket, first = make_published_basket(curator)
    make_strategy(basket, preset="iron_fly")

    second = publish_basket(by=curator, basket=basket, source="test", now=NOW)

    first.refresh_from_db()
    assert [len(version.contents) for version in (first, second)] == [1, 2]
    assert (first.number, second.number) == (1, 2)
    assert second.contents[1]["strategy_version"] == StrategyVersion.objects.latest("pk").pk


def test_a_users_own_basket_is_not_published(user):
    basket = make_basket(user)
    make_strategy(basket)

    with pytest.raises(Refused):
        publish_basket(by=user, basket=basket, source="test", now=NOW)


def test_a_published_basket_may_be_read_but_not_changed(api):
    basket, _ = make_published_basket(make_curator())
    path = f"/options/baskets/{basket.pk}"

    shown = api.get(path).json()
    changed = api.patch(path, {"name": "Mine"}, format="json")

    assert len(shown["strategies"]) == 1
    assert (changed.status_code, changed.json()["code"]) == (403, "read_only_basket")


def test_a_draft_of_a_curator_is_nobody_elses(api):
    basket = make_basket(make_curator(), kind="admin")

    assert api.get(f"/options/baskets/{basket.pk}").status_code == 404


def test_a_stranger_may_not_archive(user):
    with pytest.raises(Forbidden):
        archive_basket(by=UserFactory(), basket=make_basket(user), source="test", now=NOW)


def test_a_grant_shows_the_basket_and_ends_entries_once(user):
    basket, version = make_published_basket(make_curator())
    make_grant(user, version)
    assert list(visible_baskets(user)) == [basket]

    ended = end_entries(user=user, basket=basket, by=user, source="test", now=NOW)
    again = end_entries(user=user, basket=basket, by=user, source="test", now=NOW + timedelta(1))

    assert ended.entries_until == again.entries_until == NOW
    assert list(visible_baskets(user)) == [basket]


def test_granting_again_moves_the_version(user):
    curator = make_curator()
    basket, first = make_published_basket(curator)
    second = publish_basket(by=curator, basket=basket, source="test", now=NOW)

    make_grant(user, first)
    moved = make_grant(user, second)

    assert (moved.version, user.basket_grants.count()) == (second, 1)
