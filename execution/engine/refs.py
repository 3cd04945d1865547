"""client_ref: the tag by which an order is found again at the broker. Derived, never stored first."""

from __future__ import annotations

import hashlib
import hmac

from execution.engine.desk import Desk
from execution.models import Order

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LENGTH = 20


def client_ref(key: bytes, *parts: object) -> str:
    """20 alphanumeric characters, the same for the same parts and key."""
    text = "\x1f".join(str(part) for part in parts)
    number = int.from_bytes(hmac.new(key, text.encode(), hashlib.sha256).digest(), "big")
    digits = []
    for _ in range(LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(digits)


def ref_of(order: Order, desk: Desk, *, attempt: int) -> str:
    """The order's tag, from what it is: its pair, run, leg, action, slice and attempt."""
    run = order.execution
    return client_ref(
        desk.tag_key,
        desk.timeline.nonce,
        order.allocation.public_id,
        run.trading_day,
        run.phase,
        run.cycle,
        order.leg_number,
        order.action,
        order.slice,
        attempt,
    )
