"""What a user may ask of running trades: pause, resume, exit, square off, kill. Each in one scope of
their own; what must be sent is written as rows, the engine sends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NotRequired, TypedDict, Unpack

from django.db import IntegrityError, connection, transaction
from django.db.models import Max, Q

from allocations.models import StrategyBrokerAllocation, TradingState
from allocations.services import set_trading_state
from brokers.selectors import accounts_of
from execution import receipts
from execution.models import Order, Position, Receipt, StrategyExecution
from execution.receipts import Progress
from execution.selectors import target_of
from execution.states import OPEN_STATES
from market.kernel.clock import ist_day
from market.models import Timeline
from market.selectors import active_timeline
from strategies.models import StrategyVersion
from users.errors import Refused
from users.models import User
from users.services import record

Scope = TradingState.Scope
State = TradingState.State
Status = StrategyExecution.Status
UNFINISHED = [Status.DUE, Status.RUNNING]
ACCOUNT_LOCK = 7101  # the class of PostgreSQL's advisory locks on broker accounts
USER_LOCK = 7102  # on users; taken before an account's


class Act(TypedDict):
    """Who does it, from where and when: for the audit log."""

    by: User
    source: str
    now: datetime
    address: NotRequired[str | None]


def pause(*, user: User, scope: str, target: int | None, **act: Unpack[Act]) -> None:
    """No more entries in the scope; exits and stops run."""
    _set(user, scope, target, State.REDUCING, "paused", act)


def resume(*, user: User, scope: str, target: int | None, **act: Unpack[Act]) -> None:
    """Entries may go again in the scope, unless a wider one is still stopped."""
    _set(user, scope, target, State.ACTIVE, "resumed", act)


@transaction.atomic
def exit_now(
    *, user: User, scope: str, target: int | None, **act: Unpack[Act]
) -> list[StrategyExecution]:
    """Close what the scope holds; entries may come again on their schedule."""
    pairs = pairs_in(user=user, scope=scope, target=target)
    _write_receipt(Receipt.Verb.EXIT, user, scope, target, pairs, act)
    exits = _open_exits(pairs, cause="user")
    _record("exit", user, {"scope": scope, "target": target, "exits": [r.pk for r in exits]}, act)
    return exits


@transaction.atomic
def square_off(
    *, user: User, scope: str, target: int | None, **act: Unpack[Act]
) -> list[StrategyExecution]:
    """Close what the scope holds and leave it reducing."""
    _set(user, scope, target, State.REDUCING, "squared off", act)
    pairs = pairs_in(user=user, scope=scope, target=target)
    _write_receipt(Receipt.Verb.SQUARE_OFF, user, scope, target, pairs, act)
    return _open_exits(pairs, cause="square_off")


@transaction.atomic
def kill(
    *, user: User, scope: str, target: int | None, **act: Unpack[Act]
) -> list[StrategyExecution]:
    """Halt the scope: open orders are cancelled, positions closed, then only closes pass.

    Once it has committed no opening order goes out any more: whoever sends holds the same lock.
    """
    pairs = pairs_in(user=user, scope=scope, target=target)
    for account in sorted({pair.broker_account_id for pair in pairs}):
        lock_account(account)
    _set(user, scope, target, State.HALTED, "killed", act)
    _write_receipt(Receipt.Verb.KILL, user, scope, target, pairs, act)
    return _open_exits(pairs, cause="kill")


def lock_account(account_id: int) -> None:
    """One at a time decides for a broker account, until the transaction ends."""
    _lock(ACCOUNT_LOCK, account_id)


def lock_user(user_id: int) -> None:
    """One at a time decides over all that a user trades, until the transaction ends."""
    _lock(USER_LOCK, user_id)


def _lock(kind: int, of: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s, %s)", [kind, of])


def pairs_in(*, user: User, scope: str, target: int | None) -> list[StrategyBrokerAllocation]:
    """The user's pairs of the scope, archived ones included: they may still hold positions."""
    rows = StrategyBrokerAllocation.objects.filter(broker_account__in=accounts_of(user))
    column = {
        Scope.PAIR: "pk",
        Scope.STRATEGY: "strategy_id",
        Scope.BASKET: "strategy__basket_id",
        Scope.ACCOUNT: "broker_account_id",
    }.get(Scope(scope))
    rows = rows.select_related("strategy__basket", "broker_account__user").order_by("pk")
    return list(rows if column is None else rows.filter(**{column: target}))


