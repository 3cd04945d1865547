"""Idempotency-Key: the same key and body give the first answer again and do nothing twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any

import orjson
from django.db import IntegrityError, transaction
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from users.api.authentication import caller
from users.api.problems import Problem
from users.models import IdempotencyKey

HEADER = "Idempotency-Key"
LONGEST = 120
KEPT_HEADERS = ("ETag", "Location")
Handler = Callable[..., Response]


def idempotent(*, required: bool = True) -> Callable[[Handler], Handler]:
    """For a view's post(): the work and its answer are committed together, or neither is.

    The handler runs in one transaction, so HTTP belongs to transaction.on_commit or a task.
    Whoever holds the claim's row lock is at work; a claim that nobody holds and that has
    no answer belongs to a process that died with its transaction, and is safe to run.
    """

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def post(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
            key = _key(request, required=required)
            if key is None:
                return handler(view, request, *args, **kwargs)
            claim = _claim(request, key)
            try:
                return _once(claim.pk, lambda: handler(view, request, *args, **kwargs))
            except _InFlightError:
                raise _in_flight() from None
            except Exception:  # nothing was saved, so the caller may send the same key again
                IdempotencyKey.objects.filter(pk=claim.pk, status=None).delete()
                raise

        post.idempotency_key = "required" if required else "optional"  # type: ignore[attr-defined]  # the schema reads it off the function
        return post

    return decorate


class _InFlightError(Exception):
    """Another request holds the claim."""


def _key(request: Request, *, required: bool) -> str | None:
    key = request.headers.get(HEADER)
    if key is None and not required:
        return None
    if key is None:
        raise _bad_key("idempotency_key_missing", f"This request needs the header {HEADER}.")
    if not key.strip() or len(key) > LONGEST or not key.isprintable():
        raise _bad_key("idempotency_key_invalid", f"{HEADER} must be 1 to {LONGEST} characters.")
    return key


def _bad_key(code: str, detail: str) -> Problem:
    fix = f"Send {HEADER} with a new UUID for each act; repeat it only to repeat that act."
    return Problem(422, code, "Bad idempotency key", detail=detail, fix=fix)


def _claim(request: Request, key: str) -> IdempotencyKey:
    body_hash = _body_hash(request)
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(user=caller(request), key=key, body_hash=body_hash)
    except IntegrityError:
        claim = IdempotencyKey.objects.filter(user=caller(request), key=key).first()
    if claim is None:  # the other request failed and withdrew its claim between the two statements
        raise _in_flight()
    if claim.body_hash != body_hash:
        raise Problem(
            422,
            "idempotency_key_reused",
            "This key was used for another request",
            detail=f"{HEADER} {key} came first with another path or body.",
            fix="Use a new key for a new act.",
        )
    return claim


def _body_hash(request: Request) -> str:
    """Python's own json, because it also takes what a strict encoder refuses: huge numbers, half
    a surrogate pair. Saying no to those is the serializer's work."""
    act = [request.method, request.path, request.data]
    return sha256(json.dumps(act, sort_keys=True).encode()).hexdigest()


@transaction.atomic
def _once(claim_id: int, run: Callable[[], Response]) -> Response:
    claim = IdempotencyKey.objects.select_for_update(skip_locked=True).filter(pk=claim_id).first()
    if claim is None:
        raise _InFlightError
    if claim.status is not None:
        return _replay(claim)
    response = run()
    claim.status, claim.answer = response.status_code, _answer(response)
    claim.save(update_fields=["status", "answer"])
    return response


def _answer(response: Response) -> dict[str, Any]:
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    data = orjson.loads(JSONRenderer().render(response.data) or b"null")
    return {"data": data, "headers": headers}


def _replay(claim: IdempotencyKey) -> Response:
    answer = claim.answer or {}
    headers = {**answer["headers"], "Idempotent-Replayed": "true"}
    return Response(answer["data"], status=claim.status, headers=headers)


def _in_flight() -> Problem:
    return Problem(
        409,
        "idempotency_in_flight",
        "The first request with this key is still running",
        detail="The same request is being carried out now.",
        fix="Wait for Retry-After seconds and send the same request again.",
        retryable=True,
        headers={"Retry-After": "1"},
    )
