import pytest

from allocations.models import StrategyBrokerAllocation
from allocations.services import set_trading_state
from tests.factories import (
    NOW,
    UserFactory,
    make_account,
)
from tests.integration.allocations.sent import LIMITS, pointers
from users.models import AuditEntry

pytestmark = pytest.mark.django_db


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


def test_a_pair_has_exits_of_its_own(api, strategy, account):
    own = {"stop_loss": "1500.00", "take_profit": None, "trail": "stepped", "trail_every": "400.00",
           "trail_by": "200.00"}  # fmt: skip
    path = f"/options/strategies/{strategy.pk}/brokers"
    body = api.post(path, {"broker_account_id": account.pk, **LIMITS, **own}, format="json").json()

    assert {name: body[name] for name in own} == own
    cleared = {"stop_loss": None, "trail": "", "trail_every": None, "trail_by": None}
    after = api.patch(f"{path}/{body['id']}", cleared, format="json").json()
    assert {name: after[name] for name in cleared} == cleared


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
        ({"stop_loss": "0"}, "/stop_loss"),
        ({"take_profit": "-1.00"}, "/take_profit"),
        ({"trail": "continuous"}, "/trail"),
        ({"stop_loss": "900", "trail": "stepped", "trail_every": "50"}, "/trail_by"),
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
