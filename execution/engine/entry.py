"""An entry: judged against state, limits and margin, planned at the current quotes, then worked
wave by wave until it is complete or its time is up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from allocations.models import StrategyBrokerAllocation
from allocations.risk import Denial, Exposure, RiskLimit, denial
from allocations.selectors import effective_states
from brokers.types import ReadFailed
from execution.engine import closes, margins, marks, opens, orders, runs
from execution.engine.desk import Desk, Work, WorkKind
from execution.models import Order, Position, StrategyExecution
from execution.states import OPEN_STATES, OrderState
from market.kernel.money import ZERO
from strategies.rules import ResolvedLeg, Unresolvable, naked_units, resolve, waves
from strategies.selectors import leg_rules

Status = StrategyExecution.Status

#: Reasons that the next frame may clear, within the entry's tolerance.
MAY_CLEAR = {"NO_QUOTE", "STALE_QUOTE", "NO_FORWARD", "NO_SPOT", "NO_DELTA"}


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the entry does not go; `may_clear` when the next frame may decide otherwise."""

    status: Status
    code: str
    detail: str
    may_clear: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    legs: list[ResolvedLeg]
    margin: Decimal


def start(execution_id: int, desk: Desk) -> list[Work]:
    """Judge and plan a due entry. The broker is asked for funds outside any transaction."""
    execution = (
        StrategyExecution.objects.select_related(
            "timeline", "strategy_version", "allocation__strategy__basket",
            "allocation__broker_account__user",
        )  # fmt: skip
        .filter(pk=execution_id, status=Status.DUE)
        .first()
    )
    if execution is None:
        return []
    verdict = judge(execution, desk)
    if isinstance(verdict, Plan):
        return _begin(execution_id, verdict, desk)
    _stop(execution_id, verdict, desk)
    return []


def judge(execution: StrategyExecution, desk: Desk) -> Plan | Stop:
    """The plan, or why there is none now. Writes nothing."""
    late = desk.now - execution.due_at
    tolerance = timedelta(seconds=execution.strategy_version.entry_tolerance_seconds)
    if late > tolerance:
        why = execution.detail or f"The next frame came {int(late.total_seconds())} s late"
        return Stop(Status.MISSED, "TOO_LATE", f"{why}; tolerance {int(tolerance.total_seconds())} s.")
    pair = execution.allocation
    stop = _stopped(pair, desk)
    if stop is not None:
        return stop
    try:
        legs = resolve(
            leg_rules(execution.strategy_version),
            underlying=pair.strategy.underlying,
            frame=desk.frame,
            day=desk.day,
        )
    except Unresolvable as error:
        return Stop(Status.DENIED, error.code, error.message, error.code in MAY_CLEAR)
    return _undeclared(execution, legs) or _within_limits(execution, legs, desk)


def advance(execution_id: int, desk: Desk) -> list[Work]:
    """Do the next thing that a running entry allows."""
    with transaction.atomic():
        execution = runs.locked(execution_id, Status.RUNNING)
        if execution is None:
            return []
        mine = list(execution.orders.select_for_update(of=("self",)).select_related("contract"))
        if opens.is_complete(execution, mine):
            runs.finish(execution, Status.DONE, desk)
            return []
        if any(order.status == OrderState.UNKNOWN for order in mine):
            return []
        if (execution.plan or {}).get("unwinding"):
            return _unwind(execution, mine, desk)
        return _work(execution, mine, desk)


def _work(execution: StrategyExecution, mine: list[Order], desk: Desk) -> list[Work]:
    """Release what may go, or withdraw the rest when the pair is stopped or its time is up."""
    stopped = _stopped(execution.allocation, desk)
    if stopped is None and not _time_is_up(execution, desk):
        fresh = opens.release(execution, mine, desk)
        if fresh or orders.open_orders(mine):
            return [Work(WorkKind.DISPATCH, order.pk) for order in fresh]
        return _incomplete(execution, mine, "NOT_FILLED", desk)
    waiting = closes.withdraw(orders.open_orders(mine), desk)
    if waiting:
        return [Work(WorkKind.CANCEL, order.pk) for order in waiting]
    return _incomplete(execution, mine, stopped.code if stopped else "TIMED_OUT", desk)


