"""Included under /options/."""

from django.urls import path

from execution.api import adjust, lanes, plans, reconciliation, risk, runs
from execution.api.limits import Limits
from execution.api.performance import Performance
from execution.api.positions import Positions
from execution.api.receipts import OneReceipt, Receipts
from execution.api.scope_limits import ScopeLimits
from execution.api.stops import Stops
from execution.live.api import LiveTicket

urlpatterns = [
    path("executions", runs.Executions.as_view(), name="executions"),
    path("executions/<int:execution_id>", runs.Execution.as_view(), name="execution"),
    path(
        "executions/<int:execution_id>/timeline",
        lanes.RunTimeline.as_view(),
        name="execution-timeline",
    ),
    path("executions/codes", lanes.Codes.as_view(), name="executions-codes"),
    path("orders", runs.Orders.as_view(), name="orders"),
    path("orders/<int:order_id>", runs.OneOrder.as_view(), name="order"),
    path("positions", Positions.as_view(), name="positions"),
    path("stops", Stops.as_view(), name="stops"),
    path("performance", Performance.as_view(), name="performance"),
    path("risk", risk.Risk.as_view(), name="risk"),
    path("risk/limits", Limits.as_view(), name="risk-limits"),
    path("risk/scope-limits", ScopeLimits.as_view(), name="risk-scope-limits"),
    path("risk/receipts", Receipts.as_view(), name="risk-receipts"),
    path("risk/receipts/<int:receipt_id>", OneReceipt.as_view(), name="risk-receipt"),
    path("risk/pause", risk.Pause.as_view(), name="risk-pause"),
    path("risk/resume", risk.Resume.as_view(), name="risk-resume"),
    path("risk/exit", risk.Exit.as_view(), name="risk-exit"),
    path("risk/square-off", risk.SquareOff.as_view(), name="risk-square-off"),
    path("risk/kill", risk.Kill.as_view(), name="risk-kill"),
    path("reconciliation", reconciliation.Reconciliation.as_view(), name="reconciliation"),
    path(
        "reconciliation/<int:account_id>/adopt",
        reconciliation.Adopt.as_view(),
        name="reconciliation-adopt",
    ),
    path(
        "reconciliation/mismatches/<int:mismatch_id>",
        reconciliation.Settle.as_view(),
        name="reconciliation-settle",
    ),
    path(
        "baskets/<int:basket_id>/allocations/preview",
        plans.Preview.as_view(),
        name="allocations-preview",
    ),
    path(
        "baskets/<int:basket_id>/allocations/execute",
        plans.Execute.as_view(),
        name="allocations-execute",
    ),
    path(
        "baskets/<int:basket_id>/allocations/propose",
        plans.Propose.as_view(),
        name="allocations-propose",
    ),
    path(
        "allocations/<int:allocation_id>/adjust/preview",
        adjust.Preview.as_view(),
        name="allocation-adjust-preview",
    ),
    path(
        "allocations/<int:allocation_id>/adjust", adjust.Adjust.as_view(), name="allocation-adjust"
    ),
    path("live/ticket", LiveTicket.as_view(), name="live-ticket"),
]
