"""What an entry now would do: contracts, slices, prices, margin, charges, or why it would not go.

Nothing is written. `plan` asks no broker, so it may run inside a transaction; `preview` asks each
account's broker once for its funds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from hashlib import sha256
from typing import Any

from allocations.models import StrategyBrokerAllocation
from brokers.models import BrokerAccount
from brokers.types import Funds, ReadFailed
from execution.engine import judging, margins
from execution.engine.account_view import AccountView
from execution.engine.desk import Desk
from execution.engine.judging import Stop
from execution.engine.marks import ENTRY_CROSS, limit_price
from execution.engine.snapshot import versions_to_enter
from execution.engine.wires import open_wire
from execution.models import Order, Position, StrategyExecution
from execution.states import OPEN_STATES
from market.kernel import charges, contracts
from market.kernel.frame import Quote
from market.kernel.money import ZERO, rupees
from market.models import Timeline
from strategies.models import StrategyVersion
from strategies.rules import ResolvedLeg, Unresolvable, resolve, waves
from strategies.selectors import leg_rules

Status = StrategyExecution.Status


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOrder:
    """One leg as it would be ordered now; `quantity` sums the slices, a received `premium` is negative."""

    leg_number: int
    wave: int
    side: str
    contract: str
    quantity: int
    slices: list[int]
    limit_price: Decimal
    mid: Decimal
    premium: Decimal
    charges: Decimal
    margin_after: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPlan:
    """One pair's entry now; `stop` says why it would not go."""

    pair: StrategyBrokerAllocation
    version: StrategyVersion | None
    orders: tuple[PlannedOrder, ...] = ()
    stop: Stop | None = None

    @property
    def enters(self) -> bool:
        return self.stop is None

    @property
    def charges(self) -> Decimal:
        return sum((order.charges for order in self.orders), ZERO)

    @property
    def premium(self) -> Decimal:
        return sum((order.premium for order in self.orders), ZERO)

    @property
    def margin(self) -> Decimal | None:
        """Of the whole entry standing alone; None where the frame cannot say."""
        return self.orders[-1].margin_after if self.orders else None

    @property
    def margin_peak(self) -> Decimal | None:
        """The most that is blocked after any of its orders."""
        known = [order.margin_after for order in self.orders if order.margin_after is not None]
        return max(known, default=None)


def plan(pairs: Sequence[StrategyBrokerAllocation], desk: Desk) -> list[PairPlan]:
    """What each pair would order, by contracts and quantities alone: no limit or fund is asked."""
    versions = versions_to_enter(pairs, desk.wall)
    busy = busy_pairs(pairs, desk.timeline)
    return [_plan(pair, versions.get(pair.pk), desk, busy=pair.pk in busy) for pair in pairs]


def preview(
    pairs: Sequence[StrategyBrokerAllocation], desk: Desk, funds: FundsOnce
) -> list[PairPlan]:
    """The plan, judged as the engine will judge it: state, limits, margin, funds."""
    asking = replace(desk, adapter_for=funds)
    return [_judged(planned, asking) for planned in plan(pairs, desk)]


def fingerprint(plans: Sequence[PairPlan]) -> str:
    """The same for the same pairs, contracts, sides and quantities, whatever the prices."""
    rows = sorted(
        (planned.pair.pk, planned.pair.lots, planned.pair.product,
         planned.version.pk if planned.version else 0,
         [(o.leg_number, o.side, o.contract, o.slices) for o in planned.orders])
        for planned in plans if planned.enters
    )  # fmt: skip
    return sha256(repr(rows).encode()).hexdigest()[:16]


def busy_pairs(pairs: Sequence[StrategyBrokerAllocation], timeline: Timeline) -> set[int]:
    """Pairs that hold something, or have a run or an order under way: they enter when that is over."""
    mine = {"timeline": timeline, "allocation__in": pairs}
    rows: list[Any] = [
        Position.objects.filter(**mine).exclude(quantity=0),
        Order.objects.filter(**mine, status__in=OPEN_STATES),
        StrategyExecution.objects.filter(**mine, status__in=[Status.DUE, Status.RUNNING]),
    ]
    return {pk for found in rows for pk in found.values_list("allocation_id", flat=True)}


class FundsOnce:
    """`adapter_for` that asks each account's broker for its funds once, however many pairs it has."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.known: dict[int, Funds | ReadFailed] = {}

    def __call__(self, account: BrokerAccount) -> Any:
        return _Purse(self, account)

    def funds(self, account: BrokerAccount) -> Funds:
        if account.pk not in self.known:
            try:
                self.known[account.pk] = open_wire(self.desk, account).funds()
            except ReadFailed as error:
                self.known[account.pk] = error
        found = self.known[account.pk]
        if isinstance(found, ReadFailed):
            raise found
        return found


@dataclass(frozen=True, slots=True)
class _Purse:
    """An account's funds; a preview has no way to send anything."""

    once: FundsOnce
    account: BrokerAccount

    def funds(self) -> Funds:
        return self.once.funds(self.account)


