"""Adjust over the API and on its page: a preview writes nothing, the plan that was seen is what runs."""

from decimal import Decimal

import pytest
from django.test import Client
from rest_framework.test import APIRequestFactory, force_authenticate

from execution.api import adjust as api
from execution.models import Order, StrategyExecution
from execution.views import adjust as page
from tests.integration.execution.api.conftest import engine_desk

PATH = "/options/allocations/{}/adjust"


@pytest.fixture
def condor(traded):
    return traded.pair("Iron Condor", "zerodha")


def short_call(desk, pair) -> str:
    return next(s for s, units in desk.held(pair).items() if s.endswith("CE") and units < 0)


def previewed(desk, user, pair, **body):
    request = APIRequestFactory().post("/", body, format="json")
    force_authenticate(request, user)
    answer = api.Preview.as_view(desk=lambda: engine_desk(desk))(request, allocation_id=pair.pk)
    answer.render()
    return answer.data


def test_a_shift_is_previewed_then_carried_out_as_it_was_shown(traded, owner, mine, condor):
    short = short_call(traded, condor)
    body = {"act": "shift", "contract": short, "steps": 2}

    shown = previewed(traded, owner, condor, **body)
    assert (shown["goes"], shown["denial"]) == (True, None)
    assert [(o["wave"], o["side"], o["quantity"]) for o in shown["orders"]] == [(1, "BUY", 130), (2, "SELL", 130)]
    assert Decimal(shown["margin_after"]) <= Decimal(shown["margin_before"])
    assert Decimal(shown["orders"][0]["premium"]) > 0 > Decimal(shown["orders"][1]["premium"])
    assert not StrategyExecution.objects.filter(phase="adjust").exists()

    answer = mine.post(PATH.format(condor.pk), body, format="json", HTTP_IDEMPOTENCY_KEY="a-1")
    assert answer.status_code == 201, answer.content
    assert (answer.json()["phase"], answer.json()["status"]) == ("adjust", "due")
    traded.at(9, 21, 5)
    traded.at(9, 21, 10)

    sent = Order.objects.filter(execution__phase="adjust").order_by("pk").select_related("contract")
    assert [(o.side, o.contract.symbol, o.status) for o in sent] == [
        (row["side"], row["contract"], "FILLED") for row in shown["orders"]
    ]


WRONG = [
    ({"act": "roll", "contract": "short"}, "/act"),
    ({"act": "shift", "contract": "short"}, "/steps"),
    ({"act": "shift", "contract": "short", "steps": 1.5}, "/steps"),
    ({"act": "shift", "contract": "short", "steps": 200}, "/steps"),
    ({"act": "exit", "contract": "NIFTY-20260804-20000-CE"}, "/contract"),
    ({"act": "exit", "contract": "short", "lots": 1}, "/act"),
    ({"act": "add", "contract": "NIFTY-20260804-24000-CE", "side": "BUY"}, "/lots"),
    ({"act": "add", "contract": "NIFTY-20260804-24000-CE", "side": "BUY", "lots": 0}, "/lots"),
    ({"act": "exit", "contract": "short", "colour": "red"}, "/colour"),
    ({"act": "exit", "contract": "hedge"}, "/contract"),
]


def test_what_is_wrong_is_named_and_nothing_is_written(traded, mine, condor):
    held = traded.held(condor)
    names = {
        "short": short_call(traded, condor),
        "hedge": next(s for s, units in held.items() if s.endswith("CE") and units > 0),
    }

    for number, (body, pointer) in enumerate(WRONG):
        sent = {**body, "contract": names.get(body["contract"], body["contract"])}
        answer = mine.post(PATH.format(condor.pk), sent, format="json", HTTP_IDEMPOTENCY_KEY=f"w-{number}")
        assert answer.status_code == 422, (body, answer.content)
        assert pointer in {error["pointer"] for error in answer.json()["errors"]}, body
    assert not StrategyExecution.objects.filter(phase="adjust").exists()


def test_a_stranger_does_not_find_the_pair(traded, theirs, condor):
    for path in (PATH, PATH + "/preview"):
        answer = theirs.post(path.format(condor.pk), {}, format="json", HTTP_IDEMPOTENCY_KEY="a-1")
        assert answer.status_code == 404


def test_the_page_shows_the_plan_and_its_second_post_carries_it_out(traded, owner, condor):
    short = short_call(traded, condor)
    browser = Client()
    browser.force_login(owner)
    assert f'value="{short}"' in browser.get(f"/pairs/{condor.pk}/adjust").content.decode()

    def post(**sent):
        request = browser.post(f"/pairs/{condor.pk}/adjust").wsgi_request
        request.POST = sent
        return page.adjust(request, condor.pk, desk_of=lambda: engine_desk(traded))

    shown = post(act="exit", contract=short).content.decode()
    assert "Do this" in shown
    assert f"BUY {short}" in shown
    assert not StrategyExecution.objects.filter(phase="adjust").exists()
    done = post(act="exit", contract=short, confirmed="on")

    run = StrategyExecution.objects.get(phase="adjust")
    assert (done.status_code, done["Location"]) == (302, f"/executions/{run.pk}")
    assert (run.plan["close"], run.plan["legs"]) == (short, [])
