"""What drf-spectacular cannot see: the bearer key, the problem answers, the idempotency header."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import serializers

from users.api.idempotency import HEADER, LONGEST
from users.api.problems import CONTENT_TYPE, TYPE

WORDS = {"type": "string"}
TIME_OF_DAY = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "fix", "retryable", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": WORDS,
        "status": {"type": "integer"},
        "detail": WORDS,
        "code": WORDS,
        "fix": {**WORDS, "description": "What to do about it."},
        "retryable": {"type": "boolean"},
        "request_id": {"type": ["string", "null"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {"pointer": WORDS, "code": WORDS, "detail": WORDS},
            },
        },
        "upstream": {"description": "The broker's own words, where a broker refused."},
    },
}
# Per status one example: code, title, detail and fix.
EXAMPLES = {
    "400": ("malformed_body", "The body is not JSON", "JSON parse error", "Send one well-formed JSON document."),
    "401": ("not_signed_in", "Not signed in", "No credentials were given.", "Sign in, or send Authorization: Bearer with an API key."),
    "403": ("forbidden", "Not allowed", "A read key cannot change anything.", "Use an account or key that may do this."),
    "404": ("not_found", "Nothing is here", "Not found.", "Check the path and the id; list what you own."),
    "409": ("idempotency_in_flight", "Still running", "The same request is being carried out now.", "Wait for Retry-After seconds."),
    "412": ("version_moved", "It has changed since you read it", "The version is now 4.", "Read it again and repeat your change."),
    "415": ("unsupported_media_type", "Not JSON", "Unsupported media type.", "Send Content-Type: application/json."),
    "422": ("invalid", "Bad input", "/lots: Send a whole number.", "Correct the fields named in errors and send again."),
    "503": ("market_silent", "The market process is silent", "No frame of timeline 'demo' was published lately.", "Wait for the market process, or start it."),
    "429": ("too_many_requests", "Too many requests", "Request was throttled.", "Wait for Retry-After seconds."),
}  # fmt: skip
READS = ("401", "403", "422", "429", "503")
WRITES = ("400", "401", "403", "409", "412", "415", "422", "429", "503")


class BearerKey(OpenApiAuthenticationExtension):
    target_class = "users.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key `prefix.secret` with scope read, paper or trade.",
        }


class TimeOfDay(OpenApiSerializerFieldExtension):
    """A wall clock of India: without the offset that the format `time` of RFC 3339 asks for."""

    target_class = "rest_framework.serializers.TimeField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        return {"type": "string", "pattern": TIME_OF_DAY, "example": "09:20:00"}


class StrictBody(OpenApiSerializerExtension):
    target_class = "users.api.serializers.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return {**schema, "additionalProperties": False} if direction == "request" else schema


def list_of(body: type[serializers.Serializer]) -> serializers.Serializer:
    """The shape of a list that a plain view answers; next_cursor is null on the last page."""
    fields = {
        "data": body(many=True),
        "next_cursor": serializers.CharField(allow_null=True, help_text="send it as ?cursor="),
    }
    return inline_serializer(f"{body.__name__}List", fields)


class ProblemSchema(AutoSchema):
    """Adds the problem answers to every operation, and the key header where the view reads it."""

    def _get_response_bodies(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        bodies = super()._get_response_bodies(*args, **kwargs)
        component = ResolvedComponent(
            name="Problem", type=ResolvedComponent.SCHEMA, schema=PROBLEM, object="Problem"
        )
        self.registry.register_on_missing(component)
        for status in self._problem_statuses():
            bodies.setdefault(status, _problem(status, component.ref))
        return bodies

    def get_auth(self) -> list[dict[str, Any]]:
        keys_too = super().get_auth()
        if not getattr(self.view, "session_only", False):
            return keys_too
        return [way for way in keys_too if BearerKey.name not in way]

    def _problem_statuses(self) -> tuple[str, ...]:
        statuses = READS if self.method == "GET" else WRITES
        finds = "{" in self.path or getattr(self.view, "finds_its_target", False)
        return (*statuses, "404") if finds else statuses

    def get_override_parameters(self) -> list[Any]:
        given = super().get_override_parameters()
        need = getattr(getattr(self.view, self.method.lower(), None), "idempotency_key", None)
        if need is None:
            return given
        header = OpenApiParameter(
            HEADER,
            {"type": "string", "minLength": 1, "maxLength": LONGEST},
            OpenApiParameter.HEADER,
            required=need == "required",
            description="A UUID for this act; the same key and body replay the first answer.",
        )
        return [*given, header]


def _problem(status: str, ref: dict[str, str]) -> dict[str, Any]:
    code, title, detail, fix = EXAMPLES[status]
    example = {
        "type": TYPE + code,
        "title": title,
        "status": int(status),
        "detail": detail,
        "code": code,
        "fix": fix,
        "retryable": status in ("409", "429", "503"),
        "request_id": "5f0c6f0e-7e5c-4b8e-9c58-0d6a3f8a1f10",
    }
    return {"description": title, "content": {CONTENT_TYPE: {"schema": ref, "example": example}}}
