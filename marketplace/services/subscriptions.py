"""A subscriber's side: subscribe with own accounts and limits, apply or keep a version, leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from allocations.models import StrategyBrokerAllocation, TradingState
from allocations.risk import LIMITS, PairTerms
from allocations.services import MatrixRow, save_matrix
from baskets import services as baskets
from baskets.models import BasketVersion
from brokers.models import BrokerAccount
from brokers.selectors import accounts_of
from execution.services import square_off
from market.models import Timeline
from market.selectors import active_timeline
from marketplace import selectors
from marketplace.models import FeeTerms, Listing, RecommendedLimit, Subscription
from marketplace.services import ledger
from users.errors import Forbidden, Refused
from users.models import User
from users.services import record

Status = Subscription.Status
GREEKS = ("max_delta", "max_vega")  # none is no limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One pair a subscriber wants; a limit left out is the curator's recommended one."""

    strategy_id: int
    broker_account_id: int
    lots: int
    product: str = StrategyBrokerAllocation.Product.NRML
    max_lots: int | None = None
    max_day_loss: Decimal | None = None
    max_margin: Decimal | None = None
    max_open_positions: int | None = None
    max_delta: Decimal | None = None
    max_vega: Decimal | None = None
    own: Mapping[str, Any] = field(default_factory=dict)  # exits and what happens at the day's loss, as PairTerms


@transaction.atomic
def subscribe(  # noqa: PLR0913 - keyword only
    *,
    user: User,
    listing: Listing,
    rows: Sequence[Row],
    paper_only: bool = False,
    source: str,
    address: str | None = None,
    now: datetime,
) -> Subscription:
    """The subscription, the right to run the basket's version, and the pairs: all or nothing."""
    held = Listing.objects.select_for_update(of=("self",)).select_related("basket").get(pk=listing.pk)
    terms = _offered_terms(held, user, now)
    timeline = _timeline()
    version = held.basket.versions.latest("number")
    _check_accounts(user, held, rows, paper_only=paper_only)
    matrix = _matrix(held, version, rows)
    subscription = _open(
        user=user,
        basket=held.basket,
        version=version,
        terms=terms,
        started_at=selectors.market_time(timeline),
    )
    baskets.grant(user=user, version=version, by=user, source=source, now=now)
    save_matrix(user=user, basket=held.basket, rows=matrix, source=source, address=address, now=now)
    ledger.open_meters(subscription, timeline)
    after = {**_state(subscription), "terms": terms.pk, "pairs": len(matrix)}
    _record(user, subscription, "subscription.open", None, after, source, address, now)
    return subscription


@transaction.atomic
def apply_version(
    *, user: User, subscription: Subscription, source: str, address: str | None = None, now: datetime
) -> Subscription:
    """Take the curator's newest version and its fee terms; pairs move to it at their next entry."""
    held = _active(user, subscription)
    change = _change(held, now)
    before = _state(held)
    held.version = change.version
    held.terms = change.terms or held.terms
    held.kept_against = None
    held.save(update_fields=["version", "terms", "kept_against"])
    baskets.grant(user=user, version=change.version, by=user, source=source, now=now)
    _record(user, held, "subscription.apply_version", before, _state(held), source, address, now)
    return held


@transaction.atomic
def keep_version(
    *, user: User, subscription: Subscription, source: str, address: str | None = None, now: datetime
) -> Subscription:
    """Stay on the version and terms that the subscriber has; asked again at the next publication."""
    held = _active(user, subscription)
    before = _state(held)
    held.kept_against = _change(held, now).version
    held.save(update_fields=["kept_against"])
    _record(user, held, "subscription.keep_version", before, _state(held), source, address, now)
    return held


@transaction.atomic
def leave(
    *,
    user: User,
    subscription: Subscription,
    close_positions: bool,
    source: str,
    address: str | None = None,
    now: datetime,
) -> Subscription:
    """No more entries. What is open is squared off now, or kept to its own exits; it may still be
    squared off later by leaving again. The subscription closes when nothing is open."""
    held = _locked(user, subscription)
    if held.status == Status.CLOSED:
        raise Refused("already_left", "The subscription is closed.",
                      fix="Subscribe again to run the basket.")  # fmt: skip
    timeline = _timeline()
    before = _state(held)
    if held.status == Status.ACTIVE:
        ledger.charge_months(held, timeline, now)
        held.status, held.left_at = Status.LEAVING, selectors.market_time(timeline)
        held.save(update_fields=["status", "left_at"])
        baskets.end_entries(user=user, basket=held.basket, by=user, source=source, now=now)
    if close_positions:
        square_off(user=user, scope=TradingState.Scope.BASKET, target=held.basket_id, by=user,
                   source=source, now=now)  # fmt: skip
    after = {**_state(held), "close_positions": close_positions}
    _record(user, held, "subscription.leave", before, after, source, address, now)
    ledger.count(held, timeline, now)
    return held


def _offered_terms(listing: Listing, user: User, now: datetime) -> FeeTerms:
    if listing.status != Listing.Status.PUBLISHED:
        raise Refused("not_published", "The listing takes no subscribers.",
                      fix="Choose a published listing.", field="listing_id")  # fmt: skip
    if listing.basket.owner_id == user.pk:
        raise Refused("own_basket", "The basket is yours; you need no subscription to run it.",
                      fix="Allocate its strategies directly.", field="listing_id")  # fmt: skip
    terms = selectors.current_terms(listing, now=now)
    if terms is None:
        raise Refused("fee_terms_missing", "The listing has no fee terms.",
                      fix="Ask its curator.", field="listing_id")  # fmt: skip
    return terms


