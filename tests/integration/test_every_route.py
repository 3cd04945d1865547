"""Every URL of the resolver by every method: signed out, as a stranger, as the owner, with keys.

The routes are read from the resolver, so a new one is walked without being named here. One whose
address needs an object that tests/integration/everything.py has none of fails until it has one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from tests.factories import make_api_key
from tests.integration import everything
from tests.integration.routes import METHODS, Route, every_route, in_area

pytestmark = pytest.mark.django_db

API = in_area("options")
PAGES = in_area("pages")
ADMIN = in_area("admin")
ACCOUNTS = in_area("accounts")

#: Anybody may read how the API is used, and whether the installation is up.
PUBLIC = {"schema", "docs"}
HEALTH = {"healthz", "readyz", "metrics"}
ELSEWHERE = "options/%(rest)s"
#: What everybody signed in may see: the marketplace's offer, not a row of the owner.
SHARED = {"listing", "page-listing"}
#: Pages that are only sent to.
SENT_ONLY = {"page-read-notice", "page-revoke-key", "page-archive-account", "page-archive-basket",
             "page-archive-strategy", "page-subscription-choice", "page-reconciliation-look",
             "page-reconciliation-settle", "page-reconciliation-adopt", "page-add-channel",
             "page-end-channel", "page-test-channel"}  # fmt: skip
#: What a read key may POST to, because it only calculates or marks as read.
CALCULATIONS = {"notice-read", "market-payoff", "allocations-preview", "allocations-propose",
                "allocation-adjust-preview", "live-ticket"}
#: Only for the browser.
SESSION_ONLY = {"api-keys", "api-key", "alarm-channels", "alarm-channel", "alarm-channel-test"}
#: What has to be asked along.
QUERY = {
    "market-chain": "?underlying=NIFTY", "market-contracts": "?underlying=NIFTY",
    "market-smile": "?underlying=NIFTY", "market-term-structure": "?underlying=NIFTY",
    "market-calendar": "?exchange=NSE&from=2026-07-27&to=2026-07-31",
    "page-risk-verb": "?scope=user&target=", "page-risk-done": "?scope=user&target=",
    "page-risk-limit": "?scope=user&target=",
}  # fmt: skip
#: The owner's GET, where it is not a 200: no simulator runs here.
EXPECTED = {"broker-account-funds": 503}

PRIVATE_API = [route for route in API if route.name not in PUBLIC and route.template != ELSEWHERE]
ANSWERED = [(route, method) for route in PRIVATE_API for method in route.methods]
WRITES = [(route, method) for route, method in ANSWERED if method != "get"]
OBJECTS = [(route, method) for route, method in ANSWERED if route.names and route.name not in SHARED]
LISTS = [r for r in PRIVATE_API if not r.names and "get" in r.methods]


#: Where the admin signs in and out is django's, and public.
DOORS = ("admin/login/", "admin/logout/", "admin/jsi18n/")
SECTIONS = sorted({route.template.split("/")[1] for route in ADMIN if route.template not in DOORS})


def section(app: str) -> list[Route]:
    return [r for r in ADMIN if r.template.split("/")[1] == app and r.template not in DOORS]


def shown(value: object) -> str:
    return str(value)


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), everything.standing() as built:
        yield built


@pytest.fixture(autouse=True)
def _no_simulator(settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:9"


def as_user(user) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


def as_program(user, **key) -> APIClient:
    _, token = make_api_key(user, **key)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def ask(client: APIClient, route: Route, method: str, ids, body=None):
    """One JSON request, with an Idempotency-Key where something is written."""
    address = route.address(ids) + (QUERY.get(route.name, "") if method == "get" else "")
    if method == "get":
        return client.get(address)
    send = getattr(client, method)
    return send(address, body or {}, format="json", headers={"Idempotency-Key": f"walk-{route}"[:120]})


def problem(answer) -> str:
    assert answer["Content-Type"] == "application/problem+json", answer.content
    body = answer.json()
    assert {"type", "title", "status", "detail", "code", "fix", "request_id"} <= body.keys()
    assert body["status"] == answer.status_code
    return body["code"]


def test_every_area_of_the_resolver_is_walked():
    assert {route.area for route in every_route()} == {"options", "pages", "admin", "accounts"}
    assert len(PRIVATE_API) > 30
    assert len(PAGES) > 20


# --- signed out


@pytest.mark.parametrize("route", PRIVATE_API, ids=shown)
def test_the_api_answers_nobody_who_is_not_signed_in(route, world):
    for method in METHODS:
        answer = ask(APIClient(), route, method, world.ids)

        assert answer.status_code == 401, method
        assert problem(answer) == "not_signed_in"


@pytest.mark.parametrize("route", [r for r in PAGES if r.template not in HEALTH], ids=shown)
def test_a_page_sends_who_is_not_signed_in_to_the_sign_in(route, world):
    for method in ("get", "post"):
        answer = getattr(Client(), method)(route.address(world.ids))

        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/login/?next=")


@pytest.mark.parametrize("app", SECTIONS)
def test_the_admin_shows_nothing_to_who_is_not_staff(app, world):
    clients = (Client(), signed_in(world.owner))
    for route in section(app):
        address = route.address(admin_ids(route, world))
        for client, method in product(clients, ("get", "post")):
            answer = getattr(client, method)(address)

            assert answer.status_code in (302, 403), (route, method)
            if answer.status_code == 302:
                assert answer["Location"].startswith(("/admin/login/", "/accounts/")), route


@pytest.mark.parametrize("route", [r for r in PAGES if r.template in HEALTH], ids=shown)
def test_health_says_nothing_of_anybody(route, world):
    answer = Client().get(route.address(world.ids))

    assert answer.status_code in (200, 503)
    assert not any(mark in answer.content.decode() for mark in world.marks)


@pytest.mark.parametrize("route", [r for r in API if r.name in PUBLIC], ids=shown)
def test_the_documentation_says_nothing_of_anybody(route, world):
    answer = Client().get(route.address(world.ids))

    assert answer.status_code == 200
    assert not any(mark in answer.content.decode() for mark in (world.owner.email, world.key.prefix))


@pytest.mark.parametrize("method", METHODS)
def test_a_path_of_the_api_that_is_no_route_is_a_problem(method, world):
    for client in (APIClient(), as_user(world.owner)):
        answer = getattr(client, method)("/options/no/such/path")

        assert answer.status_code == 404
        assert problem(answer) == "not_found"


# --- a stranger


@pytest.mark.parametrize(("route", "method"), OBJECTS, ids=shown)
def test_a_stranger_finds_no_object_of_the_owner_by_any_method(route, method, world):
    client = as_user(world.stranger)
    with CaptureQueriesContext(connection) as queries:
        answer = ask(client, route, method, world.ids)

    assert answer.status_code == 404
    assert problem(answer) == "not_found"
    assert changes(queries) == []


@pytest.mark.parametrize("route", LISTS, ids=shown)
def test_a_list_shows_a_stranger_no_row_of_the_owner_and_the_owner_their_own(route, world):
    theirs = ask(as_user(world.stranger), route, "get", world.ids)
    mine = ask(as_user(world.owner), route, "get", world.ids)

    assert theirs.status_code == mine.status_code == 200
    assert not any(mark in theirs.content.decode() for mark in world.marks)
    assert mine.json().get("data", True) != []


FILTERED = ["executions", "orders", "positions", "risk-limits"]


@pytest.mark.parametrize("name", FILTERED)
def test_a_filter_by_the_owners_ids_finds_a_stranger_nothing(name, world):
    route = next(route for route in LISTS if route.name == name)
    address = route.address({})
    for parameter, id_ in (("basket", "basket_id"), ("strategy", "strategy_id"), ("allocation", "allocation_id")):
        asked = f"{address}?{parameter}={world.ids[id_]}"

        assert as_user(world.owner).get(asked).json()["data"] != []
        assert as_user(world.stranger).get(asked).json()["data"] == []


@pytest.mark.parametrize("verb", ["pause", "resume", "exit", "square-off", "kill"])
@pytest.mark.parametrize(
    ("scope", "id_"),
    [("account", "account_id"), ("basket", "basket_id"), ("strategy", "strategy_id"), ("pair", "allocation_id")],
)
def test_a_stranger_cannot_stop_or_start_what_is_the_owners(verb, scope, id_, world):
    client = as_user(world.stranger)
    with CaptureQueriesContext(connection) as queries:
        answer = client.post(
            f"/options/risk/{verb}", {"scope": scope, "target": world.ids[id_]}, format="json"
        )

    assert answer.status_code == 404
    assert changes(queries) == []


def test_a_stranger_cannot_allocate_to_the_owners_account(world):
    stranger = as_user(world.stranger)
    mine = stranger.post("/options/baskets", {"name": "Mine"}, format="json").json()["id"]
    made = stranger.post(
        f"/options/baskets/{mine}/strategies", {"preset": "iron_condor", "underlying": "NIFTY"},
        format="json",
    ).json()["id"]  # fmt: skip
    limits = {"lots": 1, "max_lots": 1, "max_day_loss": "1000.00", "max_margin": "100000.00",
              "max_open_positions": 4}  # fmt: skip
    pair = {"broker_account_id": world.ids["account_id"], **limits}

    alone = stranger.post(f"/options/strategies/{made}/brokers", pair, format="json")
    matrix = stranger.put(
        f"/options/baskets/{mine}/allocations", {"rows": [{"strategy_id": made, **pair}]}, format="json"
    )
    foreign = stranger.put(
        f"/options/baskets/{mine}/allocations",
        {"rows": [{**pair, "strategy_id": world.ids["strategy_id"]}]}, format="json",
    )  # fmt: skip
    strategy = world.subscription.basket.strategies.first().pk
    subscribed = stranger.post(
        "/options/marketplace/subscriptions",
        {"listing_id": world.ids["listing_id"], "rows": [{"strategy_id": strategy, **pair}]},
        format="json", headers={"Idempotency-Key": "one"},
    )  # fmt: skip

    assert [answer.status_code for answer in (alone, matrix, foreign, subscribed)] == [422] * 4
    for answer in (alone, matrix, foreign, subscribed):
        assert not any(mark in answer.content.decode() for mark in world.marks)


@pytest.mark.parametrize("route", [r for r in PAGES if r.names and r.name not in SHARED], ids=shown)
def test_a_stranger_finds_no_page_about_what_is_the_owners(route, world):
    client = signed_in(world.stranger)
    address = route.address(world.ids)
    if route.names == ("verb",):
        scope = {"scope": "pair", "target": world.ids["allocation_id"]}
        answers = [client.get(address, scope), client.post(address, scope)]
    else:
        answers = [client.get(address), client.post(address)]

    assert {answer.status_code for answer in answers} <= {404, 405}
    assert 404 in {answer.status_code for answer in answers}


@pytest.mark.parametrize("route", [r for r in PAGES if not r.names], ids=shown)
def test_a_page_of_a_stranger_shows_nothing_of_the_owner(route, world):
    page = signed_in(world.stranger).get(route.address({})).content.decode()

    assert not any(mark in page for mark in world.marks)


# --- the owner


@pytest.mark.parametrize(("route", "method"), ANSWERED, ids=shown)
def test_the_owner_is_answered(route, method, world):
    answer = ask(as_user(world.owner), route, method, world.ids)

    if method == "get":
        assert answer.status_code == EXPECTED.get(route.name, 200)
    else:
        assert answer.status_code in (200, 201, 202, 204, 403, 409, 422)
    if answer.status_code >= 400:
        problem(answer)
    assert not any(secret in answer.content.decode() for secret in world.secrets)


@pytest.mark.parametrize("route", PRIVATE_API, ids=shown)
def test_a_method_that_a_route_does_not_have_is_a_405_problem(route, world):
    client = as_user(world.owner)
    for method in set(METHODS) - set(route.methods):
        answer = ask(client, route, method, world.ids)

        assert answer.status_code == 405, method
        assert problem(answer) == "method_not_allowed"


@pytest.mark.parametrize("route", PAGES, ids=shown)
def test_the_owner_gets_every_page(route, world):
    address = route.address(world.ids) + QUERY.get(route.name, "")
    answer = signed_in(world.owner).get(address)

    allowed = {405} if route.name in SENT_ONLY else {200, 503} if route.template in HEALTH else {200}
    assert answer.status_code in allowed
    assert not any(secret in answer.content.decode() for secret in world.secrets)


@pytest.mark.parametrize("route", ACCOUNTS, ids=shown)
def test_the_pages_of_signing_in_never_fail(route, world):
    ids = {"key": "no-such-key", "uidb36": "1", "provider_id": "pool"}
    for client in (Client(), signed_in(world.owner)):
        answer = client.get(route.address(ids))

        assert answer.status_code in (200, 301, 302, 401, 404, 405)
        assert not any(secret in answer.content.decode() for secret in world.secrets)


# --- how much a list costs

#: Lists of facts, whose length nobody's rows change.
FIXED = {"market-chain", "market-smile", "market-term-structure", "market-contracts", "market-calendar",
         "market-clock", "presets", "executions-codes"}  # fmt: skip
#: How the whole list is asked for, where not by ?limit=100.
LONGEST = {"risk": "", "risk-scope-limits": ""}


def test_a_list_costs_as_many_queries_for_many_rows_as_for_few(world):
    client = as_user(world.owner)
    routes = [route for route in LISTS if route.name not in FIXED]
    for route in routes:
        ask(client, route, "get", {})
    few = {route: cost(client, route) for route in routes}
    everything.grow(world, 6)
    many = {route: cost(client, route) for route in routes}

    for route in routes:
        assert many[route][0] >= few[route][0] + 6, f"{route}: its list did not grow"
        assert many[route][1] == few[route][1], f"{route}: {few[route]}, then {many[route]}"


def cost(client: APIClient, route: Route) -> tuple[int, int]:
    """(rows, queries) of the owner's list."""
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(route.address({}) + LONGEST.get(route.name, "?limit=100"))
    return len(answer.json()["data"]), len(queries)


