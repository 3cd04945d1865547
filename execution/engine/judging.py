"""Whether a due entry may go: tolerance, state, limits, margin and funds, at the current quotes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from itertools import accumulate

from django.conf import settings

from allocations.models import StrategyBrokerAllocation
from allocations.risk import Denial
from brokers.types import ReadFailed
from execution.engine import limits, margins, siblings, waiting
from execution.engine.account_view import AccountView
from execution.engine.desk import Desk
from execution.engine.exposures import Book
from execution.models import StrategyExecution
from execution.reconcile.words import about
from market.kernel import calendar
from market.kernel.calendar import OutsideCoverage
from market.kernel.contracts import exchange_of
from market.kernel.money import ZERO
from strategies.rules import (
    CLEARING,
    ResolvedLeg,
    Unresolvable,
    blocked,
    naked_units,
    resolve,
    waves,
)
from strategies.selectors import conditions, leg_rules

Status = StrategyExecution.Status

#: Wall time from a frame to its work: a beat of one second, a queue, a plan.
TIME_TO_ACT = timedelta(seconds=5)
#: Reasons that the next frame may clear, within the entry's tolerance.
MAY_CLEAR = {"NO_QUOTE", "STALE_QUOTE", "NO_FORWARD", "NO_SPOT", "NO_DELTA", Denial.GREEKS_UNKNOWN}


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the entry does not go; `may_clear` when the next frame may decide otherwise."""

    status: Status
    code: str
    detail: str
    may_clear: bool = False

    @property
    def said(self) -> str:
        """What a run that stays due says of it; a wait is no obstacle, so its words stand alone."""
        return self.detail if self.code == "WAITING" else f"{self.code}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Plan:
    """`margin` is the pair's when all is filled, `needed` the most of free funds on the way; rupees."""

    legs: list[ResolvedLeg]
    margin: Decimal
    needed: Decimal


def judge(execution: StrategyExecution, view: AccountView) -> Plan | Stop:
    """The plan, or why there is none now. Writes nothing."""
    legs = found_legs(execution, view)
    if isinstance(legs, Stop):
        return legs
    return guarded(execution, legs, view.desk) or _undeclared(execution, legs) or _within_limits(
        execution, legs, view
    )  # fmt: skip


def found_legs(execution: StrategyExecution, view: AccountView) -> list[ResolvedLeg] | Stop:
    """The contracts to enter now: in time, not stopped, resolved or as they were armed; or why not."""
    desk = view.desk
    stop = untimely(execution, desk) or stopped(execution.allocation, view)
    if stop is not None:
        return stop
    if siblings.has_failed(execution):
        return Stop(Status.DENIED, siblings.CODE, siblings.WORDS)
    try:
        if "legs" in (execution.plan or {}):  # armed, or a re-entry in the contracts of before
            return waiting.legs_of(execution, desk)
        return resolve(
            leg_rules(execution.strategy_version),
            underlying=execution.allocation.strategy.underlying,
            frame=desk.frame,
            day=desk.day,
        )
    except Unresolvable as error:
        return unresolved(error)
    except OutsideCoverage as error:
        return Stop(Status.DENIED, "NO_FACTS", str(error))


def untimely(execution: StrategyExecution, desk: Desk) -> Stop | None:
    """Why it is not the time: too late, or the price that an armed one waits for is not there."""
    return _still_waits(execution, desk) if execution.armed_at else _too_late(execution, desk)


def unresolved(error: Unresolvable) -> Stop:
    return Stop(Status.DENIED, error.code, error.message, error.code in MAY_CLEAR)


def _too_late(execution: StrategyExecution, desk: Desk) -> Stop | None:
    late, tolerance = desk.now - execution.due_at, tolerance_of(execution)
    if late <= tolerance:
        return None
    why = execution.detail or f"The next frame came {int(late.total_seconds())} s late"
    code = execution.code if execution.code in CLEARING else "TOO_LATE"
    return Stop(Status.MISSED, code, f"{why}; tolerance {int(tolerance.total_seconds())} s.")


def _still_waits(execution: StrategyExecution, desk: Desk) -> Stop | None:
    """Why an armed entry does not go now: its cut-off has passed, or the price is not there."""
    seen = waiting.watch(execution)
    if desk.now >= seen.until:
        code = execution.code if execution.code in CLEARING else "WAIT_OVER"
        return Stop(Status.MISSED, code, execution.detail)
    try:
        reached = waiting.is_reached(execution, desk)
    except Unresolvable as error:
        return Stop(Status.DENIED, error.code, error.message, may_clear=True)
    return None if reached else Stop(Status.DENIED, "WAITING", waiting.words(seen), may_clear=True)


def guarded(execution: StrategyExecution, legs: list[ResolvedLeg], desk: Desk) -> Stop | None:
    """The guard of the strategy that this frame does not satisfy, if any. A leg that comes back alone is
    not asked for the credit or debit of a whole lot."""
    terms = conditions(execution.strategy_version)
    if execution.only_legs is not None:
        terms = replace(terms, min_credit=None, max_debit=None)
    found = blocked(
        terms,
        legs,
        underlying=execution.allocation.strategy.underlying,
        frame=desk.frame,
        day=desk.day,
    )
    return None if found is None else Stop(
        Status.DENIED, found.guard, found.detail, found.may_clear
    )  # fmt: skip


def tolerance_of(execution: StrategyExecution) -> timedelta:
    """The version's own, in market time. In a world that runs faster than the clock, the seconds
    that the desk itself takes to act are worth more market time, and are granted besides."""
    own = timedelta(seconds=execution.strategy_version.entry_tolerance_seconds)
    return own + (execution.timeline.speed - 1) * TIME_TO_ACT


