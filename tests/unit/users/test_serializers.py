from decimal import Decimal

import pytest
from rest_framework import serializers

from users.api.fields import Lots, Money, Price
from users.api.problems import handler
from users.api.serializers import StrictSerializer


class Leg(StrictSerializer):
    ratio = serializers.IntegerField(min_value=1)


class Order(StrictSerializer):
    id = serializers.IntegerField(read_only=True)
    lots = Lots(required=False)
    loss = Money(required=False)
    strike = Price(required=False)
    name = serializers.CharField(required=False)
    hedged = serializers.BooleanField(required=False)
    days = serializers.ListField(child=serializers.IntegerField(), required=False)
    legs = Leg(many=True, required=False)


def errors(data):
    """(pointer, code) of every error, as the API would answer."""
    serializer = Order(data=data)
    try:
        serializer.is_valid(raise_exception=True)
    except serializers.ValidationError as error:
        answer = handler(error, {})
        assert answer.status_code == 422
        return [(item["pointer"], item["code"]) for item in answer.data["errors"]]
    return []


def test_good_values_pass_as_their_types():
    order = Order(
        data={"lots": 2, "loss": "1250.50", "strike": 24500, "hedged": True, "legs": [{"ratio": 1}]}
    )

    assert order.is_valid(), order.errors
    assert order.validated_data["loss"] == Decimal("1250.50")
    assert order.validated_data["lots"] == 2


@pytest.mark.parametrize(
    "value", [1.0, 1.5, True, False, "1.5", "1.0", "x", "", [], {}, 2**70, "1e3"]
)
def test_only_whole_numbers_are_lots(value):
    assert [pointer for pointer, _ in errors({"lots": value})] == ["/lots"]


@pytest.mark.parametrize("value", [-1, 100_001])
def test_lots_outside_their_range_are_refused(value):
    assert [pointer for pointer, _ in errors({"lots": value})] == ["/lots"]


@pytest.mark.parametrize("value", [71.2, True, "NaN", "Infinity", "abc", "1.234", "9" * 30])
def test_money_is_a_decimal_in_quotes_to_the_paisa(value):
    assert [pointer for pointer, _ in errors({"loss": value})] == ["/loss"]


@pytest.mark.parametrize("value", [1, True, 1.5, [], {}])
def test_text_is_not_made_of_numbers(value):
    assert [pointer for pointer, _ in errors({"name": value})] == ["/name"]


@pytest.mark.parametrize("value", [0, 1, "yes", "on", [], {}])
def test_booleans_are_true_or_false(value):
    assert [pointer for pointer, _ in errors({"hedged": value})] == ["/hedged"]


def test_an_unknown_name_is_refused_with_the_known_ones():
    order = Order(data={"lotz": 1})

    assert not order.is_valid()
    assert order.errors["lotz"][0].startswith(
        "This field is unknown; the known ones are: days, hedged"
    )


def test_a_read_only_name_is_refused():
    assert errors({"id": 5}) == [("/id", "read_only")]


def test_every_error_is_told_at_once_with_its_pointer():
    found = errors(
        {
            "lotz": 1,
            "lots": 1.5,
            "legs": [{"ratio": 1}, {"ratio": 0, "side": "B"}],
            "days": [1, 2.5],
        }
    )

    assert sorted(found) == [
        ("/days/1", "wrong_type"),
        ("/legs/1/ratio", "min_value"),
        ("/legs/1/side", "unknown"),
        ("/lots", "wrong_type"),
        ("/lotz", "unknown"),
    ]


@pytest.mark.parametrize("body", [[], "text", 5, None])
def test_a_body_that_is_no_object_is_refused_as_a_whole(body):
    assert [pointer for pointer, _ in errors(body)] == [""]


def test_a_slash_in_a_name_is_escaped_in_the_pointer():
    assert errors({"a/b~c": 1}) == [("/a~1b~0c", "unknown")]
