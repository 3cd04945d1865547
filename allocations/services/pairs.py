"""Every change of a pair's lots and limits. Tightening holds at once; a looser limit of a pair that has
traded waits for the next trading day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from allocations import selectors
from allocations.models import StrategyBrokerAllocation
from allocations.risk import PairTerms, split
from allocations.services import loosening
from baskets.models import Basket
from brokers.models import BrokerAccount
from brokers.selectors import accounts_of
from strategies.models import Strategy
from strategies.rules import check_pair_exits
from strategies.selectors import strategies_in, strategies_of, versions_for
from users.errors import Conflict, Refused
from users.models import User
from users.services import record


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """One cell of the allocation matrix."""

    strategy_id: int
    broker_account_id: int
    terms: PairTerms


@transaction.atomic
def create_allocation(  # noqa: PLR0913 - keyword only
    *,
    user: User,
    strategy: Strategy,
    broker_account: BrokerAccount,
    terms: PairTerms,
    source: str,
    address: str | None = None,
    now: datetime,
) -> StrategyBrokerAllocation:
    """A new pair of a strategy the user may run and one of their own accounts."""
    _check(terms)
    _require_usable(user, strategy, broker_account)
    pair = StrategyBrokerAllocation(
        strategy=strategy,
        broker_account=broker_account,
        strategy_version=versions_for(user, [strategy])[strategy.pk],
        **asdict(terms),
    )
    try:
        with transaction.atomic():
            pair.save()
    except IntegrityError as error:
        if "one_allocation_per_pair" not in str(error):
            raise
        raise Refused(
            "pair_exists",
            f"{strategy.name} has an allocation on {broker_account.label} already.",
            fix="Change its lots instead.",
            field="broker_account_id",
        ) from error
    record(
        actor=user, owner=user, action="allocation.create", obj=pair, after=_state(pair),
        source=source, address=address, now=now,
    )  # fmt: skip
    return pair


@transaction.atomic
def set_allocation(  # noqa: PLR0913 - keyword only
    *,
    user: User,
    allocation: StrategyBrokerAllocation,
    terms: PairTerms,
    if_match: int | None = None,
    source: str,
    address: str | None = None,
    now: datetime,
) -> StrategyBrokerAllocation:
    """New lots, product and limits; Conflict when the pair has moved past `if_match`."""
    held = _locked(user, allocation)
    if if_match is not None and held.version != if_match:
        raise Conflict(
            "version_moved",
            f"The allocation is at version {held.version} now, not {if_match}.",
            fix="Read it again and repeat your change.",
        )
    return _apply(held, terms, user, {"source": source, "address": address, "now": now})


@transaction.atomic
def archive_allocation(
    *,
    user: User,
    allocation: StrategyBrokerAllocation,
    source: str,
    address: str | None = None,
    now: datetime,
) -> StrategyBrokerAllocation:
    """No more entries of the pair. Its rows stay, and exits of what is open ignore the archive."""
    held = _locked(user, allocation)
    return _archive(held, user, {"source": source, "address": address, "now": now})


@transaction.atomic
def save_matrix(  # noqa: PLR0913 - keyword only
    *,
    user: User,
    basket: Basket,
    rows: Sequence[MatrixRow],
    if_match: str | None = None,
    source: str,
    address: str | None = None,
    now: datetime,
) -> list[StrategyBrokerAllocation]:
    """Make the user's pairs of a basket exactly these rows, all or nothing; the rest is archived."""
    BrokerAccount.objects.select_for_update().filter(user=user).order_by("pk").first()  # one save at a time
    held = {(p.strategy_id, p.broker_account_id): p for p in selectors.matrix_of(user, basket)}
    current = selectors.matrix_etag(held.values())
    if if_match is not None and if_match != current:
        raise Conflict(
            "version_moved",
            f"The matrix has changed; its version is {current} now.",
            fix="Read it again and repeat your change.",
        )
    origin: dict[str, Any] = {"source": source, "address": address, "now": now}
    strategies = {s.pk: s for s in strategies_in(basket, user)}
    accounts = {a.pk: a for a in accounts_of(user).filter(archived_at=None)}
    _require_known(rows, strategies, accounts)
    for index, row in enumerate(rows):
        _check(row.terms, prefix=f"rows/{index}/")
        key = (row.strategy_id, row.broker_account_id)
        if key in held:
            _apply(_locked(user, held.pop(key)), row.terms, user, origin)
        else:
            create_allocation(
                user=user, strategy=strategies[row.strategy_id],
                broker_account=accounts[row.broker_account_id], terms=row.terms, **origin,
            )  # fmt: skip
    for left_out in held.values():
        _archive(left_out, user, origin)
    return list(selectors.matrix_of(user, basket))