@transaction.atomic
def open_exit(  # noqa: PLR0913 - keyword only
    *,
    allocation: StrategyBrokerAllocation,
    timeline: Timeline,
    day: date,
    due_at: datetime,
    cause: str,
    lots: int,
    detail: str = "",
    legs: Sequence[int] | None = None,
) -> StrategyExecution | None:
    """A due exit of the pair, or of some of its legs, unless one that closes these is under way."""
    exits = StrategyExecution.objects.filter(allocation=allocation, timeline=timeline, phase="exit")
    under_way = exits.filter(status__in=UNFINISHED)
    if under_way.filter(only_legs=None).exists():
        return None
    partial = under_way.select_for_update(of=("self",), no_key=True).first()
    if partial is not None:
        return _widen(partial, cause=cause, detail=detail, legs=legs)
    row, fresh = StrategyExecution.objects.get_or_create(
        allocation=allocation,
        timeline=timeline,
        trading_day=day,
        phase="exit",
        cycle=exits.filter(trading_day=day).count() + 1,
        defaults={
            "strategy_version_id": allocation.strategy_version_id,
            "lots": lots,
            "cause": cause,
            "due_at": due_at,
            "detail": detail,
            "only_legs": None if legs is None else sorted(legs),
        },
    )
    return row if fresh else None


def _widen(
    row: StrategyExecution, *, cause: str, detail: str, legs: Sequence[int] | None
) -> StrategyExecution | None:
    """An exit of some legs goes on as one of more legs, or of everything; None when it closes these."""
    if row.only_legs is None or (legs is not None and set(legs) <= set(row.only_legs)):
        return None
    row.only_legs = None if legs is None else sorted({*row.only_legs, *legs})
    more = detail if legs is not None else f"Then everything: {detail or cause}."
    row.cause = row.cause if legs is not None else cause
    row.detail = f"{row.detail} {more}".strip()
    row.save(update_fields=["only_legs", "cause", "detail"])
    return row


@transaction.atomic
def enter_now(
    *,
    user: User,
    entries: Sequence[tuple[StrategyBrokerAllocation, StrategyVersion]],
    at: datetime,
    **act: Unpack[Act],
) -> list[StrategyExecution]:
    """Due entries of these pairs at market time `at`, each under its next free cycle of that day.

    All or none: Refused when one of them holds a trade or has a run under way.
    """
    timeline = active_timeline()
    ids = [pair.pk for pair, _ in entries]
    list(StrategyBrokerAllocation.objects.select_for_update().filter(pk__in=ids).order_by("pk"))
    _require_free(timeline, entries)
    day = ist_day(at)
    entered = StrategyExecution.objects.filter(
        timeline=timeline, trading_day=day, phase="entry", allocation__in=ids
    )
    cycles = dict(entered.order_by().values_list("allocation_id").annotate(Max("cycle")))
    rows = [
        StrategyExecution(
            allocation=pair, timeline=timeline, trading_day=day, phase="entry",
            cycle=cycles.get(pair.pk, 0) + 1, strategy_version=version, lots=pair.lots, cause="user",
            due_at=at,
        )
        for pair, version in entries
    ]  # fmt: skip
    try:
        with transaction.atomic():
            StrategyExecution.objects.bulk_create(rows)
    except IntegrityError as error:
        if "one_execution_per_key" not in str(error):
            raise
        raise Refused("already_in", "The schedule has just entered one of these pairs.",
                      fix="Look at the executions, then preview again.") from error  # fmt: skip
    _record("enter", user, {"executions": [row.pk for row in rows]}, act)
    return rows