@transaction.atomic
def _begin(execution_id: int, plan: Plan, desk: Desk) -> list[Work]:
    execution = runs.locked(execution_id, Status.DUE)
    if execution is None:
        return []
    pair = StrategyBrokerAllocation.objects.select_for_update().get(pk=execution.allocation_id)
    execution.status = Status.RUNNING
    execution.started_at = desk.now
    execution.deadline = desk.wall + timedelta(seconds=settings.PLATFORM.execution_timeout_seconds)
    execution.plan = {"legs": opens.as_plan(plan.legs)}
    execution.margin = plan.margin
    execution.realised_before = sum((p.realised for p in _held(pair, desk)), ZERO)
    late = int((desk.now - execution.due_at).total_seconds())
    execution.detail = f"{late} s after {execution.due_at:%H:%M:%S} UTC" if late > 1 else ""
    execution.save()
    if pair.strategy_version_id != execution.strategy_version_id:
        pair.strategy_version_id = execution.strategy_version_id
        pair.save(update_fields=["strategy_version", "updated_at"])
    fresh = opens.release(execution, [], desk)
    return [Work(WorkKind.DISPATCH, order.pk) for order in fresh] or [
        Work(WorkKind.ADVANCE, execution_id)
    ]


@transaction.atomic
def _stop(execution_id: int, stop: Stop, desk: Desk) -> None:
    execution = runs.locked(execution_id, Status.DUE)
    if execution is None:
        return
    if stop.may_clear:
        execution.detail = f"{stop.code}: {stop.detail}"
        execution.save(update_fields=["detail"])
        return
    runs.finish(execution, stop.status, desk, code=stop.code, detail=stop.detail)


def _stopped(pair: StrategyBrokerAllocation, desk: Desk) -> Stop | None:
    """Whether the pair may enter at all now: session, trading state, paper switch, open questions."""
    if not desk.is_open(pair.strategy.underlying):
        return Stop(Status.MISSED, "OUTSIDE_SESSION", "The exchange is closed.")
    if pair.broker_account.mode == "paper" and not settings.PLATFORM.enable_paper_trading:
        return Stop(Status.DENIED, "PAPER_DISABLED", "Paper trading is switched off here.")
    state = effective_states([pair])[pair.pk]
    if state.denial is not None:
        return Stop(Status.DENIED, state.denial, f"{state.scope}: {state.reason or state.denial.text}")
    unknown = Order.objects.filter(
        allocation=pair, timeline=desk.timeline, status=OrderState.UNKNOWN
    ).exists()
    if unknown:
        return Stop(Status.DENIED, Denial.FROZEN, Denial.FROZEN.text)
    return None


def _undeclared(execution: StrategyExecution, legs: list[ResolvedLeg]) -> Stop | None:
    calls, puts = naked_units(legs)
    version = execution.strategy_version
    if calls <= version.naked_calls and puts <= version.naked_puts:
        return None
    return Stop(
        Status.DENIED,
        "UNDECLARED_NAKED",
        f"At these strikes {calls} calls and {puts} puts a lot are uncovered; "
        f"{version.naked_calls} and {version.naked_puts} are declared.",
    )


def _within_limits(
    execution: StrategyExecution, legs: list[ResolvedLeg], desk: Desk
) -> Plan | Stop:
    pair = execution.allocation
    held = _held(pair, desk)
    holdings = [(p.contract.spec, p.quantity) for p in held if p.quantity]
    wanted = [(leg.contract, _signed(leg, execution.lots)) for leg in legs]
    try:
        margin = margins.requirement([*holdings, *wanted], desk.frame)
        needed = _needed(execution, legs, desk)
    except margins.NoMargin as error:
        return Stop(Status.DENIED, "NO_QUOTE", str(error), may_clear=True)
    refusal = denial(
        RiskLimit(
            max_lots=pair.max_lots,
            max_day_loss=pair.max_day_loss,
            max_margin=pair.max_margin,
            max_open_positions=pair.max_open_positions,
        ),
        Exposure(
            open_lots=execution.lots if holdings else 0,
            day_pnl=marks.day_pnl(held, desk.frame),
            margin=margins.requirement(holdings, desk.frame),
            open_positions=len(holdings),
        ),
        entry_lots=execution.lots,
        entry_margin=margin - margins.requirement(holdings, desk.frame),
        entry_positions=len(legs),
    )
    if refusal is not None:
        return Stop(Status.DENIED, refusal, f"{refusal.text} {refusal.fix}")
    return _funded(pair, needed, desk) or Plan(legs, margin)


def _funded(pair: StrategyBrokerAllocation, needed: Decimal, desk: Desk) -> Stop | None:
    try:
        funds = desk.adapter_for(pair.broker_account).funds()
    except ReadFailed as error:
        return Stop(Status.DENIED, "FUNDS_UNREAD", f"The broker did not say: {error}", may_clear=True)
    if needed <= funds.available:
        return None
    return Stop(
        Status.DENIED,
        "INSUFFICIENT_FUNDS",
        f"{needed} rupees are needed at the worst step, {funds.available} are free. "
        "Add funds or enter fewer lots.",
    )


