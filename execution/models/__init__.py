"""Runs of pairs, their orders and fills, the positions these give, and what was earned."""

from execution.models.calls import AccountCalls
from execution.models.orders import Fill, Order, OrderEvent
from execution.models.performance import PerformanceMetric
from execution.models.positions import Position, Settlement
from execution.models.runs import StrategyExecution

__all__ = [
    "AccountCalls",
    "Fill",
    "Order",
    "OrderEvent",
    "PerformanceMetric",
    "Position",
    "Settlement",
    "StrategyExecution",
]