# --- the browser's forms


@pytest.mark.parametrize(("route", "method"), WRITES, ids=shown)
def test_a_session_alone_writes_nothing_without_the_csrf_token(route, method, world):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(world.owner)
    answer = ask(client, route, method, world.ids)

    assert answer.status_code == 403
    assert problem(answer) == "forbidden"


@pytest.mark.parametrize("route", [r for r in PAGES if r.template not in HEALTH], ids=shown)
def test_a_form_without_its_csrf_token_is_refused(route, world):
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.owner)

    assert client.post(route.address(world.ids)).status_code == 403


# --- programs


def test_a_read_key_may_post_only_to_what_calculates():
    allowed = {route.name for route, _ in WRITES if not getattr(route.view, "moves_money", True)}

    assert allowed == CALCULATIONS


@pytest.mark.parametrize(("route", "method"), WRITES, ids=shown)
def test_a_read_key_cannot_write_anywhere(route, method, world):
    client = as_program(world.owner, scope="read")
    with CaptureQueriesContext(connection) as queries:
        answer = ask(client, route, method, world.ids)

    if route.name in CALCULATIONS:
        assert answer.status_code != 403
        assert changes(queries, "users_apikey", "users_notice") == []
    else:
        assert answer.status_code == 403
        assert changes(queries, "users_apikey") == []


