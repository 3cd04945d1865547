"""Included under /options/."""

from django.urls import path

from allocations.api.views import AllocationMatrix, StrategyBroker, StrategyBrokers

urlpatterns = [
    path(
        "strategies/<int:strategy_id>/brokers", StrategyBrokers.as_view(), name="strategy-brokers"
    ),
    path(
        "strategies/<int:strategy_id>/brokers/<int:allocation_id>",
        StrategyBroker.as_view(),
        name="strategy-broker",
    ),
    path(
        "baskets/<int:basket_id>/allocations", AllocationMatrix.as_view(), name="allocation-matrix"
    ),
]
