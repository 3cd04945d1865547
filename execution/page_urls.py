from django.urls import path

from execution.views import (
    adjust,
    baskets,
    desk,
    limits,
    performance,
    reconciliation,
    risk,
    runs,
    strategies,
)

urlpatterns = [
    path("", desk.desk, name="page-desk"),
    path("baskets", baskets.baskets, name="page-baskets"),
    path("baskets/<int:basket_id>", baskets.basket, name="page-basket"),
    path("strategies/<int:strategy_id>", strategies.strategy, name="page-strategy"),
    path("pairs/<int:allocation_id>/adjust", adjust.adjust, name="page-adjust"),
    path("executions", runs.executions, name="page-executions"),
    path("executions/<int:execution_id>", runs.execution, name="page-execution"),
    path("orders", runs.orders, name="page-orders"),
    path("performance", performance.performance, name="page-performance"),
    path("reconciliation", reconciliation.reconciliation, name="page-reconciliation"),
    path("reconciliation/look", reconciliation.look, name="page-reconciliation-look"),
    path(
        "reconciliation/mismatches/<int:mismatch_id>",
        reconciliation.settle,
        name="page-reconciliation-settle",
    ),
    path("reconciliation/<int:account_id>/adopt", reconciliation.adopt, name="page-reconciliation-adopt"),
    path("risk", risk.risk, name="page-risk"),
    path("risk/limits", limits.limits, name="page-risk-limits"),
    path("risk/limits/edit", limits.edit, name="page-risk-limit"),
    path("risk/<slug:verb>", risk.act, name="page-risk-verb"),
    path("risk/<slug:verb>/done", risk.receipt, name="page-risk-done"),
]
