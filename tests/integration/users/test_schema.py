import pytest
from drf_spectacular.generators import SchemaGenerator

from users.urls import urlpatterns


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator(patterns=urlpatterns).get_schema(request=None, public=True)


def operations(schema):
    return [
        (path, method, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_says_how_it_fails_with_an_example(schema):
    for path, method, operation in operations(schema):
        failures = [status for status in operation["responses"] if status >= "400"]
        assert {"401", "403", "422", "429"} <= set(failures), (path, method)
        for status in failures:
            body = operation["responses"][status]["content"]["application/problem+json"]
            assert body["example"]["status"] == int(status)
            assert body["example"]["fix"]


def test_programs_see_the_bearer_key_except_where_only_people_may(schema):
    ways = {path: operation["security"] for path, _, operation in operations(schema)}

    assert {"apiKey": []} in ways["/notices"]
    assert {"apiKey": []} not in ways["/api-keys"]
    assert schema["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"


def test_bodies_are_closed_to_unknown_names(schema):
    assert schema["components"]["schemas"]["NewKey"]["additionalProperties"] is False
    assert "additionalProperties" not in schema["components"]["schemas"]["NoticeBody"]
