
import pytest
from django.conf import settings

from strategies.models import Strategy, StrategyVersion
from tests.factories import (
    make_basket,
    make_strategy,
)
from tests.integration.strategies.sent import SPREAD, without
from users.models import AuditEntry

pytestmark = pytest.mark.django_db

NO_STOPS = {
    "stop": None, "stop_unit": "points", "target": None, "target_unit": "points", "trail": "none",
    "trail_every": None, "trail_by": None,
}  # fmt: skip
STOPPED = {"stop": "30", "stop_unit": "percent"}


def with_leg(index=0, **changes):
    legs = [dict(leg) for leg in SPREAD["legs"]]
    legs[index] |= changes
    return SPREAD | {"legs": legs}


def with_stops(**changes):
    legs = [dict(leg) | STOPPED for leg in SPREAD["legs"]]
    return SPREAD | {"legs": legs} | changes


NAKED = SPREAD | {"legs": SPREAD["legs"][1:], "naked_puts": 1}


def naked(**leg):
    return NAKED | {"legs": [SPREAD["legs"][1] | leg], "stop_at_broker": True}


def pointers(answer):
    return {error["pointer"] for error in answer.json()["errors"]}


def test_a_strategy_is_created_from_legs(api, basket):
    answer = api.post(f"/options/baskets/{basket.pk}/strategies", SPREAD, format="json")

    body = answer.json()
    assert answer.status_code == 201
    assert (body["name"], body["version"], body["read_only"]) == ("Bull Put Spread", 1, False)
    assert body["entry_time"] == "09:20:00"
    assert body["legs"] == [
        {"number": 1, "side": "BUY", "ratio": 1, "option_type": "PE", "strike_rule": "atm", "strike_value": "-4", "expiry_rule": "this_month", "expiry_date": None, **NO_STOPS},
        {"number": 2, "side": "SELL", "ratio": 1, "option_type": "PE", "strike_rule": "atm", "strike_value": "0", "expiry_rule": "this_month", "expiry_date": None, **NO_STOPS},
    ]  # fmt: skip
    assert api.get(f"/options/strategies/{body['id']}").json() == body


def test_a_preset_makes_a_strategy_in_one_request(api, basket):
    sent = {"preset": "covered_call", "underlying": "BANKNIFTY"}

    body = api.post(f"/options/baskets/{basket.pk}/strategies", sent, format="json").json()

    assert (body["name"], body["at_expiry"], body["exit_time"]) == ("Covered Call", "roll", None)
    assert [leg["option_type"] for leg in body["legs"]] == ["FUT", "CE"]


def test_a_preset_may_be_changed_as_it_is_created(api, basket):
    sent = {"preset": "iron_condor", "underlying": "NIFTY", "width": 2, "exit_time": "15:00"}

    body = api.post(f"/options/baskets/{basket.pk}/strategies", sent, format="json").json()

    assert body["exit_time"] == "15:00:00"
    assert [leg["strike_value"] for leg in body["legs"]] == ["6", "-6", "4", "-4"]


def test_every_preset_can_be_created_on_every_underlying(user):
    from strategies.presets import PRESETS

    for number, (key, underlying) in enumerate(
        (key, underlying) for key in PRESETS for underlying in ("NIFTY", "BANKNIFTY", "SENSEX")
    ):
        make_strategy(make_basket(user, name=f"Basket {number}"), preset=key, underlying=underlying)

    assert Strategy.objects.count() == 3 * len(PRESETS)