@transaction.atomic
def adjust(
    *,
    user: User,
    allocation: StrategyBrokerAllocation,
    plan: dict[str, Any],
    lots: int,
    at: datetime,
    **act: Unpack[Act],
) -> StrategyExecution:
    """A due change of the pair's open trade by hand at market time `at`; Refused while a run is under way."""
    timeline, day = active_timeline(), ist_day(at)
    StrategyBrokerAllocation.objects.select_for_update().get(pk=allocation.pk)
    mine = StrategyExecution.objects.filter(allocation=allocation, timeline=timeline)
    if mine.filter(status__in=UNFINISHED).exists():
        raise Refused("run_under_way", "The pair is being entered, exited, rolled or adjusted.",
                      fix="Wait until that run has ended, then look again.")  # fmt: skip
    row = StrategyExecution.objects.create(
        allocation=allocation, timeline=timeline, trading_day=day, phase="adjust",
        cycle=mine.filter(trading_day=day, phase="adjust").count() + 1, lots=lots, cause="user",
        strategy_version_id=allocation.strategy_version_id, due_at=at, plan=plan,
    )  # fmt: skip
    _record("adjust", user, {"execution": row.pk, **plan}, act)
    return row


def _require_free(
    timeline: Timeline, entries: Sequence[tuple[StrategyBrokerAllocation, StrategyVersion]]
) -> None:
    """Refused when a pair is in a trade: an entry never comes on top of another."""
    pairs = {pair.pk: pair for pair, _ in entries}
    mine = {"timeline": timeline, "allocation__in": pairs.keys()}
    held = Position.objects.filter(**mine).exclude(quantity=0)
    runs = StrategyExecution.objects.filter(**mine, status__in=UNFINISHED)
    busy = {pk for rows in (held, runs) for pk in rows.values_list("allocation_id", flat=True)}
    if busy:
        names = ", ".join(str(pairs[pk]) for pk in sorted(busy))
        raise Refused("already_in", f"These pairs are in a trade: {names}.",
                      fix="Exit it first, then preview again.")  # fmt: skip


def _set(
    user: User, scope: str, target: int | None, state: State, reason: str, act: Act
) -> None:
    if scope not in Scope.values or scope == Scope.INSTALLATION:
        raise Refused(
            "unknown_scope",
            f"{scope!r} is not a scope.",
            fix="Use user, account, basket, strategy or pair.",
            field="scope",
        )
    set_trading_state(
        user=user,
        scope=scope,
        target=None if scope == Scope.USER else target_of(user, scope, target),
        state=state,
        reason=reason,
        **act,
    )


def progress_of(receipt: Receipt) -> list[Progress]:
    """By broker account, how far the act has come."""
    pairs = pairs_in(user=receipt.user, scope=receipt.scope, target=receipt.target)
    return receipts.progress(receipt, pairs)


def _write_receipt(
    verb: str, user: User, scope: str, target: int | None, pairs: list[StrategyBrokerAllocation], act: Act
) -> None:
    name = "everything you run" if scope == Scope.USER else str(target_of(user, scope, target))
    receipts.write(
        user=user, verb=verb, scope=scope, target=target, name=name, pairs=pairs, now=act["now"]
    )


def _record(action: str, owner: User, after: dict[str, object], act: Act) -> None:
    record(
        actor=act["by"],
        owner=owner,
        action=action,
        obj=owner,
        after=after,
        source=act["source"],
        address=act.get("address"),
        now=act["now"],
    )


def _open_exits(pairs: list[StrategyBrokerAllocation], *, cause: str) -> list[StrategyExecution]:
    timeline = Timeline.objects.filter(active=True).first()
    if timeline is None or timeline.market_now is None:  # a halt stands without a market too
        return []
    held = Position.objects.filter(timeline=timeline, allocation__in=pairs).exclude(quantity=0)
    working = Order.objects.filter(timeline=timeline, allocation__in=pairs, status__in=OPEN_STATES)
    entering = StrategyExecution.objects.filter(
        Q(status__in=UNFINISHED), timeline=timeline, allocation__in=pairs, phase="entry"
    )
    busy = {
        pk for rows in (held, working, entering) for pk in rows.values_list("allocation_id", flat=True)
    }
    exits = [
        open_exit(
            allocation=pair,
            timeline=timeline,
            day=ist_day(timeline.market_now),
            due_at=timeline.market_now,
            cause=cause,
            lots=pair.lots,
        )
        for pair in pairs
        if pair.pk in busy
    ]
    return [row for row in exits if row is not None]
