"""Wires that do what a network, a broker or a kill does at one exact point of an order's way."""

from __future__ import annotations

from datetime import time

from brokers.types import Rejected
from execution.engine import loop
from execution.engine.desk import Work, WorkKind
from market.kernel.clock import at
from market.kernel.frame import encode
from market.models import Timeline


class Killed(BaseException):
    """The process is gone: nothing of it runs any further."""


class Wire:
    """The real wire, unless a subclass does otherwise."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)


class DiesBeforeBytes(Wire):
    def place(self, request):
        raise Killed


class DiesAfterBytes(Wire):
    def place(self, request):
        self.inner.place(request)
        raise Killed


class RefusesThe(Wire):
    """Refuses the n-th order of one side."""

    def __init__(self, inner, n, side):
        super().__init__(inner)
        self.left, self.side = n, side

    def place(self, request):
        self.left -= request.side == self.side
        if self.left == 0 and request.side == self.side:
            return Rejected("INSUFFICIENT_MARGIN", "no funds")
        return self.inner.place(request)


def plug(desk, pair, wire):
    """`wire(the account's own one)` from now on; it is returned."""
    account = pair.broker_account
    desk.player._adapters.pop(account.pk, None)
    desk.player._adapters[account.pk] = made = wire(desk.player.adapter(account))
    return made


def unplug(desk, pair):
    """The account's own wire again."""
    desk.player._adapters.pop(pair.broker_account_id)


def publish(desk, hour, minute, second=0, *, change=None):
    """A frame that the exchange has and the engine has not acted on; the desk at it."""
    desk.n += 1
    now = at(desk.day, time(hour, minute, second))
    frame = desk.market.frame_at(now, timeline=desk.player.timeline.key, n=desk.n, cadence=60)
    if change is not None:
        frame = change(frame)
    desk.player.wall, desk.player.last = max(desk.player.wall, now), frame
    Timeline.objects.filter(pk=desk.player.timeline.pk).update(market_now=now, frame=frame.n)
    desk.player._operator("POST", "/frames", encode(frame))
    return desk.player._desk(frame)


def started(desk) -> Work:
    """A tick's one work that starts a run; it may reconcile accounts besides."""
    (start,) = [work for work in loop.tick(desk) if work.kind is WorkKind.START]
    return start


def work_on(works: list[Work], desk) -> None:
    """Do these works, and all that they make possible."""
    queue = list(works)
    while queue:
        queue += loop.perform(queue.pop(0), desk)


def placed(desk):
    return [order for account in desk.ledger() for order in account["orders"]]


def clear_faults(desk):
    desk.player._operator("DELETE", "/admin/faults", None)
