"""Builds that are broken on purpose: one decision or one step of the engine replaced by a wrong one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from brokers.types import BrokerTrade, Unknown
from execution import gates, moves, resting
from execution.states import RESTING, TERMINAL, OrderState
from tests.unit.execution.schedules.broker import Request
from tests.unit.execution.schedules.desk import Desk, Step
from tests.unit.execution.schedules.rows import Order
from tests.unit.execution.schedules.rules import Rules

S = OrderState


class TagDropped(Desk):
    def request(self, order: Order) -> Request:
        return replace(super().request(order), client_ref="")


class SendingCommittedLate(Desk):
    """The row says SENDING only once the broker has answered."""

    def dispatch(self, order: Order) -> Step:
        if order.status != S.READY or self.rows.halted or not self.in_session:
            return
        answer = self.broker.place(self.request(order))
        yield
        if self._mark_sending(order):
            self._record(order, answer)


class EveryTradeIsNew(Desk):
    """The applier does not know a trade again."""

    def _record_fill(self, order: Order, trade: BrokerTrade) -> bool:
        again = replace(trade, trade_id=f"{trade.trade_id}.{len(self.rows.fills)}")
        return super()._record_fill(order, again)


def open_all_at_once(legs, lots, orders, **terms):
    goals = gates.openings(legs, lots, orders, **terms)
    return [
        gates.Goal(g.leg, g.wave, lots * g.leg.ratio
                   - gates.ordered_lots(g.leg, orders, completion=terms["completion"]))  # fmt: skip
        for g in goals
    ]


def close_in_any_order(wanted, held, *, live, waiting):
    on_the_way = gates.units_on_the_way(live)
    left = [(p, abs(p.quantity) - on_the_way.get(p.contract_id, 0)) for p in wanted]
    return [(p, units) for p, units in left if units > 0 and p.contract_id not in waiting]


def close_all_again(wanted, held, *, live, waiting):
    """Forgets what is on its way."""
    opens = [order for order in live if order.action == moves.OPENS]
    return gates.closings(wanted, held, live=opens, waiting=waiting)


def never_halted(action, **facts):
    return moves.refusal(action, **(facts | {"trading_state": moves.ACTIVE}))


def at_any_hour(action, **facts):
    return moves.refusal(action, **(facts | {"in_session": True, "late": False}))


def send_again_after_a_time_out(current, attempt, answer):
    if isinstance(answer, Unknown) and current in moves.NO_ANSWER:
        return moves.Answered(S.NEVER_SENT, again=attempt < moves.ATTEMPTS)
    return moves.answered(current, attempt, answer)


def a_time_out_is_a_refusal(current, attempt, answer):
    if isinstance(answer, Unknown) and current in moves.NO_ANSWER:
        return moves.Answered(S.REJECTED, "TIMED_OUT")
    return moves.answered(current, attempt, answer)


def absence_is_proof(lookups, *, absent, day_is_over):
    return S.NEVER_SENT if absent else S.UNKNOWN


def ended_is_ended(order, report):
    """Terminal states are hard."""
    if order.status in TERMINAL:
        return moves.Moved(OrderState(order.status), ended=False)
    return moves.moved(order, report)


def a_fill_is_only_a_part(filled, ends):
    return S.PARTIAL


def the_first_fill_is_all(fills):
    return moves.sum_fills(list(fills)[:1])


def close_beside_the_stop(wanted, held, *, live, waiting):
    """Does not wait until the broker has said how the stop ended."""
    others = [order for order in live if order.order_type != moves.STOP]
    return gates.closings(wanted, held, live=others, waiting=waiting)


def stop_without_cap(stops, *, units, wanted, may_place):
    """Places for all that is open, whatever rests already."""
    again = units if wanted is not None and may_place else 0
    return resting.step(stops, units=units, wanted=wanted, may_place=may_place)._replace(add=again)


def only_stops_with_an_answer(contract, live):
    return resting.stops_of(contract, [order for order in live if order.status in RESTING])


def any_short_is_naked(short, held):
    return short.quantity < 0


def stop_stays_where_it_is(stops, *, units, wanted, may_place):
    return resting.step(stops, units=units, wanted=wanted, may_place=may_place)._replace(move=[])


@dataclass(frozen=True)
class Mutant:
    """`breaks` are the invariants of which at least one must be seen to break."""

    name: str
    breaks: frozenset[str]
    desk: type[Desk] = Desk
    rules: dict = field(default_factory=dict)

    def broken_rules(self) -> Rules:
        return replace(Rules(), **self.rules)


def _mutant(name: str, *breaks: str, desk: type[Desk] = Desk, **rules) -> Mutant:
    return Mutant(name, frozenset(breaks), desk, rules)


MUTANTS = [
    _mutant("tag dropped", "I2", "I4", desk=TagDropped),
    _mutant("SENDING committed late", "I1", "I3", desk=SendingCommittedLate),
    _mutant("applier does not deduplicate", "I3", "I7", "I8", desk=EveryTradeIsNew),
    _mutant("gate of the shorts removed", "I7", openings=open_all_at_once),
    _mutant("hedges sold before their shorts", "I7", closings=close_in_any_order),
    _mutant("closes on their way forgotten", "I8", closings=close_all_again),
    _mutant("halt ignored by the sender", "I12", refusal=never_halted),
    _mutant("deadline and session ignored by the sender", "I15", refusal=at_any_hour),
    _mutant("resend after a time-out", "I4", "I7", "I10", answered=send_again_after_a_time_out),
    _mutant("a time-out taken as a refusal", "I3", "I7", "I10", answered=a_time_out_is_a_refusal),
    _mutant("absence from the book taken as proof", "I4", "I7", "I10", after_absence=absence_is_proof),
    _mutant("terminal states hard", "I3", "I5", moved=ended_is_ended),
    _mutant("an end named before the last fill forgotten", "I5", after_fill=a_fill_is_only_a_part),
    _mutant("a close does not wait for its stop's end", "I8", closings=close_beside_the_stop),
    _mutant("a stop not capped by what is open", "I8", "I17", stop_step=stop_without_cap),
    _mutant("a stop without an answer forgotten", "I8", "I17", stops_of=only_stops_with_an_answer),
    _mutant("stops for hedged shorts too", "I17", is_naked=any_short_is_naked),
    _mutant("a stop does not follow its leg", "I17", stop_step=stop_stays_where_it_is),
    _mutant("only the first fill counted", "I2", "I3", sum_fills=the_first_fill_is_all),
]  # fmt: skip
