"""The schema of execution's paths: an example of every answer, and which acts need their key."""

import pytest
from drf_spectacular.generators import SchemaGenerator

from execution.urls import urlpatterns


@pytest.fixture(scope="module")
def paths():
    return SchemaGenerator(patterns=urlpatterns).get_schema(request=None, public=True)["paths"]


def test_every_operation_has_a_summary_and_an_example_of_its_answer(paths):
    for path, methods in paths.items():
        for method, operation in methods.items():
            good = [status for status in operation["responses"] if status < "300"]
            content = operation["responses"][good[0]]["content"]["application/json"]
            assert operation["summary"], (path, method)
            assert content["examples"], (path, method)


def test_stopping_may_be_sent_without_a_key_and_entering_may_not(paths):
    def need(path):
        return {p["name"]: p.get("required", False) for p in paths[path]["post"]["parameters"]}

    for verb in "pause", "resume", "exit", "square-off", "kill":
        assert need(f"/risk/{verb}")["Idempotency-Key"] is False
    assert need("/baskets/{basket_id}/allocations/execute")["Idempotency-Key"] is True


def test_lists_are_pages(paths):
    for path in "/executions", "/orders", "/positions", "/performance", "/risk", "/risk/limits":
        content = paths[path]["get"]["responses"]["200"]["content"]["application/json"]
        [example] = list(content["examples"].values())[:1]
        assert example["value"].keys() == {"data", "next_cursor"}, path