@pytest.mark.parametrize("scope", ["read", "paper", "trade"])
@pytest.mark.parametrize("route", [r for r in PRIVATE_API if r.name in SESSION_ONLY], ids=shown)
def test_no_key_reads_or_makes_keys(route, scope, world):
    client = as_program(world.owner, scope=scope)

    assert {ask(client, route, method, world.ids).status_code for method in route.methods} == {403}


@pytest.mark.parametrize("route", PRIVATE_API, ids=shown)
def test_a_key_that_has_ended_opens_nothing(route, world):
    now = datetime.now(UTC)
    expired = as_program(world.owner, scope="trade", now=now - timedelta(days=40), life=timedelta(days=30))
    revoked = as_program(world.owner, scope="trade", name="revoked")
    world.owner.api_keys.filter(name="revoked").update(revoked_at=now)
    for client, method in product((expired, revoked), route.methods):
        answer = ask(client, route, method, world.ids)

        assert answer.status_code == 401
        assert problem(answer) == "bad_credentials"


@pytest.mark.parametrize("route", PRIVATE_API, ids=shown)
def test_a_user_who_was_closed_is_nobody(route, world):
    program, browser = as_program(world.owner, scope="trade"), as_user(world.owner)
    world.owner.__class__.objects.filter(pk=world.owner.pk).update(is_active=False)

    for client, method in product((program, browser), route.methods):
        assert ask(client, route, method, world.ids).status_code == 401