def test_the_presets_are_listed(api):
    data = api.get("/options/presets").json()["data"]

    assert len(data) == 17
    assert data[4]["key"] == "iron_condor"
    assert data[4]["legs"][0]["side"] == "BUY"


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        (SPREAD | {"colour": "red"}, "/colour"),
        (SPREAD | {"name": 7}, "/name"),
        (SPREAD | {"name": " "}, "/name"),
        (SPREAD | {"underlying": "DAX"}, "/underlying"),
        (SPREAD | {"entry_time": "soon"}, "/entry_time"),
        (SPREAD | {"entry_time": "08:00"}, "/entry_time"),
        (SPREAD | {"exit_time": "09:00"}, "/exit_time"),
        (SPREAD | {"exit_time": "09:16"}, "/exit_time"),
        (SPREAD | {"weekdays": []}, "/weekdays"),
        (SPREAD | {"day_rule": "days_before_expiry"}, "/days_before"),
        (SPREAD | {"stop_loss": "-5.00"}, "/stop_loss"),
        (SPREAD | {"take_profit": 12.5}, "/take_profit"),
        (SPREAD | {"at_expiry": "roll", "exit_time": None}, "/roll_time"),
        (SPREAD | {"at_expiry": "roll", "roll_time": "15:00"}, "/at_expiry"),
        (SPREAD | {"legs": []}, "/legs"),
        (SPREAD | {"legs": SPREAD["legs"] * 3 + SPREAD["legs"][:1]}, "/legs"),
        (SPREAD | {"legs": SPREAD["legs"][1:]}, "/naked_puts"),
        (SPREAD | {"cash_secured": True}, "/cash_secured"),
        (without(SPREAD, "legs"), "/legs"),
        (without(SPREAD, "entry_time"), "/entry_time"),
        (without(SPREAD, "underlying"), "/underlying"),
        (without(SPREAD, "name"), "/name"),
        ({"preset": "wheel", "underlying": "NIFTY"}, "/preset"),
        (SPREAD | {"stop_loss": "0"}, "/stop_loss"),
        (SPREAD | {"trail": "continuous"}, "/trail"),
        (SPREAD | {"stop_loss": "900", "trail": "stepped"}, "/trail_every"),
        (SPREAD | {"stop_loss": "900", "trail": "stepped", "trail_every": "50", "trail_by": "60"}, "/trail_by"),
        (SPREAD | {"stop_loss": "900", "trail_every": "50"}, "/trail_every"),
        (SPREAD | {"stop_loss": "90", "stop_loss_unit": "underlying", "trail": "continuous"}, "/trail"),
        (SPREAD | {"stop_loss": "90", "stop_loss_unit": "feet"}, "/stop_loss_unit"),
        (SPREAD | {"lock_at": "500", "lock_profit": "500"}, "/lock_profit"),
        (SPREAD | {"lock_at": "500"}, "/lock_profit"),
        (SPREAD | {"lock_profit": "500"}, "/lock_at"),
        (SPREAD | {"lock_at": "500", "lock_profit": "100", "lock_every": "50"}, "/lock_by"),
        (SPREAD | {"lock_at": "500", "lock_profit": "100", "take_profit": "500"}, "/lock_at"),
        (SPREAD | {"on_leg_stop": "strategy"}, "/on_leg_stop"),
        (SPREAD | {"break_even": True}, "/break_even"),
        (with_stops(on_leg_stop="strategy", break_even=True), "/break_even"),
        (with_stops(confirm_frames=0), "/confirm_frames"),
        (with_stops(stop_at_broker=True), "/stop_at_broker"),
        (NAKED | {"stop_at_broker": True}, "/stop_at_broker"),
        (naked(stop="20", stop_unit="underlying"), "/stop_at_broker"),
        (with_leg(stop="0"), "/legs/0/stop"),
        (with_leg(stop=30.5), "/legs/0/stop"),
        (with_leg(stop="-1"), "/legs/0/stop"),
        (with_leg(stop="100", stop_unit="percent"), "/legs/0/stop"),
        (with_leg(1, target="100", target_unit="percent"), "/legs/1/target"),
        (with_leg(1, trail="continuous"), "/legs/1/trail"),
        (with_leg(1, stop="30", trail="stepped", trail_every="10"), "/legs/1/trail_by"),
        (with_leg(ratio=0), "/legs/0/ratio"),
        (with_leg(ratio=1.5), "/legs/0/ratio"),
        (with_leg(side="HOLD"), "/legs/0/side"),
        (with_leg(1, colour="red"), "/legs/1/colour"),
        (with_leg(strike_value=None), "/legs/0/strike_value"),
        (with_leg(strike_value="1.5"), "/legs/0/strike_value"),
        (with_leg(strike_rule="fixed", strike_value="24512"), "/legs/0/strike_value"),
        (with_leg(strike_rule="delta", strike_value="2"), "/legs/0/strike_value"),
        (with_leg(option_type="FUT"), "/legs/0/strike_rule"),
        (with_leg(expiry_rule="fixed"), "/legs/0/expiry_date"),
        (with_leg(expiry_rule="fixed", expiry_date="2026-08-12"), "/legs/0/expiry_date"),
        (with_leg(expiry_rule="tomorrow"), "/legs/0/expiry_rule"),
        (with_leg(expiry_rule="this_week") | {"underlying": "BANKNIFTY"}, "/legs/0/expiry_rule"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_saved(api, basket, sent, pointer):
    answer = api.post(f"/options/baskets/{basket.pk}/strategies", sent, format="json")

    assert answer.status_code == 422
    assert pointer in pointers(answer)
    assert Strategy.objects.count() == 0


def test_a_name_is_used_once_in_a_basket(api, basket, strategy):
    sent = SPREAD | {"name": strategy.name}

    answer = api.post(f"/options/baskets/{basket.pk}/strategies", sent, format="json")

    assert (answer.status_code, pointers(answer)) == (422, {"/name"})


def test_a_basket_takes_ten_strategies(api, basket):
    for number in range(10):
        make_strategy(basket, name=f"Condor {number}")

    answer = api.post(f"/options/baskets/{basket.pk}/strategies", SPREAD, format="json")

    assert (answer.status_code, pointers(answer)) == (422, {"/strategies"})
    assert Strategy.objects.count() == 10


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [("max_strategies_per_basket", 1, 422), ("max_legs_per_strategy", 1, 422), ("max_legs_per_strategy", 2, 201)],
)
def test_the_platforms_limits_are_settings(api, basket, strategy, monkeypatch, key, value, status):
    from dataclasses import replace

    monkeypatch.setattr(settings, "PLATFORM", replace(settings.PLATFORM, **{key: value}))

    answer = api.post(f"/options/baskets/{basket.pk}/strategies", SPREAD, format="json")

    assert answer.status_code == status


