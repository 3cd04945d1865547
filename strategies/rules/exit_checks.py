"""Which stops, targets and trails must not be saved: what can never be reached, or says nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from strategies.rules.exits import may_rest_at_broker
from strategies.rules.stops import Trail
from strategies.rules.values import LegRule
from strategies.rules.written import is_naked_as_written
from users.errors import Refused

if TYPE_CHECKING:
    from strategies.rules.terms import Terms

MOST_FRAMES = 10
WHOLE = Decimal(100)


def check_exits(terms: Terms) -> None:
    """Refused, naming the field and the fix, for the first rule of exit that makes no sense."""
    for index, leg in enumerate(terms.legs):
        _check_leg(leg, f"legs/{index}/")
    _check_strategy(terms)
    check_lock(
        terms.lock_at, terms.lock_profit, terms.lock_every, terms.lock_by,
        target=terms.take_profit if terms.take_profit_unit == "rupees" else None,
    )  # fmt: skip
    _check_leg_stops(terms)
    _check_stop_at_broker(terms)
    if not 1 <= terms.confirm_frames <= MOST_FRAMES:
        raise Refused("confirm_frames", f"A price is confirmed by 1 to {MOST_FRAMES} frames.",
                      fix="Send 2 to ignore a price that shows only once.",
                      field="confirm_frames")  # fmt: skip


def check_trail(
    trail: Trail, every: Decimal | None, by: Decimal | None, *, stop: Decimal | None, field: str = ""
) -> None:
    """A trail moves a stop, so it needs one; steps have a size and a move that is not larger."""
    if trail == "none" or trail == "continuous":
        for name, value in (("trail_every", every), ("trail_by", by)):
            if value is not None:
                raise Refused("steps_without_steps", f"{name} belongs to a trail in steps.",
                              fix="Send trail stepped, or leave it out.", field=f"{field}{name}")  # fmt: skip
    if trail == "none":
        return
    if stop is None:
        raise Refused("trail_without_stop", "There is no stop to trail.",
                      fix="Send a stop too, or trail none.", field=f"{field}trail")  # fmt: skip
    if trail == "stepped":
        _check_steps(every, by, f"{field}trail_every", f"{field}trail_by")


def check_lock(
    at: Decimal | None, profit: Decimal | None, every: Decimal | None, by: Decimal | None, *,
    target: Decimal | None,
) -> None:  # fmt: skip
    """A lock keeps less than the profit that sets it, which lies before the target."""
    if at is None:
        if (profit, every, by) != (None, None, None):
            raise Refused("lock_at_missing", "It does not say at which profit to lock.",
                          fix="Send lock_at, or no lock.", field="lock_at")  # fmt: skip
        return
    _above_zero(at, "lock_at")
    if target is not None and at >= target:
        raise Refused("lock_behind_target", "The target is reached before the lock.",
                      fix=f"Send a lock_at below {target:f}.", field="lock_at")  # fmt: skip
    if profit is None or not 0 <= profit < at:
        raise Refused("lock_profit", "The locked profit is from 0 to below lock_at.",
                      fix="Send a lock_profit below lock_at.", field="lock_profit")  # fmt: skip
    if every is not None or by is not None:
        _check_steps(every, by, "lock_every", "lock_by")


def check_pair_exits(
    *, stop: Decimal | None, target: Decimal | None, trail: str, every: Decimal | None,
    by: Decimal | None, field: str,
) -> None:  # fmt: skip
    """A pair's own exits, rupees a lot; a trail of its own moves a stop of its own."""
    _above_zero(stop, f"{field}stop_loss")
    _above_zero(target, f"{field}take_profit")
    check_trail(trail or "none", every, by, stop=stop, field=field)  # type: ignore[arg-type]  # a choice


