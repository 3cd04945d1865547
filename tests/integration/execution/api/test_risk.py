"""Stopping over the API: it always works, only in one's own scopes, and hands over to the workers."""

from __future__ import annotations

import pytest
from kombu.exceptions import OperationalError
from rest_framework.test import APIClient

from allocations.models import TradingState
from execution.engine.desk import Work, WorkKind
from execution.models import Order, StrategyExecution
from execution.tasks import hand_over
from market import quotes
from tests.factories import make_account
from tests.integration.execution.api.conftest import queued
from users.api.throttling import KeyThrottle

VERBS = ["pause", "resume", "exit", "square-off", "kill"]


def act(client, verb, scope="user", target=None, **headers):
    body = {"scope": scope} if target is None else {"scope": scope, "target": target}
    return client.post(f"/options/risk/{verb}", body, format="json", **headers)


def forget_queue():
    quotes.connection().delete("orders")


def test_a_kill_closes_everything_and_lets_nothing_in_again(
    traded, mine, django_capture_on_commit_callbacks
):
    forget_queue()
    with django_capture_on_commit_callbacks(execute=True):
        answer = act(mine, "kill")

    exits = answer.json()["exits"]
    assert answer.status_code == 200, answer.content
    assert {(row["phase"], row["cause"], row["status"]) for row in exits} == {("exit", "kill", "due")}
    assert len(exits) == 5
    assert queued("orders") == sorted(("exit", row["id"]) for row in exits)
    assert TradingState.objects.get().state == "halted"
    traded.at(9, 22)
    for run in StrategyExecution.objects.filter(phase="exit"):
        assert traded.held(run.allocation) == {}
    traded.at(9, 23)
    assert StrategyExecution.objects.filter(phase="entry").count() == 5
    forget_queue()


def test_a_kill_of_one_pair_leaves_its_neighbours(traded, mine):
    pair, other = traded.pair("Iron Condor", "zerodha"), traded.pair("Iron Condor", "angelone")

    answer = act(mine, "kill", "pair", pair.pk)

    assert [row["allocation_id"] for row in answer.json()["exits"]] == [pair.pk]
    traded.at(9, 22)
    assert traded.held(pair) == {}
    assert len(traded.held(other)) == 4


def test_a_kill_does_not_fail_when_the_workers_cannot_be_reached():
    def unreachable(works):
        raise OperationalError("connection refused")

    hand_over([Work(WorkKind.START, 1)], enqueue=unreachable)


def test_stopping_is_never_throttled(desk, program, monkeypatch):
    monkeypatch.setattr(KeyThrottle, "get_rate", lambda self: "2/min")
    key = program("trade")

    assert [key.get("/options/risk").status_code for _ in range(3)] == [200, 200, 429]
    assert [act(key, verb).status_code for verb in VERBS] == [200] * 5


def test_an_exit_keeps_the_scope_active_and_a_square_off_leaves_it_reducing(traded, mine):
    condor, put = traded.pair("Iron Condor", "zerodha"), traded.pair("Cash Secured Put", "finvasia")

    act(mine, "exit", "pair", condor.pk)
    act(mine, "square-off", "pair", put.pk)

    shown = {row["target"]: row for row in mine.get("/options/risk").json()["data"] if row["scope"] == "pair"}
    assert (shown[condor.pk]["state"], shown[condor.pk]["open_positions"]) == ("active", 4)
    assert (shown[put.pk]["state"], shown[put.pk]["reason"]) == ("reducing", "squared off")
    traded.at(9, 22)
    assert traded.held(condor) == traded.held(put) == {}


def test_pausing_stops_entries_until_resumed(desk, mine):
    pair = desk.pair("Covered Call", "zerodha")
    assert act(mine, "pause", "strategy", pair.strategy_id).json()["exits"] == []
    desk.at(9, 20)

    assert desk.run(pair).code == "REDUCING"
    [row] = [r for r in mine.get("/options/risk").json()["data"]
             if (r["scope"], r["target"]) == ("strategy", pair.strategy_id)]  # fmt: skip
    assert (row["state"], row["state_scope"], row["reason"]) == ("reducing", "strategy", "paused")
    act(mine, "resume", "strategy", pair.strategy_id)
    assert TradingState.objects.get().state == "active"


def test_the_same_key_kills_once_and_tells_the_same_again(traded, mine):
    first, second = (act(mine, "kill", HTTP_IDEMPOTENCY_KEY="kill-1") for _ in range(2))

    assert first.json() == second.json()
    assert second["Idempotent-Replayed"] == "true"
    assert StrategyExecution.objects.filter(phase="exit").count() == 5


@pytest.mark.parametrize("verb", VERBS)
def test_another_users_scope_is_not_found(desk, theirs, verb):
    pair = desk.pair("Iron Condor", "zerodha")
    scopes = {
        "pair": pair.pk, "strategy": pair.strategy_id, "basket": pair.strategy.basket_id,
        "account": pair.broker_account_id,
    }  # fmt: skip

    for scope, target in scopes.items():
        assert act(theirs, verb, scope, target).status_code == 404, scope
    assert not TradingState.objects.exists()


def test_a_stranger_stops_only_their_own(traded, theirs):
    assert act(theirs, "kill").json()["exits"] == []

    assert not Order.objects.filter(action="close").exists()
    assert [row["scope"] for row in theirs.get("/options/risk").json()["data"]] == ["user"]


def test_who_may_not_stop(desk, program):
    for verb in VERBS:
        assert act(APIClient(), verb).status_code == 401
        assert act(program("read"), verb).status_code == 403
    assert not TradingState.objects.exists()


def test_a_paper_key_stops_paper_scopes_only(desk, owner, program):
    live = make_account(owner, mode="live")
    pair = desk.pair("Iron Condor", "zerodha")
    paper = program("paper")

    for verb in VERBS:
        refused = [act(paper, verb), act(paper, verb, "account", live.pk)]
        assert [(r.status_code, r.json()["code"]) for r in refused] == [(403, "paper_key")] * 2
    assert not TradingState.objects.exists()
    assert act(paper, "pause", "pair", pair.pk).status_code == 200
    assert act(program("trade"), "kill", "account", live.pk).status_code == 200


def test_without_a_world_a_kill_still_halts_and_there_is_nothing_to_close(api, user):
    answer = act(api, "kill")

    assert (answer.status_code, answer.json()["exits"]) == (200, [])
    assert TradingState.objects.get(user=user, scope="user").state == "halted"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/scope"),
        ({"scope": "installation"}, "/scope"),
        ({"scope": "moon", "target": 1}, "/scope"),
        ({"scope": "pair"}, "/target"),
        ({"scope": "pair", "target": "x"}, "/target"),
        ({"scope": "pair", "target": 1.5}, "/target"),
        ({"scope": "user", "target": 1}, "/target"),
        ({"scope": "user", "force": True}, "/force"),
    ],
)
def test_a_bad_scope_is_named_and_nothing_is_stopped(api, body, pointer):
    answer = api.post("/options/risk/kill", body, format="json")

    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {pointer}
    assert not TradingState.objects.exists()
