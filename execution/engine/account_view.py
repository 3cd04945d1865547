"""What is read to decide over pairs of one account, each kind once, however many of them are asked."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import cached_property

from django.db.models import Sum

from allocations.models import ScopeLimit, StrategyBrokerAllocation
from allocations.risk import Effective
from allocations.selectors import effective_states, limits_over
from execution.engine import exposures, holds
from execution.engine.desk import Desk
from execution.engine.exposures import Book
from execution.engine.margins import Sheet
from execution.engine.wires import open_wire
from execution.models import Mismatch, Order, Position
from execution.states import OrderState
from market.kernel.money import ZERO
from users.prepared import Param, Prepared

HELD = Prepared(
    lambda: Position.objects.filter(
        timeline=Param("timeline"), allocation__broker_account=Param("account")
    ).exclude(quantity=0).select_related("contract").order_by("pk")
)  # fmt: skip
UNANSWERED = Prepared(
    lambda: Order.objects.filter(
        allocation__among=Param("pairs"), timeline=Param("timeline"), status=OrderState.UNKNOWN
    ).values_list("allocation_id", flat=True)
)
MISMATCHES = Prepared(
    lambda: holds.open_mismatches(Param("account"), Param("timeline"))
    .select_related("contract")
    .order_by("pk")
)
REALISED = Prepared(
    lambda: Position.objects.filter(allocation__among=Param("pairs"), timeline=Param("timeline"))
    .order_by()
    .values_list("allocation_id")
    .annotate(Sum("realised"))
)


class AccountView:
    """Pairs of one account as they stand at one moment: made for a decision, thrown away after it.

    What is decided from it does not show in it, but for the funds that an accepted entry will need:
    those are promised, so that two entries do not count on the same rupee.
    """

    def __init__(self, pairs: Iterable[StrategyBrokerAllocation], desk: Desk) -> None:
        self.desk = desk
        self.pairs = {pair.pk: pair for pair in pairs}
        self.account = next(iter(self.pairs.values())).broker_account
        self.sheet = Sheet(desk.frame)
        self._promised = ZERO

    def state(self, pair: StrategyBrokerAllocation) -> Effective:
        """The tightest trading state over the pair."""
        return self._states[pair.pk]

    def is_unanswered(self, pair: StrategyBrokerAllocation) -> bool:
        """Whether an order of the pair has no answer."""
        return pair.pk in self._unanswered

    def mismatch_of(self, pair: StrategyBrokerAllocation) -> Mismatch | None:
        """The oldest open mismatch that concerns the pair: its own, its account's, or of what it holds."""
        if not self._mismatches:
            return None
        held = {position.contract_id for position in self.held_by(pair)}
        for row in self._mismatches:
            if row.allocation_id in (pair.pk, None) or row.contract_id in held:
                return row
        return None

    def held_by(self, pair: StrategyBrokerAllocation) -> list[Position]:
        """The pair's open positions."""
        return [position for position in self.held if position.allocation_id == pair.pk]

    def realised_by(self, pair: StrategyBrokerAllocation) -> Decimal:
        """All that the pair has realised in this world, in rupees."""
        return self._realised.get(pair.pk, ZERO)

    def limits_over(self, pair: StrategyBrokerAllocation) -> list[ScopeLimit]:
        """The limits that stand over the pair besides its own, the widest first."""
        return self.shared_limits[pair.pk]

    def book_of(self, pair: StrategyBrokerAllocation) -> Book:
        """What the pair holds."""
        return self._books[pair.pk]

    def free_funds(self) -> Decimal:
        """Rupees that the broker says are free, less what is promised; ReadFailed when it does not say."""
        return self._available - self._promised

    def promise(self, rupees: Decimal) -> None:
        """An entry will need so much."""
        self._promised += rupees

    @cached_property
    def held(self) -> list[Position]:
        """All that the account holds open."""
        return HELD.rows(timeline=self.desk.timeline.pk, account=self.account.pk)

    @cached_property
    def unread_since(self) -> str:
        """The broker's words while the account's books cannot be read; "" while they can."""
        return holds.unread_since(self.account.pk, self.desk)

    @cached_property
    def shared_limits(self) -> dict[int, list[ScopeLimit]]:
        """By pair, the limits that it shares with others."""
        return limits_over(self.pairs.values())

    @cached_property
    def _states(self) -> dict[int, Effective]:
        return effective_states(self.pairs.values())

    @cached_property
    def _unanswered(self) -> set[int]:
        return set(UNANSWERED.rows(pairs=list(self.pairs), timeline=self.desk.timeline.pk))

    @cached_property
    def _mismatches(self) -> list[Mismatch]:
        return MISMATCHES.rows(account=self.account.pk, timeline=self.desk.timeline.pk)

    @cached_property
    def _realised(self) -> dict[int, Decimal]:
        return dict(REALISED.rows(pairs=list(self.pairs), timeline=self.desk.timeline.pk))

    @cached_property
    def _books(self) -> dict[int, Book]:
        return exposures.books_of(self.pairs.values(), self.desk)

    @cached_property
    def _available(self) -> Decimal:
        return open_wire(self.desk, self.account).funds().available
