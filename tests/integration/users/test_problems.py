import pytest
from django.urls import path
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from users.api.problems import Problem, UnknownPath
from users.errors import Conflict, Forbidden, Refused

ERRORS = {
    "refused": Refused("max_lots", "3 lots are above 2.", fix="Send 2 or fewer.", field="lots"),
    "conflict": Conflict("version", "The version is now 4.", fix="Read it again."),
    "forbidden": Forbidden("read_only", "The legs are the curator's.", fix="Copy the basket."),
    "broker": Problem(
        502,
        "broker_down",
        "The broker did not answer",
        detail="504",
        fix="Wait.",
        upstream="<html>",
    ),
    "fault": ZeroDivisionError("a secret of ours"),
}


class Fails(APIView):
    authentication_classes = ()
    permission_classes = ()

    def get(self, request, name):
        if name in ERRORS:
            raise ERRORS[name]
        return Response(None)


urlpatterns = [
    path("fails/<name>", Fails.as_view()),
    path("options/<path:rest>", UnknownPath.as_view()),
]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]


def problem(answer):
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["type"] == f"urn:options:problem:{body['code']}"
    assert body["fix"]
    assert len(body["request_id"]) == 36
    return body


def test_a_refusal_is_422_with_its_code_field_and_fix():
    body = problem(APIClient().get("/fails/refused"))

    assert (body["status"], body["code"], body["detail"]) == (
        422,
        "max_lots",
        "3 lots are above 2.",
    )
    assert body["fix"] == "Send 2 or fewer."
    assert body["errors"] == [
        {"pointer": "/lots", "code": "max_lots", "detail": "3 lots are above 2."}
    ]


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [("conflict", 412, "version"), ("forbidden", 403, "read_only"), ("broker", 502, "broker_down")],
)
def test_each_kind_of_refusal_has_its_status(name, status, code):
    body = problem(APIClient().get(f"/fails/{name}"))

    assert (body["status"], body["code"]) == (status, code)


def test_the_brokers_raw_words_stay_under_upstream():
    assert problem(APIClient().get("/fails/broker"))["upstream"] == "<html>"


def test_a_fault_of_ours_is_500_without_its_words():
    body = problem(APIClient(raise_request_exception=False).get("/fails/fault"))

    assert (body["status"], body["code"], body["retryable"]) == (500, "server_error", False)
    assert "secret" not in str(body)


def test_a_fault_is_still_raised_to_whoever_watches():
    with pytest.raises(ZeroDivisionError):
        APIClient().get("/fails/fault")


def test_a_wrong_method_is_405_and_says_which_are_right():
    answer = APIClient().post("/fails/ok")

    assert problem(answer)["code"] == "method_not_allowed"
    assert answer["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_unknown_path_under_options_is_404(method):
    assert problem(getattr(APIClient(), method)("/options/nothing/here"))["status"] == 404