def stopped(pair: StrategyBrokerAllocation, view: AccountView) -> Stop | None:
    """Why the pair may not enter now, if so: as `shut`, or an order of it has no answer."""
    stop = shut(pair, view)
    if stop is not None:
        return stop
    if view.is_unanswered(pair):
        return Stop(Status.DENIED, Denial.FROZEN, Denial.FROZEN.text)
    return _unreconciled(pair, view)


def _unreconciled(pair: StrategyBrokerAllocation, view: AccountView) -> Stop | None:
    """The broker's book and ours differ, or it cannot be read now."""
    mismatch = view.mismatch_of(pair)
    if mismatch is not None:
        title, _ = about(mismatch)
        return Stop(Status.DENIED, "MISMATCH", f"{title}: {mismatch.subject}. See Reconciliation.")
    why = view.unread_since
    return Stop(Status.DENIED, "BOOKS_UNREAD", why, may_clear=True) if why else None


def shut(pair: StrategyBrokerAllocation, view: AccountView) -> Stop | None:
    """Whether session, paper switch or trading state stand against any entry of the pair."""
    if not view.desk.is_open(pair.strategy.underlying):
        return outside_session(pair, view.desk, Status.MISSED)
    if pair.broker_account.mode == "paper" and not settings.PLATFORM.enable_paper_trading:
        return Stop(Status.DENIED, "PAPER_DISABLED", "Paper trading is switched off here.")
    state = view.state(pair)
    if state.denial is not None:
        return Stop(Status.DENIED, state.denial, f"{state.scope}: {state.reason or state.denial.text}")
    return None


def outside_session(pair: StrategyBrokerAllocation, desk: Desk, status: Status) -> Stop:
    """The exchange is closed, or nobody has told us today's hours."""
    gap = calendar.unknown_hours(exchange_of(pair.strategy.underlying), desk.day)
    return Stop(status, "HOURS_UNKNOWN", gap) if gap else Stop(status, "OUTSIDE_SESSION", "The exchange is closed.")


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
    execution: StrategyExecution, legs: list[ResolvedLeg], view: AccountView
) -> Plan | Stop:
    pair = execution.allocation
    holdings = [(p.contract.spec, p.quantity) for p in view.held_by(pair)]
    wanted = [(leg.contract, leg.signed(execution.lots)) for leg in legs]
    try:
        margin = view.sheet.requirement([*holdings, *wanted])
        needed = funds_needed(execution, legs, view)
    except margins.NoMargin as error:
        return Stop(Status.DENIED, "NO_QUOTE", str(error), may_clear=True)
    return (
        beyond_limits(pair, lambda book: book.entering(legs, execution.lots), view)
        or funded(needed, view)
        or Plan(legs, margin, needed)
    )


def beyond_limits(
    pair: StrategyBrokerAllocation, then: Callable[[Book], Book], view: AccountView
) -> Stop | None:
    """The tightest limit of pair, basket, account and user that would be broken if the pair's book
    became this one, by its name."""
    try:
        broken = limits.broken(pair, then, view)
    except margins.NoMargin as error:
        return Stop(Status.DENIED, "NO_QUOTE", str(error), may_clear=True)
    if broken is None:
        return None
    name, breach = broken
    words = f"{name}: {limits.words(breach)}. {breach.denial.fix}"
    return Stop(Status.DENIED, breach.denial, words, breach.denial in MAY_CLEAR)


def funded(needed: Decimal, view: AccountView) -> Stop | None:
    """Whether the account's free funds reach; the broker is asked."""
    try:
        free = view.free_funds()
    except ReadFailed as error:
        return Stop(Status.DENIED, "FUNDS_UNREAD", f"The broker did not say: {error}", may_clear=True)
    if needed <= free:
        return None
    return Stop(
        Status.DENIED,
        "INSUFFICIENT_FUNDS",
        f"{needed} rupees are needed at the worst step, {free} are free. "
        "Add funds or enter fewer lots.",
    )


def funds_needed(execution: StrategyExecution, legs: list[ResolvedLeg], view: AccountView) -> Decimal:
    """The most that the entry takes from free funds after any of its orders: premium and margin."""
    before = [(p.contract.spec, p.quantity) for p in view.held]
    base = view.sheet.requirement(before)
    sequence = [leg for wave in waves(legs) for leg in wave]
    orders = [(leg.contract, leg.signed(execution.lots)) for leg in sequence]
    blocked = view.sheet.after_each(before, orders)
    paid = accumulate(_premium(leg, execution.lots) for leg in sequence)
    steps = zip(blocked, paid, strict=True)
    worst = max((margin - base + premium for margin, premium in steps), default=ZERO)
    worst = max(worst, ZERO)
    if not execution.strategy_version.cash_secured:
        return worst
    return max(worst, sum((reserve(leg, execution.lots) for leg in legs), ZERO))


def reserve(leg: ResolvedLeg, lots: int) -> Decimal:
    """The cash that a secured short put sets aside: (strike - premium) x quantity."""
    if leg.side != "SELL" or leg.contract.option_type != "PE" or leg.contract.strike is None:
        return ZERO
    return (leg.contract.strike - leg.reference) * leg.quantity_per_lot * lots


def _premium(leg: ResolvedLeg, lots: int) -> Decimal:
    return leg.reference * leg.signed(lots) if leg.contract.is_option else ZERO

