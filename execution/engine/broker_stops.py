"""Stops at the broker: an SL-L order for each naked short whose strategy asks for it, so that a stop
outlives this host. What should rest is decided in `execution.resting`; the frames go on judging too.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from execution import gates, moves, resting, services
from execution.engine import closes, orders, runs, tell
from execution.engine.desk import Desk, Work, WorkKind
from execution.engine.snapshot import Snapshot
from execution.engine.stops_seen import FIRED
from execution.models import Order, OrderEvent, Position, StopWatch, StrategyExecution
from execution.models.watches import Of
from execution.states import OPEN_STATES, OrderState
from market.kernel.clock import ist_day
from strategies.models import StrategyVersion
from strategies.rules import exits

Status = StrategyExecution.Status


def follow_fired(desk: Desk, seen: Snapshot) -> None:
    """What a stop means that filled at the broker, whoever was awake then: the leg, or all, leaves."""
    for order in seen.broker_stops.unsaid:
        _follow(order, desk)


@transaction.atomic
def _follow(order: Order, desk: Desk) -> None:
    """Once an order. The exit's row is written when all is flat too: re-entry and pages go by it. It has
    nothing to do then, and ends no entry that came due meanwhile."""
    _, fresh = OrderEvent.objects.get_or_create(
        order=order, dedupe_key=FIRED, defaults={"kind": FIRED, "source": "engine", "at": desk.now}
    )
    if not fresh:
        return
    whole = order.execution.strategy_version.on_leg_stop == StrategyVersion.OnLegStop.STRATEGY
    detail = (
        f"Leg {order.leg_number} stop at the broker at {order.trigger_price:.2f}: "
        f"bought at {order.average_price:.2f}."
    )
    due = services.DueExit(
        allocation=order.allocation,
        due_at=desk.now,
        cause="leg_stop",
        lots=order.quantity // order.contract.lot_size,
        detail=f"{detail} The whole strategy leaves." if whole else detail,
        legs=None if whole else [order.leg_number],
    )
    row = services.open_exit(due, timeline=desk.timeline, day=desk.day)
    if row is not None and row.status == Status.DUE and not _is_left(row):
        row.started_at = desk.now
        runs.finish(row, Status.DONE, desk)
    tell.stopped_at_broker(desk, order)


def _is_left(row: StrategyExecution) -> bool:
    """Whether the exit finds something to close or to cancel."""
    mine = {"allocation": row.allocation, "timeline": row.timeline_id}
    legs = {} if row.only_legs is None else {"leg_number__in": row.only_legs}
    held = Position.objects.filter(**mine, **legs).exclude(quantity=0)
    return held.exists() or Order.objects.filter(**mine, **legs, status__in=OPEN_STATES).exists()


def keep(desk: Desk, seen: Snapshot) -> list[Work]:
    """Place, move and cancel stops until what rests fits what is held; what is to be sent for it."""
    stops = seen.broker_stops
    if not stops.guarded and not any(o.order_type == moves.STOP for o in seen.open_orders):
        return []
    works: list[Work] = []
    for pair in sorted({*stops.guarded, *stops.live}):
        held, live = stops.guarded.get(pair, []), stops.live.get(pair, [])
        contract = (held or live)[0].contract
        changing = stops.busy.get(pair, [])
        if changing is not None and desk.is_open(contract.underlying):
            works += _kept(held, live, changing, desk, seen)
    return works


def _kept(
    held: list[Position], live: list[Order], changing: list[int], desk: Desk, seen: Snapshot
) -> list[Work]:
    """One pair; the legs that a run is changing are left to it."""
    works: list[Work] = []
    shorts = _shorts(held, seen)
    for short in shorts:
        if short.leg_number not in changing:
            works += _fitted(short, live, desk, seen)
    guarded = {short.contract_id for short in shorts}
    spare = [
        order for order in live
        if order.order_type == moves.STOP and order.contract_id not in guarded
        and order.leg_number not in changing and not order.pending_op
    ]  # fmt: skip
    return works + _cancelled([order.pk for order in spare], desk)


def _shorts(held: list[Position], seen: Snapshot) -> list[Position]:
    """The naked shorts among the legs whose stop can rest at the broker."""
    if not held:
        return []
    rules = seen.watched_legs.get(held[0].allocation.strategy_version_id, {})
    able = {number for number, rule in rules.items() if exits.may_rest_at_broker(rule)}
    return [row for row in held if row.leg_number in able and resting.is_naked(row, held)]


def _fitted(short: Position, live: list[Order], desk: Desk, seen: Snapshot) -> list[Work]:
    watch = seen.watches.get((short.allocation_id, short.contract.symbol))
    missing = seen.broker_stops.missing.get((short.allocation.broker_account_id, short.contract_id), 0)
    wanted = wanted_prices(short, watch)
    step = resting.step(
        resting.stops_of(short.contract_id, live),
        units=resting.wanted_units(short, live, missing=missing),
        wanted=wanted,
        may_place=_may_place(short, watch, wanted, desk),
    )
    works = _cancelled([order.pk for order in step.withdraw], desk)
    works += [Work(WorkKind.FOLLOW, order.pk) for order in step.move]
    return works + (_placed(short, watch, missing, desk) if step.add > 0 else [])


def wanted_prices(short: Position, watch: StopWatch | None) -> resting.Prices | None:
    """Trigger and limit by the leg's stop as it stands now; None until its trade has been judged once."""
    if watch is None or watch.since != short.opened_at or watch.stop_at is None or watch.stop_of != Of.LEG:
        return None
    return resting.prices(watch.stop_at, short.contract.tick_size)


