import json

import pytest

from optionsplatform import environments
from optionsplatform.environments import WrongEnvironment, load


def changed(tmp_path, **values):
    document = json.loads(environments.FILE.read_text())
    document["dev"] |= values
    file = tmp_path / "environments.json"
    file.write_text(json.dumps(document))
    return file


@pytest.mark.parametrize(("name", "days"), [("dev", 7), ("staging", 30), ("prod", 90)])
def test_logs_are_kept_for_the_days_of_their_environment(name, days):
    assert load(name).log_retention_days == days


@pytest.mark.parametrize("name", environments.NAMES)
def test_every_environment_has_the_documented_values(name):
    platform = load(name)

    assert platform.market_data_ttl_seconds == 300
    assert platform.max_strategies_per_basket == 10
    assert platform.max_legs_per_strategy == 6
    assert platform.execution_timeout_seconds == 30
    assert platform.enable_realtime_websocket is True
    assert platform.enable_paper_trading is True
    assert platform.indian_market_config["indices"] is None


@pytest.mark.parametrize("key", [k for k, t in environments.TYPES.items() if t is int])
@pytest.mark.parametrize("wrong", ["7", 7.0, True, None, 0, -1])
def test_a_number_must_be_a_whole_number_above_zero(tmp_path, key, wrong):
    with pytest.raises(WrongEnvironment, match=f"dev.{key}"):
        load("dev", file=changed(tmp_path, **{key: wrong}))


@pytest.mark.parametrize("key", ["enable_realtime_websocket", "enable_paper_trading"])
@pytest.mark.parametrize("wrong", ["true", 1, None])
def test_a_switch_must_be_true_or_false(tmp_path, key, wrong):
    with pytest.raises(WrongEnvironment, match=f"dev.{key}"):
        load("dev", file=changed(tmp_path, **{key: wrong}))


def test_an_unknown_key_is_named(tmp_path):
    with pytest.raises(WrongEnvironment, match="dev has unknown keys: max_leg"):
        load("dev", file=changed(tmp_path, max_leg=6))


def test_a_missing_key_is_named(tmp_path):
    document = json.loads(environments.FILE.read_text())
    del document["dev"]["execution_timeout_seconds"]
    file = tmp_path / "environments.json"
    file.write_text(json.dumps(document))

    with pytest.raises(WrongEnvironment, match="dev lacks keys: execution_timeout_seconds"):
        load("dev", file=file)


def test_an_unknown_environment_names_the_known_ones():
    with pytest.raises(WrongEnvironment, match="'test' is unknown; use one of dev, staging, prod"):
        load("test")


def test_a_profile_brings_its_own_index_table(tmp_path):
    platform = load("dev", file=changed(tmp_path, market_profile="brief"))

    assert platform.indian_market_config["trading_start_time"] == "09:15"
    assert platform.indian_market_config["indices"]["NIFTY"] == {
        "lot_size": 25,
        "weekly_expiry": "Thursday",
    }


def test_an_unknown_profile_is_refused(tmp_path):
    with pytest.raises(WrongEnvironment, match="dev.market_profile 'old' is not under profiles"):
        load("dev", file=changed(tmp_path, market_profile="old"))
