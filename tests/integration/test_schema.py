"""The OpenAPI document: complete, and true of what the API does with good and with hostile input."""

from __future__ import annotations

from contextlib import contextmanager
from io import BytesIO
from urllib.parse import urlencode

import orjson
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as bounds
from rest_framework.exceptions import ParseError
from rest_framework.test import APIClient
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.integration import everything
from tests.integration.routes import in_area
from users.api.parsers import JsonBody

UNDOCUMENTED = {"schema", "docs"}
OPERATIONS = [
    (route, method)
    for route in in_area("options")
    for method in route.methods
    if route.name not in UNDOCUMENTED
]
SENDING = [(route, method) for route, method in OPERATIONS if method in ("post", "put", "patch")]
PROBLEM = "application/problem+json"
ALWAYS = {"401", "403", "422", "429"}
SENT = {"400", "415"}
#: Without a simulator here, the broker is silent.
MAY_BE_SILENT = {"broker-account-funds"}
CHECKS = [
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    negative_data_rejection,
]
BOUNDS = bounds(
    max_examples=6, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def shown(value):
    return str(value)


@pytest.fixture(scope="module")
def document():
    """The document as a client gets it."""
    GENERATOR_STATS.reset()
    made = SchemaGenerator().get_schema(request=None, public=True)
    return orjson.loads(orjson.dumps(made))


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), everything.standing() as built:
        yield built


@pytest.fixture(scope="module")
def schema(document):
    """The document with the application behind it."""
    load_all_checks()
    loaded = schemathesis.openapi.from_dict(document)
    loaded.app = get_wsgi_application()
    loaded.config.generation.update(with_security_parameters=False)
    return loaded


def test_the_document_is_made_without_a_warning_and_is_valid(document):
    assert GENERATOR_STATS._warn_cache == {}
    assert GENERATOR_STATS._error_cache == {}
    validate_schema(document)
    assert document["openapi"].startswith("3.1")


def test_it_has_every_operation_under_options_and_nothing_else(document):
    documented = {
        (path, method) for path, methods in document["paths"].items() for method in methods
    }

    assert documented == {(path_of(route), method) for route, method in OPERATIONS}


@pytest.mark.parametrize(("route", "method"), OPERATIONS, ids=shown)
def test_an_operation_says_what_it_does_who_may_and_how_it_fails(route, method, document):
    operation = document["paths"][path_of(route)][method]
    expected = ALWAYS | (SENT if method != "get" else set()) | ({"404"} if route.names else set())

    assert operation["summary"]
    ways = [name for way in operation["security"] for name in way]
    assert "cookieAuth" in ways
    assert ("apiKey" in ways) == (not getattr(route.view, "session_only", False))
    assert expected <= operation["responses"].keys()
    for status in expected:
        body = operation["responses"][status]["content"][PROBLEM]
        assert body["example"]["status"] == int(status)


@pytest.mark.parametrize(("route", "method"), OPERATIONS, ids=shown)
def test_a_body_has_an_example_that_its_own_schema_takes(route, method, document, schema):
    operation = document["paths"][path_of(route)][method]
    if "requestBody" not in operation:
        return
    content = operation["requestBody"]["content"]

    assert content.keys() == {"application/json"}
    assert content["application/json"]["examples"]


class Caller:
    """The owner's browser: session and CSRF token."""

    def __init__(self, user):
        client = Client()
        client.force_login(user)
        client.get("/settings")
        self.cookies = {name: morsel.value for name, morsel in client.cookies.items()}
        self.headers = {"X-CSRFToken": self.cookies["csrftoken"]}


@pytest.fixture(scope="module")
def browser(world):
    return Caller(world.owner)


@pytest.mark.django_db
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
@pytest.mark.parametrize(("route", "method"), OPERATIONS, ids=shown)
def test_the_api_keeps_to_its_document(
    route, method, mode, schema, document, world, browser, settings
):
    settings.SIMULATOR_URL = "http://127.0.0.1:9"
    if mode is GenerationMode.NEGATIVE and not may_be_wrong(document["paths"][path_of(route)][method]):
        return  # nothing is sent but the path
    operation = schema[path_of(route)][method.upper()]
    ids = {name: world.ids[name] for name in route.names}

    @BOUNDS
    @given(case=operation.as_strategy(generation_mode=mode, path_parameters=ids or None))
    def ask(case):
        with undone():
            answer = case.call(headers=browser.headers, cookies=browser.cookies)
        silent = answer.status_code == 503 and route.name in MAY_BE_SILENT
        assert answer.status_code < 500 or silent, answer.text
        case.validate_response(answer, checks=CHECKS)

    ask()