def _timeline() -> Timeline:
    try:
        return active_timeline()
    except Timeline.DoesNotExist as error:
        raise Refused("no_market", "No market is running, so there is no day to count fees from.",
                      fix="Start one (bin/start), then subscribe.") from error  # fmt: skip


def _check_accounts(
    user: User, listing: Listing, rows: Sequence[Row], *, paper_only: bool
) -> None:
    """Own accounts only, with the listing's minimum capital together."""
    asked = {row.broker_account_id for row in rows}
    accounts = {a.pk: a for a in accounts_of(user).filter(pk__in=asked, archived_at=None)}
    for index, row in enumerate(rows):
        account = accounts.get(row.broker_account_id)
        if account is None:
            raise Refused("unknown_account", f"You have no broker account {row.broker_account_id}.",
                          fix="Use an account of your own.",
                          field=f"rows/{index}/broker_account_id")  # fmt: skip
        if paper_only and account.mode == BrokerAccount.Mode.LIVE:
            raise Forbidden("paper_key", "This API key is for paper accounts only.",
                            fix="Use a paper account, or a trade key.",
                            field=f"rows/{index}/broker_account_id")  # fmt: skip
    capital = sum((account.capital for account in accounts.values()), Decimal(0))
    if capital < listing.minimum_capital:
        raise Refused(
            "capital_below_minimum",
            f"The accounts have {capital} rupees together; the basket asks for "
            f"{listing.minimum_capital}.",
            fix="Add an account or capital.",
            field="rows",
        )


def _matrix(listing: Listing, version: BasketVersion, rows: Sequence[Row]) -> list[MatrixRow]:
    if not rows:
        raise Refused("no_pairs", "No strategy was given an account and lots.",
                      fix="Send at least one row.", field="rows")  # fmt: skip
    offered = {row["strategy"] for row in version.contents}
    limits = selectors.recommended_limits(listing)
    return [
        _matrix_row(row, offered, limits.get(row.strategy_id), f"rows/{index}/")
        for index, row in enumerate(rows)
    ]


def _matrix_row(
    row: Row, offered: set[int], recommended: RecommendedLimit | None, prefix: str
) -> MatrixRow:
    if row.strategy_id not in offered:
        raise Refused("unknown_strategy", f"The basket has no strategy {row.strategy_id}.",
                      fix="Use a strategy of this basket.", field=f"{prefix}strategy_id")  # fmt: skip
    if row.lots <= 0:
        raise Refused("lots_not_above_zero", "lots must be 1 or more.",
                      fix="Leave the row out, or send its lots.", field=f"{prefix}lots")  # fmt: skip
    limits = {name: _limit(row, recommended, name, prefix) for name in LIMITS}
    terms = PairTerms(lots=row.lots, product=row.product, **limits, **row.own)  # type: ignore[arg-type]  # checked limits under their own names
    return MatrixRow(
        strategy_id=row.strategy_id, broker_account_id=row.broker_account_id, terms=terms
    )


def _limit(
    row: Row, recommended: RecommendedLimit | None, name: str, prefix: str
) -> int | Decimal | None:
    """The subscriber's limit where it is as tight as the curator's, or the curator's; a Greek may have none."""
    mine = getattr(row, name)
    theirs = getattr(recommended, name) if recommended else None
    limit: int | Decimal | None = theirs if mine is None else mine
    if limit is None and name not in GREEKS:
        raise Refused("limit_missing", f"The curator recommends no {name}, so it must be yours.",
                      fix=f"Send {name}.", field=f"{prefix}{name}")  # fmt: skip
    if theirs is not None and limit is not None and limit > theirs:
        raise Refused("limit_too_wide", f"{name} {limit} is above the curator's {theirs}.",
                      fix=f"Send {theirs} or less.", field=f"{prefix}{name}")  # fmt: skip
    return limit


def _open(**fields: Any) -> Subscription:
    try:
        with transaction.atomic():
            return Subscription.objects.create(**fields)
    except IntegrityError as error:
        if "one_open_subscription" not in str(error):
            raise
        raise Refused("already_subscribed", "You already have this basket.",
                      fix="Change your lots in its allocation matrix.", field="listing_id") from error  # fmt: skip


def _locked(user: User, subscription: Subscription) -> Subscription:
    """Subscription.DoesNotExist for a stranger's."""
    rows = Subscription.objects.filter(user=user).select_related("user", "basket", "version", "terms")
    return rows.select_for_update(of=("self",)).get(pk=subscription.pk)


def _active(user: User, subscription: Subscription) -> Subscription:
    held = _locked(user, subscription)
    if held.status != Status.ACTIVE:
        raise Refused("already_left", "You have left this basket; it enters no more.",
                      fix="Subscribe again when it is closed.")  # fmt: skip
    return held


def _change(subscription: Subscription, now: datetime) -> selectors.VersionChange:
    change = selectors.version_change(subscription, now=now)
    if change is None:
        raise Refused("no_newer_version", "There is no newer version to decide on.",
                      fix="Wait for the curator's next one.", field="choice")  # fmt: skip
    return change


def _record(  # noqa: PLR0913 - one act and its two states
    user: User,
    subscription: Subscription,
    action: str,
    before: dict[str, Any] | None,
    after: dict[str, Any],
    source: str,
    address: str | None,
    now: datetime,
) -> None:
    record(
        actor=user, owner=user, action=action, obj=subscription, before=before, after=after,
        source=source, address=address, now=now,
    )  # fmt: skip


def _state(subscription: Subscription) -> dict[str, Any]:
    left = subscription.left_at
    return {
        "status": subscription.status,
        "version": subscription.version_id,
        "terms": subscription.terms_id,
        "kept_against": subscription.kept_against_id,
        "left_at": left.isoformat() if left else None,
    }