def _check(terms: PairTerms, prefix: str = "") -> None:
    if terms.lots > terms.max_lots:
        raise Refused(
            "lots_above_limit",
            f"{terms.lots} lots are above the pair's maximum of {terms.max_lots}.",
            fix="Lower lots, or raise max_lots.",
            field=f"{prefix}lots",
        )
    for name in ("max_day_loss", "max_margin", "max_open_positions"):
        if getattr(terms, name) <= 0:
            raise Refused(f"{name}_not_above_zero", f"{name} must be above 0.",
                          fix="Send the most you accept.", field=f"{prefix}{name}")  # fmt: skip
    loosening.check_greeks(terms, prefix)
    check_pair_exits(
        stop=terms.stop_loss, target=terms.take_profit, trail=terms.trail,
        every=terms.trail_every, by=terms.trail_by, field=prefix,
    )  # fmt: skip


def _require_usable(user: User, strategy: Strategy, account: BrokerAccount) -> None:
    if not strategies_of(user).filter(pk=strategy.pk).exists():
        raise Refused("unknown_strategy", "This is not a strategy you may run.",
                      fix="Subscribe to its basket, or use one of your own.",
                      field="strategy_id")  # fmt: skip
    if not accounts_of(user).filter(pk=account.pk, archived_at=None).exists():
        raise Refused("unknown_account", "This is not one of your broker accounts.",
                      fix="Use an account of your own.", field="broker_account_id")  # fmt: skip
    if account.mode == BrokerAccount.Mode.PAPER and not settings.PLATFORM.enable_paper_trading:
        raise Refused("paper_trading_off", "Paper trading is off in this installation.",
                      fix="Set enable_paper_trading, or use a live account.",
                      field="broker_account_id")  # fmt: skip


def _require_known(
    rows: Sequence[MatrixRow], strategies: dict[int, Strategy], accounts: dict[int, BrokerAccount]
) -> None:
    seen: set[tuple[int, int]] = set()
    for index, row in enumerate(rows):
        key = (row.strategy_id, row.broker_account_id)
        if row.strategy_id not in strategies:
            raise Refused("unknown_strategy", f"The basket has no strategy {row.strategy_id}.",
                          fix="Use a strategy of this basket.", field=f"rows/{index}/strategy_id")  # fmt: skip
        if row.broker_account_id not in accounts:
            raise Refused("unknown_account", f"You have no broker account {row.broker_account_id}.",
                          fix="Use an account of your own.",
                          field=f"rows/{index}/broker_account_id")  # fmt: skip
        if key in seen:
            raise Refused("pair_twice", "The same strategy and account stand in two rows.",
                          fix="Send each pair once.", field=f"rows/{index}")  # fmt: skip
        seen.add(key)


def _locked(user: User, allocation: StrategyBrokerAllocation) -> StrategyBrokerAllocation:
    return selectors.allocations_of(user).select_for_update(of=("self",)).get(pk=allocation.pk)


def _apply(
    pair: StrategyBrokerAllocation, terms: PairTerms, user: User, origin: dict[str, Any]
) -> StrategyBrokerAllocation:
    _check(terms)
    held, wanted = selectors.terms_of(pair), asdict(terms)
    now, later = (wanted, {}) if pair.entered_at is None else split(asdict(held), wanted)
    before = _state(pair)
    waiting = loosening.keep(pair, later, now=origin["now"])
    if now == asdict(held) and not waiting:
        return pair
    for name, value in now.items():
        setattr(pair, name, value)
    pair.version += 1
    pair.save()
    record(
        actor=user, owner=user, action="allocation.set", obj=pair, before=before,
        after=_state(pair), **origin,
    )  # fmt: skip
    return pair


def _archive(
    pair: StrategyBrokerAllocation, user: User, origin: dict[str, Any]
) -> StrategyBrokerAllocation:
    pair.archived_at = origin["now"]
    pair.version += 1
    pair.save(update_fields=["archived_at", "version", "updated_at"])
    record(
        actor=user, owner=user, action="allocation.archive", obj=pair, before=_state(pair), **origin
    )
    return pair


def _state(pair: StrategyBrokerAllocation) -> dict[str, Any]:
    values = {name: getattr(pair, name) for name in selectors.TERM_FIELDS}
    return {
        **loosening.plain(values),
        "from_the_next_trading_day": loosening.plain(selectors.pending_values(pair)),
        "strategy_version": pair.strategy_version_id,
        "version": pair.version,
    }