@pytest.mark.parametrize(
    ("route", "method"),
    [(r, m) for r, m in WRITES if {"account_id", "allocation_id"} & set(r.names)], ids=shown,
)  # fmt: skip
def test_a_paper_key_never_touches_a_live_account(route, method, world):
    pair = world.live_pair
    ids = {**world.ids, "account_id": pair.broker_account_id, "strategy_id": pair.strategy_id,
           "allocation_id": pair.pk}  # fmt: skip
    body = {"PATCH": {"lots": 1}}.get(method.upper(), {})
    if method == "put":
        body = {"lots": 1, "max_lots": 1, "max_day_loss": "1000.00", "max_margin": "100000.00",
                "max_open_positions": 4}  # fmt: skip
    answer = ask(as_program(world.owner, scope="paper"), route, method, ids, body)

    assert answer.status_code == 403
    assert problem(answer) == "paper_key"


# --- the admin


def admin_ids(route: Route, world) -> dict[str, object]:
    ids: dict[str, object] = {"app_label": "market", "url": "nothing", "content_type_id": 1}
    if set(route.names) & {"object_id", "id"}:
        about = world.owner if route.names == ("content_type_id", "object_id") else None
        ids["object_id"] = ids["id"] = (about or everything.object_of(route)).pk
    return ids


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("app", SECTIONS)
def test_no_page_of_the_admin_fails_or_shows_a_secret_even_to_a_superuser(app, world):
    client = signed_in(world.root)
    for route in section(app):
        answer = client.get(route.address(admin_ids(route, world)))

        assert answer.status_code in (200, 301, 302, 403, 404), route
        assert not any(secret in answer.content.decode() for secret in world.secrets), route


@pytest.mark.parametrize("app", SECTIONS)
def test_a_curator_sees_only_what_is_of_the_marketplace_and_nobodys_desk(app, world):
    client = signed_in(world.curator)
    marks = [mark for mark in world.marks if mark != world.owner.email]  # they see who subscribes
    for route in section(app):
        answer = client.get(route.address(admin_ids(route, world)))
        page = answer.content.decode()

        assert answer.status_code in (200, 301, 302, 403, 404), route
        assert not any(text in page for text in world.secrets + marks), route
        if answer.status_code == 200 and "object_id" in route.names:
            assert app in ("baskets", "strategies", "marketplace"), route


def changes(queries, *allowed: str) -> list[str]:
    """Statements that wrote to another table than these."""
    words = ("INSERT", "UPDATE", "DELETE")
    written = [q["sql"] for q in queries if q["sql"].split(" ", 1)[0] in words]
    # who is signed in, and the claim of an Idempotency-Key of the caller's own
    kept = (*allowed, "usersessions_usersession", "users_idempotencykey")
    return [sql for sql in written if not any(f'"{table}"' in sql.split("(")[0] for table in kept)]
