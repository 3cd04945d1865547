"""Fields with the platform's units: rupees, prices, lots."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

MOST_LOTS = 100_000


class Money(serializers.DecimalField):
    """Rupees to the paisa; a string like "1250.00" in both directions."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            **{"max_digits": 18, "decimal_places": 2, "coerce_to_string": True, **kwargs}
        )


class Price(serializers.DecimalField):
    """A price or strike; whether it is on the contract's tick is the service's question."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            **{
                "max_digits": 12,
                "decimal_places": 2,
                "min_value": 0,
                "coerce_to_string": True,
                **kwargs,
            }
        )


class Lots(serializers.IntegerField):
    """Whole lots, 0 or more."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": MOST_LOTS, **kwargs})
