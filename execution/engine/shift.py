"""One worker's turn at one account: its waiting work and what follows from it, the most urgent first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import structlog

from execution.engine import dispatch, loop
from execution.engine.desk import Desk, Work, WorkKind
from execution.models import Order, ReceiptAccount, StrategyExecution

log = structlog.get_logger(__name__)


class Turn:
    """`waiting` is what is still to be done, also when one thing of it fails: the others go on."""

    def __init__(self, works: Iterable[Work]) -> None:
        self.waiting = list(dict.fromkeys(works))
        self._one_by_one = False

    def work_off(self, desk: Desk, *, is_over: Callable[[], bool]) -> None:
        """Do the works and what they make possible, until all is done or the turn is over.

        Entries go together, a few at a time, and so do orders that may go. A turn does at least one thing,
        and what that allows to be sent is sent before more is planned.
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
        if work.kind is WorkKind.DISPATCH:
            sends = [each.id for each in self.waiting if each.kind is WorkKind.DISPATCH]
            self.waiting = [each for each in self.waiting if each.kind is not WorkKind.DISPATCH]
            return dispatch.dispatch_all(sends, desk)
        if work.kind in loop.TOGETHER and not self._one_by_one:
            return self._do_some(work, desk)
        self.waiting.remove(work)
        return loop.perform(work, desk)

    def _do_some(self, work: Work, desk: Desk) -> list[Work]:
        """The work and its like. Where one of several fails nothing was written: each then goes alone, so
        that it stops no other."""
        alike = [work, *(each for each in self.waiting if each.kind is work.kind and each != work)]
        try:
            done, following = loop.perform_some(alike, desk)
        except Exception:  # whatever it is, whose it is shows when each goes alone
            log.exception("works_fail_together", kind=work.kind, works=len(alike))
            self._one_by_one = True
            return []
        self.waiting = [each for each in self.waiting if each not in done]
        return following


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
