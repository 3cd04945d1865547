"""Runs of pairs, their orders and fills, the positions these give, and what was earned."""

from execution.models.calls import AccountCalls
from execution.models.orders import Fill, Order, OrderEvent
from execution.models.performance import PerformanceMetric
from execution.models.positions import Position, Settlement
from execution.models.receipts import Receipt, ReceiptAccount
from execution.models.reconciliation import (
    AccountBook,
    AccountPosition,
    ForeignTrade,
    Mismatch,
)
from execution.models.runs import COMING_BACK, REENTRY, StrategyExecution
from execution.models.watches import StopWatch

__all__ = [
    "COMING_BACK",
    "REENTRY",
    "AccountBook",
    "AccountCalls",
    "AccountPosition",
    "Fill",
    "ForeignTrade",
    "Mismatch",
    "Order",
    "OrderEvent",
    "PerformanceMetric",
    "Position",
    "Receipt",
    "ReceiptAccount",
    "Settlement",
    "StopWatch",
    "StrategyExecution",
]
