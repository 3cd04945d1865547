"""The order state machine: which state may follow which, and who may move it. Pure."""

from __future__ import annotations

from enum import StrEnum


class OrderState(StrEnum):
    DRAFT = "DRAFT"
    DENIED = "DENIED"
    READY = "READY"
    SENDING = "SENDING"
    ACKED = "ACKED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    NEVER_SENT = "NEVER_SENT"
    WORKING = "WORKING"
    PARTIAL = "PARTIAL"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


S = OrderState

#: Not sent yet: the dispatcher's side of the machine.
BEFORE_WIRE = frozenset({S.DRAFT, S.READY})
#: At the broker, or perhaps at the broker.
AT_BROKER = frozenset({S.SENDING, S.ACKED, S.UNKNOWN, S.WORKING, S.PARTIAL})
#: In the broker's book, as far as we know: may be cancelled and moved.
RESTING = frozenset({S.ACKED, S.WORKING, S.PARTIAL})
#: Whatever may still fill.
OPEN_STATES = BEFORE_WIRE | AT_BROKER
TERMINAL = frozenset(S) - OPEN_STATES

_REPORTED = frozenset({S.WORKING, S.PARTIAL, S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED})

TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    S.DRAFT: frozenset({S.READY, S.DENIED, S.CANCELLED, S.EXPIRED}),
    # After a restored backup the broker may know an order that was READY when the copy was taken.
    S.READY: frozenset({S.SENDING, S.DENIED}) | _REPORTED,
    S.SENDING: frozenset({S.ACKED, S.UNKNOWN, S.NEVER_SENT}) | _REPORTED,
    S.ACKED: _REPORTED,
    S.UNKNOWN: frozenset({S.ACKED, S.NEVER_SENT}) | _REPORTED,
    S.WORKING: frozenset({S.PARTIAL, S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED}),
    S.PARTIAL: frozenset({S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED}),
    # Terminal states are soft toward the truth: a late fill is accepted.
    S.CANCELLED: frozenset({S.FILLED}),
    S.EXPIRED: frozenset({S.FILLED}),
    S.REJECTED: frozenset({S.FILLED}),
    S.NEVER_SENT: frozenset({S.FILLED}),
    S.DENIED: frozenset(),
    S.FILLED: frozenset(),
}


class IllegalTransition(ValueError):
    """A state was to follow one that it cannot follow."""


def may_move(current: OrderState, to: OrderState) -> bool:
    return to in TRANSITIONS[current]


def after_report(current: OrderState, reported: OrderState, *, filled: int, quantity: int) -> OrderState:
    """The state after a broker's report, whatever the order in which reports arrive.

    `filled` is the sum of the fills that we hold: fills are the truth, so a filled order stays
    filled, and an old "open" never reopens what has ended.
    """
    if filled >= quantity:
        return S.FILLED
    target: OrderState
    if reported in TERMINAL:
        target = reported if reported is not S.FILLED else S.PARTIAL if filled else S.ACKED
    else:
        target = S.PARTIAL if filled else reported
    return target if may_move(current, target) else current
