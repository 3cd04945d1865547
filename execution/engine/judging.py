"""Whether a due entry may go: tolerance, state, limits, margin and funds, at the current quotes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import accumulate

from django.conf import settings

from allocations.models import StrategyBrokerAllocation
from allocations.risk import Denial, Exposure, RiskLimit, denial
from allocations.selectors import effective_states
from brokers.types import ReadFailed
from execution.engine import closes, margins, marks, siblings
from execution.engine.desk import Desk
from execution.engine.wires import open_wire
from execution.models import Order, Position, StrategyExecution
from execution.states import OrderState
from market.kernel.calendar import OutsideCoverage
from market.kernel.money import ZERO
from strategies.rules import ResolvedLeg, Unresolvable, naked_units, resolve, waves
from strategies.selectors import leg_rules

Status = StrategyExecution.Status

#: Wall time from a frame to its work: a beat of one second, a queue, a plan.
TIME_TO_ACT = timedelta(seconds=5)
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


def judge(execution: StrategyExecution, desk: Desk) -> Plan | Stop:
    """The plan, or why there is none now. Writes nothing."""
    late = desk.now - execution.due_at
    tolerance = _tolerance(execution)
    if late > tolerance:
        why = execution.detail or f"The next frame came {int(late.total_seconds())} s late"
        return Stop(Status.MISSED, "TOO_LATE", f"{why}; tolerance {int(tolerance.total_seconds())} s.")
    pair = execution.allocation
    stop = stopped(pair, desk)
    if stop is not None:
        return stop
    if siblings.has_failed(execution):
        return Stop(Status.DENIED, siblings.CODE, siblings.WORDS)
    try:
        legs = resolve(
            leg_rules(execution.strategy_version),
            underlying=pair.strategy.underlying,
            frame=desk.frame,
            day=desk.day,
        )
    except Unresolvable as error:
        return Stop(Status.DENIED, error.code, error.message, error.code in MAY_CLEAR)
    except OutsideCoverage as error:
        return Stop(Status.DENIED, "NO_FACTS", str(error))
    return _undeclared(execution, legs) or _within_limits(execution, legs, desk)


def _tolerance(execution: StrategyExecution) -> timedelta:
    """The version's own, in market time. In a world that runs faster than the clock, the seconds
    that the desk itself takes to act are worth more market time, and are granted besides."""
    own = timedelta(seconds=execution.strategy_version.entry_tolerance_seconds)
    return own + (execution.timeline.speed - 1) * TIME_TO_ACT


def stopped(pair: StrategyBrokerAllocation, desk: Desk) -> Stop | None:
    """Why the pair may not enter now, if so: as `shut`, or an order of it has no answer."""
    stop = shut(pair, desk)
    if stop is not None:
        return stop
    unknown = Order.objects.filter(
        allocation=pair, timeline=desk.timeline, status=OrderState.UNKNOWN
    ).exists()
    return Stop(Status.DENIED, Denial.FROZEN, Denial.FROZEN.text) if unknown else None


def shut(pair: StrategyBrokerAllocation, desk: Desk) -> Stop | None:
    """Whether session, paper switch or trading state stand against any entry of the pair."""
    if not desk.is_open(pair.strategy.underlying):
        return Stop(Status.MISSED, "OUTSIDE_SESSION", "The exchange is closed.")
    if pair.broker_account.mode == "paper" and not settings.PLATFORM.enable_paper_trading:
        return Stop(Status.DENIED, "PAPER_DISABLED", "Paper trading is switched off here.")
    state = effective_states([pair])[pair.pk]
    if state.denial is not None:
        return Stop(Status.DENIED, state.denial, f"{state.scope}: {state.reason or state.denial.text}")
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
    held = held_by(pair, desk)
    holdings = [(p.contract.spec, p.quantity) for p in held if p.quantity]
    traded = any(p.quantity and not closes.is_worthless(p, desk) for p in held)
    wanted = [(leg.contract, _signed(leg, execution.lots)) for leg in legs]
    try:
        margin = margins.requirement([*holdings, *wanted], desk.frame)
        needed = funds_needed(execution, legs, desk)
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
            open_lots=execution.lots if traded else 0,
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
        funds = open_wire(desk, pair.broker_account).funds()
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


def funds_needed(execution: StrategyExecution, legs: list[ResolvedLeg], desk: Desk) -> Decimal:
    """The most that the entry takes from free funds after any of its orders: premium and margin."""
    account = execution.allocation.broker_account_id
    rows = Position.objects.filter(
        timeline=desk.timeline, allocation__broker_account_id=account
    ).exclude(quantity=0)
    before = [(p.contract.spec, p.quantity) for p in rows.select_related("contract")]
    base = margins.requirement(before, desk.frame)
    sequence = [leg for wave in waves(legs) for leg in wave]
    orders = [(leg.contract, _signed(leg, execution.lots)) for leg in sequence]
    blocked = margins.after_each(before, orders, desk.frame)
    paid = accumulate(_premium(leg, execution.lots) for leg in sequence)
    steps = zip(blocked, paid, strict=True)
    worst = max((margin - base + premium for margin, premium in steps), default=ZERO)
    worst = max(worst, ZERO)
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


def held_by(pair: StrategyBrokerAllocation, desk: Desk) -> list[Position]:
    rows = Position.objects.filter(allocation=pair, timeline=desk.timeline)
    return list(rows.select_related("contract"))