DEEP = b"[" * 5000 + b"]" * 5000
#: Refused while the body is read, whatever field they stand in.
UNREADABLE = [
    b"1" + b"0" * 5000, b"NaN", b"Infinity", DEEP, b"[" * 200 + b"]" * 200, b'"\xff\xfe"',
]  # fmt: skip
READABLE = [
    b'"a\\u0000b"', b'"\\ud800"', b"1e999999", b"{}", b"[]", b"[null]", b"-1", b"1e400",
]  # fmt: skip
BODIES = [
    b'{"a\\u0000b": 1}', b'{"\\udfff": 1}', DEEP, b"\x00", b"", b"null", b"[]", b'"text"', b"[null]", b"12",
]  # fmt: skip
STRANGE = ["\x00", "\ud800", "9" * 400, "-1", "1e9", "\u0663", "%00", "null", "[]", "2026-13-45",
           "0000-00-00", "9999-12-31"]  # fmt: skip


def test_an_unreadable_value_is_refused_before_any_field_is_looked_at():
    for value in UNREADABLE:
        with pytest.raises(ParseError):
            JsonBody().parse(BytesIO(b'{"lots": %s}' % value))
    for value in READABLE:
        assert JsonBody().parse(BytesIO(b'{"lots": %s}' % value)).keys() == {"lots"}


@pytest.mark.django_db
@pytest.mark.parametrize(("route", "method"), SENDING, ids=shown)
def test_a_hostile_body_never_breaks_the_api(route, method, world, document, settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:9"
    names = fields_of(route, method, document)
    good = example_of(route, method, document)
    client = APIClient()
    client.force_login(world.owner)

    def send(raw):
        with undone():
            answer = getattr(client, method)(
                "/" + route.template % world.ids, raw, content_type="application/json",
                headers={"Idempotency-Key": "hostile"},
            )  # fmt: skip
        assert answer.status_code < 500, raw[:200]
        return answer

    for raw in [*BODIES, *(spoilt(good, [name], value) for name in names[:1] for value in UNREADABLE)]:
        send(raw)
    for value in READABLE:
        refused = refused_fields(send(spoilt({}, names, value)))
        for name in set(names) - refused:  # alone in a good body, past what looks at single fields
            send(spoilt(good, [name], value))


@pytest.mark.django_db
@pytest.mark.parametrize("route", [r for r, m in OPERATIONS if m == "get"], ids=shown)
def test_a_strange_query_never_breaks_a_list(route, world, document, settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:9"
    client = APIClient()
    client.force_login(world.owner)
    known = document["paths"][path_of(route)]["get"].get("parameters", [])
    names = [parameter["name"] for parameter in known if parameter["in"] == "query"]

    def send(asked, value):
        sent = urlencode(dict.fromkeys(asked, value.encode("utf-8", "surrogatepass")))
        answer = client.get(f"/{route.template % world.ids}?{sent}")
        assert answer.status_code < 500 or route.name in MAY_BE_SILENT, (asked, value)
        return answer

    for value in STRANGE:
        send(["unknown"], value)
        refused = refused_fields(send(names, value)) if names else set()
        for name in set(names) - refused:
            send([name], value)


@pytest.mark.django_db
@pytest.mark.parametrize(("route", "method"), [(r, m) for r, m in OPERATIONS if r.names], ids=shown)
def test_an_id_beyond_every_number_is_not_found(route, method, world):
    client = APIClient()
    client.force_login(world.owner)
    for number in (0, 2**31, 2**63, 10**40):
        answer = getattr(client, method)(
            "/" + route.template % dict.fromkeys(route.names, number), {}, format="json",
            headers={"Idempotency-Key": "huge"},
        )  # fmt: skip

        assert answer.status_code == 404, number


def spoilt(good, names, value):
    """The example with the hostile value in these fields."""
    rest = [orjson.dumps({key: of})[1:-1] for key, of in good.items() if key not in names]
    return b"{" + b",".join([*rest, *(b'"%s":%s' % (name.encode(), value) for name in names)]) + b"}"


def refused_fields(answer) -> set[str]:
    """The outermost fields that a 422 names."""
    if answer.status_code != 422:
        return set()
    pointers = [error["pointer"] for error in answer.json().get("errors", ())]
    return {pointer.split("/")[1] for pointer in pointers if pointer}


def fields_of(route, method, made):
    """The names that this operation's body knows, outermost only."""
    content = made["paths"][path_of(route)][method].get("requestBody", {}).get("content", {})
    name = content.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
    return list(made["components"]["schemas"].get(name, {}).get("properties", ()))


def example_of(route, method, made):
    content = made["paths"][path_of(route)][method].get("requestBody", {}).get("content", {})
    examples = content.get("application/json", {}).get("examples", {"none": {"value": {}}})
    return next(iter(examples.values()))["value"]


def may_be_wrong(operation):
    """Whether anything is sent whose value could be wrong."""
    sent = [p for p in operation.get("parameters", []) if p["in"] in ("query", "header")]
    return bool(sent) or "requestBody" in operation


@contextmanager
def undone():
    """A request on the test's own connection, which stays open; what it wrote is taken back."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    try:
        with transaction.atomic():
            yield
            transaction.set_rollback(True)
    finally:
        for signal in signals:
            signal.connect(close_old_connections)


def path_of(route) -> str:
    return "/" + route.template.replace("%(", "{").replace(")s", "}")
