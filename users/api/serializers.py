"""Serializers that take exactly what was asked: no unknown names, no guessed types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

INTEGER = re.compile(r"-?\d{1,18}\Z")
BIGGEST = 2**63 - 1


class StrictSerializer(serializers.Serializer):
    """Refuses unknown and read-only names, floats and booleans for integers, numbers for text."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        wrong = {**_unknown_names(self, data), **_wrong_types(self, data)}
        if not wrong:
            return super().to_internal_value(data)
        try:
            super().to_internal_value(data)
        except serializers.ValidationError as error:
            wrong = {**_by_name(error), **wrong}
        raise serializers.ValidationError(wrong)


class StrictModelSerializer(StrictSerializer, serializers.ModelSerializer):
    """The same for a model's fields."""


def _by_name(error: serializers.ValidationError) -> dict[str, Any]:
    return error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}


def query(serializer_class: type[StrictSerializer], request: Request) -> dict[str, Any]:
    """The checked query parameters of a GET; 422 names the wrong one."""
    serializer = serializer_class(data=request.query_params.dict())
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def _unknown_names(serializer: serializers.Serializer, data: Mapping[str, Any]) -> dict[str, Any]:
    writable = {name for name, field in serializer.fields.items() if not field.read_only}
    errors = {}
    for name in data.keys() - writable:
        if name in serializer.fields:
            errors[name] = _error("This is read only; leave it out.", "read_only")
        else:
            known = ", ".join(sorted(writable)) or "none"
            errors[name] = _error(f"This field is unknown; the known ones are: {known}.", "unknown")
    return errors


def _wrong_types(serializer: serializers.Serializer, data: Mapping[str, Any]) -> dict[str, Any]:
    errors = {}
    for name, field in serializer.fields.items():
        if field.read_only or data.get(name) is None:
            continue
        if wrong := _wrong_type(field, data[name]):
            errors[name] = wrong
    return errors


def _wrong_type(field: serializers.Field, value: Any) -> Any:
    """What is wrong with the raw value's type, by the kind of field; None when nothing is."""
    if isinstance(field, serializers.ListField):
        return _wrong_items(field, value)
    for kind, fits, words in TYPES:
        if isinstance(field, kind):
            return None if fits(value) else _error(words, "wrong_type")
    return None


def _wrong_items(field: serializers.ListField, value: Any) -> dict[int, Any] | None:
    if not isinstance(value, list):
        return None
    wrong = {index: _wrong_type(field.child, item) for index, item in enumerate(value)}
    return {index: error for index, error in wrong.items() if error} or None


def _error(words: str, code: str) -> list[serializers.ErrorDetail]:
    return [serializers.ErrorDetail(words, code=code)]


def _is_integer(value: Any) -> bool:
    if isinstance(value, str):
        return INTEGER.match(value) is not None
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= BIGGEST


def _is_decimal(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool) or value in ("true", "false")


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


TYPES: tuple[tuple[type[serializers.Field], Any, str], ...] = (
    (serializers.IntegerField, _is_integer, "Send a whole number, without a fraction or quotes."),
    (serializers.DecimalField, _is_decimal, 'Send a decimal in quotes, like "71.20".'),
    (serializers.BooleanField, _is_boolean, "Send true or false."),
    (serializers.FloatField, _is_number, "Send a number."),
    (serializers.PrimaryKeyRelatedField, _is_integer, "Send the id, a whole number."),
    (serializers.CharField, _is_text, "Send text in quotes."),
    (serializers.ChoiceField, _is_text, "Send text in quotes."),
    (
        serializers.DateTimeField,
        _is_text,
        'Send a time in quotes, like "2026-08-04T09:20:00+05:30".',
    ),
    (serializers.DateField, _is_text, 'Send a date in quotes, like "2026-08-04".'),
    (serializers.TimeField, _is_text, 'Send a time of day in quotes, like "09:20".'),
)
