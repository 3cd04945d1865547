"""Telling: notices in the same transaction, the live feed once it has committed."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction

from allocations.models import StrategyBrokerAllocation
from execution.engine.desk import Desk
from execution.models import Order, StrategyExecution
from users.models import Notice
from users.services import notify

Severity = Notice.Severity


def tell(  # noqa: PLR0913 - keyword only, one column each
    desk: Desk,
    allocation: StrategyBrokerAllocation,
    *,
    kind: str,
    severity: Severity,
    title: str,
    body: str,
    dedupe_key: str,
) -> None:
    """One notice to the pair's owner for one cause, and an event on their risk channel."""
    user = allocation.broker_account.user
    notice = notify(
        user=user,
        kind=kind,
        severity=severity,
        title=title,
        body=body,
        dedupe_key=f"{desk.timeline.key}:{dedupe_key}",
        link="/executions",
        now=desk.wall,
    )
    if notice is not None:
        _after_commit(desk, user.pk, "risk", {"kind": kind, "severity": severity, "title": title})


def order_rejected(desk: Desk, order: Order) -> None:
    tell(
        desk,
        order.allocation,
        kind="rejected",
        severity=Severity.WARNING,
        title=f"{order.broker_account.get_broker_display()} rejected an order",
        body=f"{order.side} {order.quantity}: {order.code} ({order.upstream}). Nothing was placed.",
        dedupe_key=f"rejected:{order.execution_id}:{order.leg_number}:{order.code}",
    )


def stop_lost(desk: Desk, order: Order) -> None:
    tell(
        desk,
        order.allocation,
        kind="stop_lost",
        severity=Severity.WARNING,
        title=f"{order.broker_account.get_broker_display()} does not hold a stop",
        body=f"{order.side} {order.quantity} from {order.trigger_price} on: {order.code} ({order.upstream}). "
        "The leg's stop is judged here at each frame; while this host is down nothing would close it.",
        dedupe_key=f"stop_lost:{order.execution_id}:{order.leg_number}:{order.code}",
    )


def stopped_at_broker(desk: Desk, order: Order) -> None:
    tell(
        desk,
        order.allocation,
        kind="stopped_at_broker",
        severity=Severity.WARNING,
        title=f"Leg {order.leg_number} of {order.allocation.strategy.name} was stopped at the broker",
        body=f"{order.broker_account.label}: its stop at {order.trigger_price} was triggered, "
        f"{order.filled_quantity} of {order.quantity} bought at {order.average_price:.2f}.",
        dedupe_key=f"stopped_at_broker:{order.client_ref}",
    )


def broker_unreachable(desk: Desk, order: Order, tries: int) -> None:
    tell(
        desk,
        order.allocation,
        kind="broker_unreachable",
        severity=Severity.CRITICAL,
        title=f"{order.broker_account.get_broker_display()} cannot be reached",
        body=f"{order.side} {order.quantity}: the connection was refused {tries} times "
        f"({order.upstream}). Nothing was sent. An exit keeps trying; an entry ends by its policy.",
        dedupe_key=f"unreachable:{order.execution_id}:{order.leg_number}:{order.action}",
    )


def order_unknown(desk: Desk, order: Order) -> None:
    tell(
        desk,
        order.allocation,
        kind="unknown_order",
        severity=Severity.CRITICAL,
        title="An order has no answer from the broker",
        body=f"{order.side} {order.quantity}, tag {order.client_ref}: it may or may not be at "
        f"{order.broker_account.get_broker_display()}. It is being looked up by its tag and is "
        "not sent again. Entries of this pair wait; exits of what is filled stay armed.",
        dedupe_key=f"unknown:{order.client_ref}",
    )


def order_changed(desk: Desk, order: Order) -> None:
    payload = {
        "id": order.pk,
        "execution": order.execution_id,
        "status": order.status,
        "filled_quantity": order.filled_quantity,
        "quantity": order.quantity,
        "code": order.code,
    }
    _after_commit(desk, order.broker_account.user_id, "orders", payload)


def execution_changed(desk: Desk, execution: StrategyExecution) -> None:
    payload = {
        "id": execution.pk,
        "allocation": execution.allocation_id,
        "phase": execution.phase,
        "status": execution.status,
        "code": execution.code,
    }
    owner = execution.allocation.broker_account.user_id
    _after_commit(desk, owner, "executions", payload)


def book_changed(desk: Desk) -> None:
    transaction.on_commit(partial(desk.feed.book_changed, desk.timeline.key))


def _after_commit(desk: Desk, owner_id: int, channel: str, payload: dict[str, Any]) -> None:
    transaction.on_commit(partial(desk.feed.event, owner_id, channel, payload))