def _needed(execution: StrategyExecution, legs: list[ResolvedLeg], desk: Desk) -> Decimal:
    """The most that any prefix of the entry takes from free funds: premium paid plus margin added."""
    account = execution.allocation.broker_account_id
    rows = Position.objects.filter(
        timeline=desk.timeline, allocation__broker_account_id=account
    ).exclude(quantity=0)
    before = [(p.contract.spec, p.quantity) for p in rows.select_related("contract")]
    base = margins.requirement(before, desk.frame)
    first, second = waves(legs)
    worst, taken, paid = ZERO, list(before), ZERO
    for wave in (first, second):
        taken += [(leg.contract, _signed(leg, execution.lots)) for leg in wave]
        paid += sum((_premium(leg, execution.lots) for leg in wave), ZERO)
        worst = max(worst, margins.requirement(taken, desk.frame) - base + paid)
    if not execution.strategy_version.cash_secured:
        return worst
    return max(worst, sum((_reserve(leg, execution.lots) for leg in legs), ZERO))


def _reserve(leg: ResolvedLeg, lots: int) -> Decimal:
    """The cash that a secured short put sets aside: (strike - premium) x quantity."""
    if leg.side != "SELL" or leg.contract.option_type != "PE" or leg.contract.strike is None:
        return ZERO
    return (leg.contract.strike - leg.reference) * leg.quantity_per_lot * lots


def _premium(leg: ResolvedLeg, lots: int) -> Decimal:
    return leg.reference * _signed(leg, lots) if leg.contract.is_option else ZERO


def _signed(leg: ResolvedLeg, lots: int) -> int:
    units = leg.quantity_per_lot * lots
    return units if leg.side == "BUY" else -units


def _held(pair: StrategyBrokerAllocation, desk: Desk) -> list[Position]:
    rows = Position.objects.filter(allocation=pair, timeline=desk.timeline)
    return list(rows.select_related("contract"))


def _time_is_up(execution: StrategyExecution, desk: Desk) -> bool:
    return execution.deadline is not None and desk.wall >= execution.deadline


def _incomplete(
    execution: StrategyExecution, mine: list[Order], code: str, desk: Desk
) -> list[Work]:
    """Nothing more will fill: apply the completion policy."""
    filled = sum(order.filled_quantity for order in mine)
    if filled and execution.strategy_version.completion == "unwind":
        execution.plan = {**(execution.plan or {}), "unwinding": True, "code": code}
        execution.save(update_fields=["plan"])
        return _unwind(execution, mine, desk)
    words = _why(mine, code)
    status = Status.PARTIAL if filled else Status.FAILED
    runs.finish(execution, status, desk, code=code, detail=words)
    return []


def _unwind(execution: StrategyExecution, mine: list[Order], desk: Desk) -> list[Work]:
    """Bring the pair down to whole lots of the strategy: excess shorts first, then excess hedges."""
    whole = opens.complete_lots(execution, mine)
    legs = opens.planned(execution)
    excess = {}
    for leg in legs:
        done = sum(o.filled_quantity * (1 if o.action == Order.Action.OPEN else -1)
                   for o in mine if o.leg_number == leg.number)  # fmt: skip
        excess[leg.number] = done - whole * leg.quantity_per_lot
    closing = {o.leg_number for o in mine if o.action == Order.Action.CLOSE and o.status in OPEN_STATES}
    if closing:
        return []
    shorts = [leg for leg in legs if leg.side == "SELL" and excess[leg.number] > 0]
    todo = shorts or [leg for leg in legs if excess[leg.number] > 0]
    if not todo or not desk.is_open(execution.allocation.strategy.underlying):
        words = f"Unwound to {whole} whole lots. " if not todo else "The session closed first. "
        status = Status.PARTIAL if whole or todo else Status.FAILED
        runs.finish(execution, status, desk, code=(execution.plan or {}).get("code", ""),
                    detail=words + _why(mine, ""))  # fmt: skip
        return []
    rows = {order.leg_number: order.contract for order in mine}
    fresh = orders.write(
        execution,
        [
            orders.Ticket(
                contract=rows[leg.number],
                leg_number=leg.number,
                action=Order.Action.CLOSE,
                wave=1 if leg.side == "SELL" else 2,
                side="BUY" if leg.side == "SELL" else "SELL",
                lots=excess[leg.number] // leg.contract.lot_size,
            )
            for leg in todo
        ],
        mine,
        desk,
    )
    return [Work(WorkKind.DISPATCH, order.pk) for order in fresh]


def _why(mine: list[Order], code: str) -> str:
    refused = sorted({f"leg {o.leg_number}: {o.code}" for o in mine if o.code})
    return "; ".join([*([code] if code else []), *refused])