def _plan(
    pair: StrategyBrokerAllocation, version: StrategyVersion | None, desk: Desk, *, busy: bool
) -> PairPlan:
    stop = _cannot(pair, version, desk, busy=busy)
    if version is None:
        return PairPlan(pair=pair, version=None, stop=stop)
    try:
        legs = resolve(
            leg_rules(version), underlying=pair.strategy.underlying, frame=desk.frame, day=desk.day
        )
    except Unresolvable as error:
        stop = stop or Stop(Status.DENIED, error.code, error.message)
        return PairPlan(pair=pair, version=version, stop=stop)
    return PairPlan(pair=pair, version=version, stop=stop, orders=_orders(pair, legs, desk))


def _cannot(
    pair: StrategyBrokerAllocation, version: StrategyVersion | None, desk: Desk, *, busy: bool
) -> Stop | None:
    """Why the pair does not enter at all in this world, before any limit is asked."""
    live = pair.broker_account.mode == BrokerAccount.Mode.LIVE
    if live and desk.timeline.source != Timeline.Source.LIVE:
        return Stop(Status.DENIED, "LIVE_ACCOUNT_IN_REPLAY",
                    "A live account trades only in the live market; this one is replayed or simulated.")  # fmt: skip
    if pair.strategy.basket.status not in ("active", "published"):
        return Stop(Status.DENIED, "BASKET_NOT_ACTIVE", "The basket is a draft or archived.")
    if version is None:
        return Stop(Status.DENIED, "NO_GRANT", "The subscription to this basket has ended.")
    if busy:
        return Stop(Status.DENIED, "ALREADY_IN",
                    "The pair holds a trade or has a run under way; it enters again once that is over.")  # fmt: skip
    return None


def _judged(planned: PairPlan, desk: Desk) -> PairPlan:
    if planned.stop is not None or planned.version is None:
        return planned
    execution = StrategyExecution(
        allocation=planned.pair, timeline=desk.timeline, trading_day=desk.day, phase="entry",
        strategy_version=planned.version, lots=planned.pair.lots, cause="user", due_at=desk.now,
    )  # fmt: skip
    verdict = judging.judge(execution, AccountView([planned.pair], desk))
    return replace(planned, stop=verdict) if isinstance(verdict, Stop) else planned


def _orders(
    pair: StrategyBrokerAllocation, legs: list[ResolvedLeg], desk: Desk
) -> tuple[PlannedOrder, ...]:
    first, second = waves(legs)
    numbered = [(1, leg) for leg in first] + [(2, leg) for leg in second]
    blocked = _margins(pair, [*first, *second], desk)
    return tuple(
        _order(pair, leg, wave, desk, margin)
        for (wave, leg), margin in zip(numbered, blocked, strict=True)
    )


def _order(
    pair: StrategyBrokerAllocation, leg: ResolvedLeg, wave: int, desk: Desk, margin: Decimal | None
) -> PlannedOrder:
    quote = desk.frame.quotes[leg.contract.symbol]
    slices = contracts.slices(leg.contract, pair.lots * leg.ratio, desk.day)
    return PlannedOrder(
        leg_number=leg.number,
        wave=wave,
        side=leg.side,
        contract=leg.contract.symbol,
        quantity=sum(slices),
        slices=slices,
        limit_price=limit_price(
            quote, side=leg.side, tick=leg.contract.tick_size, cross=ENTRY_CROSS,
            is_option=leg.contract.is_option,
        ),
        mid=quote.mid,
        premium=_premium(leg, sum(slices), quote),
        charges=_charges(pair, leg, slices, quote, desk),
        margin_after=margin,
    )  # fmt: skip


def _premium(leg: ResolvedLeg, units: int, quote: Quote) -> Decimal:
    if not leg.contract.is_option:
        return ZERO
    return rupees(quote.mid * units * (1 if leg.side == "BUY" else -1))


def _charges(
    pair: StrategyBrokerAllocation, leg: ResolvedLeg, slices: list[int], quote: Quote, desk: Desk
) -> Decimal:
    """Each slice is an executed order at the touch."""
    touch = (quote.ask if leg.side == "BUY" else quote.bid) or quote.ltp
    broker = pair.broker_account.broker
    return sum(
        (charges.for_order(broker, leg.contract, leg.side, units, touch, desk.day).total
         for units in slices),
        ZERO,
    )  # fmt: skip


def _margins(
    pair: StrategyBrokerAllocation, legs: list[ResolvedLeg], desk: Desk
) -> list[Decimal | None]:
    """What is blocked after each leg, the pair standing alone."""
    units = [
        (leg.contract, leg.quantity_per_lot * pair.lots * (1 if leg.side == "BUY" else -1))
        for leg in legs
    ]
    try:
        return [rupees(margin) for margin in margins.after_each([], units, desk.frame)]
    except margins.NoMargin:
        return [None] * len(legs)
