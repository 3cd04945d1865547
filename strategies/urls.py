"""Included under /options/."""

from django.urls import path

from strategies.api.views import (
    BasketDetail,
    BasketStrategies,
    Presets,
    Strategies,
    StrategyDetail,
)

urlpatterns = [
    path("baskets/<int:basket_id>", BasketDetail.as_view(), name="basket"),
    path(
        "baskets/<int:basket_id>/strategies", BasketStrategies.as_view(), name="basket-strategies"
    ),
    path("strategies", Strategies.as_view(), name="strategies"),
    path("strategies/<int:strategy_id>", StrategyDetail.as_view(), name="strategy"),
    path("presets", Presets.as_view(), name="presets"),
]