def _may_place(
    short: Position, watch: StopWatch | None, wanted: resting.Prices | None, desk: Desk
) -> bool:
    """Whether the market has not come to the trigger, in this frame or one that is being confirmed."""
    quote = desk.frame.quote(short.contract.symbol)
    if quote is None or watch is None or wanted is None or watch.crossed:
        return False
    prices = [quote.ltp] if quote.ask is None else [quote.ltp, quote.ask]
    usable = exits.is_usable(quote, desk.now, desk.frame.cadence)
    return usable and all(price < wanted.trigger for price in prices)


@transaction.atomic
def _placed(short: Position, watch: StopWatch | None, missing: int, desk: Desk) -> list[Work]:
    """Write the stops that are missing, over locked positions: no exit writes its closes meanwhile."""
    rows = Position.objects.filter(allocation=short.allocation_id, timeline=desk.timeline)
    locked = rows.exclude(quantity=0).select_for_update(of=("self",), no_key=True).order_by("pk")
    held = list(locked.select_related("contract"))
    row = next((each for each in held if each.pk == short.pk), None)
    wanted = None if row is None else wanted_prices(row, watch)
    if row is None or wanted is None or not resting.is_naked(row, held):
        return []
    mine = Order.objects.filter(
        allocation=short.allocation_id, timeline=desk.timeline, contract=short.contract_id
    )
    live = list(mine.filter(status__in=OPEN_STATES).select_related("contract"))
    units = resting.wanted_units(row, live, missing=missing)
    step = resting.step(
        resting.stops_of(row.contract_id, live), units=units, wanted=wanted, may_place=True
    )
    if step.add <= 0 or not _may_try(mine, desk):
        return []
    return [Work(WorkKind.DISPATCH, order.pk) for order in _write(row, step.add, wanted, mine, desk)]


def _may_try(mine: QuerySet[Order], desk: Desk) -> bool:
    """Not a moment after the last one was refused, and not when that was so again and again today."""
    rows = mine.filter(order_type=moves.STOP).exclude(status__in=OPEN_STATES)
    ended = [order for order in rows if ist_day(order.created_at) == desk.day]
    if resting.is_refused_for_good(ended):
        return False
    refused = [
        o.finished_at for o in ended
        if o.status != OrderState.FILLED and o.code not in resting.OUR_ENDS and o.finished_at is not None
    ]  # fmt: skip
    return not gates.refused_too_recently(refused, desk.now)


def _write(
    short: Position, units: int, wanted: resting.Prices, mine: QuerySet[Order], desk: Desk
) -> list[Order]:
    """The stop belongs to the run that opened the leg."""
    opened = mine.filter(action=Order.Action.OPEN, filled_quantity__gt=0).order_by("-pk")
    first = opened.select_related(
        "execution__strategy_version", "execution__allocation__broker_account", "execution__timeline"
    ).first()
    if first is None:
        return []
    ticket = orders.Ticket(
        contract=short.contract,
        leg_number=short.leg_number,
        action=Order.Action.CLOSE,
        wave=1,
        side="BUY",
        lots=units // short.contract.lot_size,
    )
    return orders.write_stop(first.execution, ticket, wanted.trigger, wanted.limit, desk)


@transaction.atomic
def _cancelled(ids: list[int], desk: Desk) -> list[Work]:
    """Withdraw these stops; each is cancelled by its own work."""
    if not ids:
        return []
    rows = Order.objects.select_for_update(of=("self",), no_key=True).filter(
        pk__in=ids, status__in=OPEN_STATES, pending_op=Order.PendingOp.NONE
    )
    waiting = closes.withdraw(rows.order_by("pk"), desk, code=moves.STOP_REPLACED)
    return [Work(WorkKind.CANCEL, order.pk) for order in waiting]