def test_the_platforms_session_times_bound_the_schedule(api, basket, monkeypatch):
    from dataclasses import replace

    config = settings.PLATFORM.indian_market_config | {"trading_start_time": "10:00"}
    monkeypatch.setattr(settings, "PLATFORM", replace(settings.PLATFORM, indian_market_config=config))

    answer = api.post(f"/options/baskets/{basket.pk}/strategies", SPREAD, format="json")

    assert pointers(answer) == {"/entry_time"}


def test_editing_writes_a_new_version_and_keeps_the_old(api, strategy):
    body = api.patch(f"/options/strategies/{strategy.pk}", {"exit_time": "15:00"}, format="json").json()

    assert (body["version"], body["exit_time"]) == (2, "15:00:00")
    assert len(body["legs"]) == 4
    first, second = StrategyVersion.objects.filter(strategy=strategy).order_by("number")
    assert (str(first.exit_time), str(second.exit_time)) == ("15:10:00", "15:00:00")
    entry = AuditEntry.objects.get(action="strategy.revise")
    assert (entry.before["exit_time"], entry.after["exit_time"]) == ("15:10:00", "15:00:00")


def test_renaming_is_no_new_version(api, strategy):
    body = api.patch(f"/options/strategies/{strategy.pk}", {"name": "Weekly Condor"}, format="json").json()

    assert (body["name"], body["version"]) == ("Weekly Condor", 1)


def test_putting_replaces_everything(api, strategy):
    sent = without(SPREAD, "underlying", "exit_time")

    body = api.put(f"/options/strategies/{strategy.pk}", sent, format="json").json()

    assert (body["version"], body["exit_time"], len(body["legs"])) == (2, None, 2)


def test_stops_are_sent_and_read_back_as_they_are(api, basket):
    sent = with_stops(stop_loss="2500", trail="continuous", break_even=True, lock_at="1500", lock_profit="0")

    body = api.post(f"/options/baskets/{basket.pk}/strategies", sent, format="json").json()

    assert (body["stop_loss"], body["stop_loss_unit"], body["trail"]) == ("2500.00", "rupees", "continuous")
    assert (body["break_even"], body["lock_at"], body["lock_profit"]) == (True, "1500.00", "0.00")
    assert body["confirm_frames"] == 2
    assert {name: body["legs"][1][name] for name in STOPPED} == STOPPED


def test_stops_of_naked_shorts_may_rest_at_the_broker_and_do_not_unless_asked(api, basket):
    path = f"/options/baskets/{basket.pk}/strategies"

    asked = api.post(path, naked(stop="20", stop_unit="percent"), format="json").json()
    usual = api.post(path, SPREAD | {"name": "Spread"}, format="json").json()

    assert (asked["stop_at_broker"], usual["stop_at_broker"]) == (True, False)


def test_putting_needs_everything(api, strategy):
    answer = api.put(f"/options/strategies/{strategy.pk}", {"name": "Less"}, format="json")

    assert pointers(answer) == {"/legs", "/entry_time"}


def test_deleting_archives(api, strategy):
    assert api.delete(f"/options/strategies/{strategy.pk}").status_code == 204

    assert api.get(f"/options/strategies/{strategy.pk}").status_code == 404
    assert Strategy.objects.get(pk=strategy.pk).archived_at is not None


def test_a_basket_shows_its_strategies(api, basket, strategy):
    body = api.get(f"/options/baskets/{basket.pk}").json()

    assert body["name"] == basket.name
    assert [(s["id"], len(s["legs"])) for s in body["strategies"]] == [(strategy.pk, 4)]


def test_a_basket_is_renamed_and_archived(api, basket):
    path = f"/options/baskets/{basket.pk}"

    assert api.patch(path, {"name": "Weekly income"}, format="json").json()["name"] == "Weekly income"
    assert api.put(path, {"name": "Income", "description": "x"}, format="json").json()["description"] == "x"
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404
