from django.urls import path

from execution.views import baskets, desk, performance, risk, runs, strategies

urlpatterns = [
    path("", desk.desk, name="page-desk"),
    path("baskets", baskets.baskets, name="page-baskets"),
    path("baskets/<int:basket_id>", baskets.basket, name="page-basket"),
    path("strategies/<int:strategy_id>", strategies.strategy, name="page-strategy"),
    path("executions", runs.executions, name="page-executions"),
    path("executions/<int:execution_id>", runs.execution, name="page-execution"),
    path("orders", runs.orders, name="page-orders"),
    path("performance", performance.performance, name="page-performance"),
    path("risk", risk.risk, name="page-risk"),
    path("risk/<slug:verb>", risk.act, name="page-risk-verb"),
    path("risk/<slug:verb>/done", risk.receipt, name="page-risk-done"),
]