def _check_leg(leg: LegRule, field: str) -> None:
    for name in ("stop", "target"):
        distance, unit = getattr(leg, name), getattr(leg, f"{name}_unit")
        _above_zero(distance, f"{field}{name}")
        if distance is not None and unit == "percent" and not leg.is_option:
            raise Refused("future_without_premium", "A future has no premium.",
                          fix="Send points.", field=f"{field}{name}_unit")  # fmt: skip
    falls = leg.target if leg.side == "SELL" else leg.stop
    name, unit = ("target", leg.target_unit) if leg.side == "SELL" else ("stop", leg.stop_unit)
    if falls is not None and unit == "percent" and falls >= WHOLE:
        raise Refused("never_reached", "A premium cannot fall by all of itself.",
                      fix="Send less than 100 percent.", field=f"{field}{name}")  # fmt: skip
    check_trail(leg.trail, leg.trail_every, leg.trail_by, stop=leg.stop, field=field)


def _check_strategy(terms: Terms) -> None:
    _above_zero(terms.take_profit, "take_profit")
    _above_zero(terms.stop_loss, "stop_loss")
    for name in ("take_profit", "stop_loss"):
        percent = getattr(terms, name) is not None and getattr(terms, f"{name}_unit") == "percent"
        if percent and not any(leg.is_option for leg in terms.legs):
            raise Refused("no_premium", "Futures alone have no premium.",
                          fix="Send rupees a lot.", field=f"{name}_unit")  # fmt: skip
    if terms.trail != "none" and terms.stop_loss_unit == "underlying":
        raise Refused("trail_of_underlying", "A stop by the underlying's move does not trail.",
                      fix="Trail a stop in rupees or percent.", field="trail")  # fmt: skip
    check_trail(terms.trail, terms.trail_every, terms.trail_by, stop=terms.stop_loss)


def _check_leg_stops(terms: Terms) -> None:
    stopped = [leg for leg in terms.legs if leg.stop is not None]
    if terms.on_leg_stop == "strategy" and not stopped:
        raise Refused("no_leg_stop", "No leg has a stop that could end the strategy.",
                      fix="Give a leg a stop, or send on_leg_stop leg.", field="on_leg_stop")  # fmt: skip
    if not terms.break_even:
        return
    if len(stopped) < 2:
        raise Refused("break_even_needs_stops", "Break-even moves the stops of the other legs.",
                      fix="Give at least two legs a stop, or send break_even false.",
                      field="break_even")  # fmt: skip
    if terms.on_leg_stop == "strategy":
        raise Refused("nothing_left_to_move", "The whole strategy leaves at a leg's stop.",
                      fix="Send break_even false, or on_leg_stop leg.", field="break_even")  # fmt: skip


def _check_stop_at_broker(terms: Terms) -> None:
    if terms.stop_at_broker and not any(
        may_rest_at_broker(leg) and is_naked_as_written(leg, terms.legs) for leg in terms.legs
    ):
        raise Refused("no_stop_to_rest", "No naked short has a stop that could rest at the broker.",
                      fix="Give a short option without a hedge a stop in points or percent, or send "
                          "stop_at_broker false.", field="stop_at_broker")  # fmt: skip


def _check_steps(every: Decimal | None, by: Decimal | None, every_field: str, by_field: str) -> None:
    for value, field in ((every, every_field), (by, by_field)):
        if value is None:
            raise Refused("step_missing", f"{field.rpartition('/')[2]} is missing: both make a step.",
                          fix="Send the gain of a step and what it moves.", field=field)  # fmt: skip
        _above_zero(value, field)
    assert every is not None
    assert by is not None
    if by > every:
        raise Refused("step_overtakes", "A step would move the level past the price.",
                      fix=f"Send at most {every:f}.", field=by_field)  # fmt: skip


def _above_zero(value: Decimal | None, field: str) -> None:
    if value is not None and value <= 0:
        raise Refused("not_above_zero", f"{field.rpartition('/')[2]} must be above 0.",
                      fix="Send a positive amount, or none.", field=field)  # fmt: skip
