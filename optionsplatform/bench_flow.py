"""Trades without end for `bin/bench faults`: pairs that are flat enter, pairs that hold leave.

Imported once Django is set up.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import time
from typing import Any

from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.utils import timezone

from allocations.models import StrategyBrokerAllocation
from execution import services, story
from execution.differences import Fix, Kind
from execution.models import Order, Position, StrategyExecution
from execution.reconcile import decide
from execution.running import desk_now
from execution.selectors import mismatches_of
from execution.states import OrderState
from market.kernel.clock import IST
from market.selectors import active_timeline
from optionsplatform.kept import wait_for
from strategies.selectors import newest_versions
from users.errors import Conflict, Refused
from users.models import User

OWNER = "faults@example.com"
BROKERS = ("zerodha", "angelone", "finvasia")
LIMITS = {"max_day_loss": "90000000", "max_margin": "90000000", "max_open_positions": 8}
#: Presets, and for days that are compared the fixed strikes of their legs: hedges in the money, since a
#: long that is worth nothing any more when a late exit comes is left to expire.
PRESETS = {
    "short_strangle": (25000, 24000),
    "bull_put_spread": (24800, 25000),
    "bear_call_spread": (24200, 24000),
    "iron_condor": (),
    "short_straddle": (),
}
#: Stops of the naked legs that rest at the broker: near enough to be moved and to fill within a round.
STOPS = {"1": {"stop": "3", "stop_unit": "percent", "trail": "continuous"},
         "2": {"stop": "8", "stop_unit": "percent", "trail": "continuous"}}  # fmt: skip
WITH_STOPS = ("short_strangle", "short_straddle")
DAY_IS_OVER = time(15, 20)


def open_story(*, timed: bool = False) -> User:
    """Five strategies on three accounts, fifteen pairs, whose naked shorts have stops at the broker.
    `timed` ones, of which a day is compared, enter and leave by the clock alone."""
    user = User.objects.filter(email=OWNER).first() or User.objects.create_user(OWNER)
    story.build(_document(timed=timed), user=user, now=timezone.now())
    return user


def _document(*, timed: bool) -> dict[str, Any]:
    times = {"entry_time": "09:20" if timed else "15:20", "exit_time": "15:10", "entry_tolerance_seconds": 1800}
    if not timed:
        times |= {"exit_time": "15:25", "entry_tolerance_seconds": 60}
    return {
        "basket": "Faults",
        "accounts": [
            {"broker": name, "client_id": f"FB{n}001", "label": name, "capital": "90000000"}
            for n, name in enumerate(BROKERS)
        ],
        "strategies": [
            {
                "name": preset, "preset": preset, "underlying": "NIFTY",
                "terms": times | {"stop_at_broker": not timed and preset in WITH_STOPS},
                "legs": _fixed(strikes) if timed else STOPS if preset in WITH_STOPS else {},
                "allocations": [
                    {"broker": name, "lots": n, "max_lots": n, **LIMITS} for n, name in enumerate(BROKERS, 1)
                ],
            }
            for preset, strikes in PRESETS.items()
            if strikes or not timed
        ],
    }  # fmt: skip


def _fixed(strikes: tuple[int, ...]) -> dict[str, dict[str, str]]:
    legs = enumerate(strikes, start=1)
    return {str(n): {"strike_rule": "fixed", "strike_value": str(strike)} for n, strike in legs}


def turn(user: User, *, hold: bool) -> int:
    """Ask every pair that rests to trade, but `hold` those whose stops are at the broker; how many were
    asked."""
    timeline = active_timeline()
    if timeline.market_now is None:
        return 0
    pairs = {p.pk: p for p in _pairs(user)}
    busy = _busy(list(pairs))
    held = set(
        Position.objects.filter(allocation__in=pairs, timeline=timeline).exclude(quantity=0)
        .values_list("allocation_id", flat=True)
    )  # fmt: skip
    act: dict[str, Any] = {"by": user, "source": "command", "now": timezone.now()}
    leaving = {
        pk for pk in held - busy if not (hold and pairs[pk].strategy_version.stop_at_broker)
    }
    for pk in leaving:
        services.exit_now(user=user, scope="pair", target=pk, **act)
    flat = [pair for pk, pair in pairs.items() if pk not in busy | held]
    versions = newest_versions({pair.strategy_id for pair in flat})
    entries = [(pair, versions[pair.strategy_id]) for pair in flat]
    try:
        services.enter_now(user=user, entries=entries, at=timeline.market_now, **act)
    except Refused:  # a run of one of them has just begun: the next turn asks again
        return len(leaving)
    return len(leaving) + len(entries)


def decide_unanswered(user: User) -> int:
    """The owner takes the proposed fix of every order that its broker's book has not shown for so long: it
    was never sent, and its pair trades again. How many."""
    desk = desk_now()
    if desk is None:
        return 0
    act: dict[str, Any] = {"by": user, "source": "command", "now": timezone.now()}
    lost = mismatches_of(user, desk.timeline).filter(resolved_at=None, kind=Kind.NOT_IN_BOOK)
    decided = 0
    for pk in list(lost.values_list("pk", flat=True)):
        with suppress(Conflict):  # the broker's book has it after all
            decide.settle(user=user, mismatch_id=pk, fix=Fix.NEVER_SENT, desk=desk, **act)
            decided += 1
    return decided


def _pairs(user: User) -> QuerySet[StrategyBrokerAllocation]:
    rows = StrategyBrokerAllocation.objects.filter(broker_account__user=user)
    return rows.select_related("strategy_version")


def _busy(pairs: list[int]) -> set[int]:
    runs = StrategyExecution.objects.filter(
        allocation__in=pairs, timeline__active=True, status__in=["due", "running"]
    )
    unknown = Order.objects.filter(
        allocation__in=pairs, timeline__active=True, status=OrderState.UNKNOWN
    )
    return {pk for rows in (runs, unknown) for pk in rows.values_list("allocation_id", flat=True)}


def day_is_over() -> bool:
    """Whether the market has passed the exits of the day."""
    reached = active_timeline().market_now
    return reached is not None and reached.astimezone(IST).time() >= DAY_IS_OVER


def contracts_traded() -> dict[str, list[tuple[str, str, str, int]]]:
    """By pair, what was opened and closed: (action, contract, side, units filled)."""
    rows = Order.objects.filter(timeline__active=True, filled_quantity__gt=0).order_by().values_list(
        "allocation__strategy__name", "allocation__broker_account__broker", "action",
        "contract__symbol", "side", "filled_quantity",
    )  # fmt: skip
    sums: dict[str, dict[tuple[str, str, str], int]] = {}
    for name, broker, action, symbol, side, units in rows:
        mine = sums.setdefault(f"{name} at {broker}", {})
        mine[action, symbol, side] = mine.get((action, symbol, side), 0) + units
    return {pair: sorted((*key, units) for key, units in found.items()) for pair, found in sums.items()}


def patiently(act: Any) -> Any:
    """Do it as soon as the database answers; it may just have been killed."""
    done: list[Any] = []

    def try_it() -> bool:
        try:
            done.append(act())
        except OperationalError:
            connection.close()
            return False
        return True

    if not wait_for(try_it, 60.0):
        raise TimeoutError("the database has not answered for a minute")
    return done[0]
