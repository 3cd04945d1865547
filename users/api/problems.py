"""Every error of the API as RFC 9457 application/problem+json: what, where, and how to fix it."""

from __future__ import annotations

from typing import Any

import structlog
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.signals import got_request_exception
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import APIView, set_rollback

from users.errors import Conflict, Forbidden, Refused

CONTENT_TYPE = "application/problem+json"
TYPE = "urn:options:problem:"

# exception: (code, title, fix, retryable); the first class that fits answers.
KNOWN: tuple[tuple[type[exceptions.APIException], tuple[str, str, str, bool]], ...] = (
    (
        exceptions.ParseError,
        ("malformed_body", "The body is not JSON", "Send one well-formed JSON document.", False),
    ),
    (
        exceptions.NotAuthenticated,
        (
            "not_signed_in",
            "Not signed in",
            "Sign in, or send Authorization: Bearer with an API key.",
            False,
        ),
    ),
    (
        exceptions.AuthenticationFailed,
        ("bad_credentials", "Not signed in", "Create a new API key and send it as Bearer.", False),
    ),
    (
        exceptions.PermissionDenied,
        ("forbidden", "Not allowed", "Use an account or key that may do this.", False),
    ),
    (
        exceptions.NotFound,
        ("not_found", "Nothing is here", "Check the path and the id; list what you own.", False),
    ),
    (
        exceptions.MethodNotAllowed,
        ("method_not_allowed", "Wrong method", "Use a method named in the Allow header.", False),
    ),
    (
        exceptions.NotAcceptable,
        ("not_acceptable", "No such format", "Accept application/json.", False),
    ),
    (
        exceptions.UnsupportedMediaType,
        ("unsupported_media_type", "Not JSON", "Send Content-Type: application/json.", False),
    ),
    (
        exceptions.Throttled,
        ("too_many_requests", "Too many requests", "Wait for Retry-After seconds.", True),
    ),
)
UNKNOWN = (
    "server_error",
    "The platform failed",
    "Look at the state before you try again; report the request_id.",
    True,
)


class Problem(exceptions.APIException):
    """Raise it in a view to answer exactly this problem."""

    def __init__(  # noqa: PLR0913 - the members of RFC 9457
        self,
        status: int,
        code: str,
        title: str,
        *,
        detail: str,
        fix: str,
        pointer: str | None = None,
        retryable: bool = False,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail, code)
        self.status_code = status
        self.headers = headers or {}
        self.body = {
            **_body(status, code, title, detail, fix, retryable=retryable),
            **({} if pointer is None else {"errors": [_error(pointer, code, detail)]}),
            **extra,
        }


def handler(exc: Exception, context: dict[str, Any]) -> Response:
    """DRF's EXCEPTION_HANDLER: no exception leaves the API in another form."""
    set_rollback()
    headers: dict[str, str] = {}
    if isinstance(exc, Problem):
        body, headers = exc.body, exc.headers
    elif isinstance(exc, Refused):
        body = _refusal(exc)
    elif isinstance(exc, exceptions.ValidationError):
        body = _invalid(exc)
    else:
        body, headers = _known(_as_drf(exc), context)
    body = {**body, "request_id": structlog.contextvars.get_contextvars().get("request_id")}
    return Response(
        _printable(body), status=body["status"], headers=headers, content_type=CONTENT_TYPE
    )


def _printable(value: Any) -> Any:
    """Half a surrogate pair in the caller's text must not break the answer about it."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {name: _printable(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_printable(inner) for inner in value]
    return value


def _body(
    status: int, code: str, title: str, detail: str, fix: str, *, retryable: bool
) -> dict[str, Any]:
    return {
        "type": TYPE + code,
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "fix": fix,
        "retryable": retryable,
    }


def _error(pointer: str, code: str, detail: str) -> dict[str, str]:
    return {"pointer": pointer, "code": code, "detail": detail}


def _refusal(exc: Refused) -> dict[str, Any]:
    status, title = 422, "Refused"
    if isinstance(exc, Conflict):
        status, title = 412, "It has changed since you read it"
    elif isinstance(exc, Forbidden):
        status, title = 403, "Not allowed"
    body = _body(status, exc.code, title, exc.message, exc.fix, retryable=False)
    if exc.field:
        body["errors"] = [_error("/" + exc.field, exc.code, exc.message)]
    return body


def _invalid(exc: exceptions.ValidationError) -> dict[str, Any]:
    errors = list(_flatten(exc.get_full_details(), ""))
    detail = "; ".join(f"{error['pointer'] or 'the body'}: {error['detail']}" for error in errors)
    fix = "Correct the fields named in errors and send again."
    return _body(422, "invalid", "Bad input", detail, fix, retryable=False) | {"errors": errors}


def _flatten(details: Any, pointer: str):
    """DRF's nested details as JSON pointers; list items keep their index."""
    if isinstance(details, dict) and details.keys() == {"message", "code"}:
        yield _error(pointer, details["code"], str(details["message"]))
    elif isinstance(details, dict):
        for name, inner in details.items():
            here = pointer if name == "non_field_errors" else f"{pointer}/{_escaped(name)}"
            yield from _flatten(inner, here)
    else:
        for index, inner in enumerate(details):
            is_message = isinstance(inner, dict) and inner.keys() == {"message", "code"}
            yield from _flatten(inner, pointer if is_message else f"{pointer}/{index}")


def _escaped(name: object) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")


def _as_drf(exc: Exception) -> Exception:
    if isinstance(exc, Http404):
        return exceptions.NotFound()
    if isinstance(exc, DjangoPermissionDenied):
        return exceptions.PermissionDenied(*exc.args)
    return exc


def _known(exc: Exception, context: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    if not isinstance(exc, exceptions.APIException):
        return _failure(context), {}
    headers = {}
    if auth_header := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    code, title, fix, retryable = next(
        (words for cls, words in KNOWN if isinstance(exc, cls)), UNKNOWN
    )
    status = exc.status_code
    return _body(status, code, title, str(exc.detail), fix, retryable=retryable), headers


def _failure(context: dict[str, Any]) -> dict[str, Any]:
    """A fault of ours: Django's own signal makes the log, and the test client, see the exception."""
    request = getattr(context.get("request"), "_request", None)
    got_request_exception.send(sender=type(context.get("view")), request=request)
    detail = (
        "An unexpected error stopped this request; it may have been saved in part or not at all."
    )
    code, title, fix, _ = UNKNOWN
    return _body(500, code, title, detail, fix, retryable=False)


class UnknownPath(APIView):
    """The last route under /options/: a path that is no route is a problem too, not an HTML page."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    schema = None

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        raise exceptions.NotFound()
