"""One worker's turn at one account: its waiting work and what follows from it, the most urgent first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from execution.engine import dispatch, loop
from execution.engine.desk import Desk, Work, WorkKind
from execution.models import Order, ReceiptAccount, StrategyExecution


class Turn:
    """`waiting` is what is still to be done, also when one thing of it fails: the others go on."""

    def __init__(self, works: Iterable[Work]) -> None:
        self.waiting = list(dict.fromkeys(works))

    def work_off(self, desk: Desk, *, is_over: Callable[[], bool]) -> None:
        """Do the works and what they make possible, until all is done or the turn is over.

        Orders that may go are sent together. A turn does at least one thing, and what that allows to
        be sent is sent: the first order of an account does not wait for its other pairs' plans.
        """
        did = False
        while self.waiting:
            work = min(self.waiting, key=_turn)
            if did and is_over() and _turn(work) > loop.TURN[WorkKind.DISPATCH]:
                return
            did = True
            for following in self._do(work, desk.later()):
                if following not in self.waiting:
                    self.waiting.append(following)

    def _do(self, work: Work, desk: Desk) -> list[Work]:
        if work.kind is not WorkKind.DISPATCH:
            self.waiting.remove(work)
            return loop.perform(work, desk)
        sends = [each.id for each in self.waiting if each.kind is WorkKind.DISPATCH]
        self.waiting = [each for each in self.waiting if each.kind is not WorkKind.DISPATCH]
        return dispatch.dispatch_all(sends, desk)


def _turn(work: Work) -> int:
    return loop.TURN[work.kind]


def by_account(works: Collection[Work]) -> dict[int, list[Work]]:
    """The works grouped by the broker account that they are about; a query a kind, however many."""
    accounts: dict[Work, int] = {work: work.id for work in works if work.kind in BOOKS}
    for kinds, model, column in (
        (RUNS, StrategyExecution, "allocation__broker_account_id"),
        ({WorkKind.VERIFY}, ReceiptAccount, "broker_account_id"),
        (set(WorkKind) - RUNS - BOOKS - {WorkKind.VERIFY}, Order, "broker_account_id"),
    ):
        mine = [work for work in works if work.kind in kinds]
        ids = {work.id for work in mine}
        of = dict(model.objects.filter(pk__in=ids).values_list("pk", column)) if ids else {}
        accounts |= {work: of[work.id] for work in mine}
    grouped: dict[int, list[Work]] = {}
    for work in works:
        grouped.setdefault(accounts[work], []).append(work)
    return grouped


RUNS = {WorkKind.START, WorkKind.EXIT, WorkKind.ADVANCE}
BOOKS = {WorkKind.SYNC, WorkKind.RECONCILE}
