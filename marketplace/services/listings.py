"""A curator's side: describe a basket, set its fees and limits, publish a version, withdraw."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from baskets.models import Basket, BasketVersion
from marketplace import selectors
from marketplace.models import FeeTerms, Listing, RecommendedLimit, Subscription
from strategies.models import Strategy
from strategies.services import publish_basket
from users.errors import Forbidden, Refused
from users.models import User
from users.services import notify, record


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """How a listing describes itself."""

    summary: str
    risks: str
    minimum_capital: Decimal
    public_track_record: bool = False


@transaction.atomic
def save_listing(
    *, by: User, basket: Basket, offer: Offer, source: str, address: str | None = None, now: datetime
) -> Listing:
    """Describe a marketplace basket; the first time as a draft."""
    if basket.kind != Basket.Kind.ADMIN:
        raise Refused("not_a_marketplace_basket", "Only marketplace baskets are listed.",
                      fix="Make the basket with kind Marketplace.", field="basket")  # fmt: skip
    if offer.minimum_capital < 0:
        raise Refused("capital_below_zero", "The minimum capital is below 0.",
                      fix="Send 0 or more rupees.", field="minimum_capital")  # fmt: skip
    held = Listing.objects.select_for_update(of=("self",)).filter(basket=basket).first()
    listing = held or Listing(basket=basket)
    _require_curator(by, listing)
    before = _state(listing) if held else None
    for name, value in asdict(offer).items():
        setattr(listing, name, value)
    listing.save()
    _record(by, listing, "listing.save", before, _state(listing), source, address, now)
    return listing


@transaction.atomic
def set_fee_terms(  # noqa: PLR0913 - keyword only
    *,
    by: User,
    listing: Listing,
    monthly_fee: Decimal,
    performance_rate: Decimal,
    gst_registered: bool,
    source: str,
    address: str | None = None,
    now: datetime,
) -> FeeTerms:
    """New terms from now on; who has subscribed keeps theirs until they take a new version."""
    _require_curator(by, listing)
    if monthly_fee < 0:
        raise Refused("fee_below_zero", "The monthly fee is below 0.",
                      fix="Send 0 or more rupees.", field="monthly_fee")  # fmt: skip
    if not 0 <= performance_rate <= 1:
        raise Refused("rate_out_of_range", "The performance rate is not from 0 to 1.",
                      fix="Send 0.15 for 15%.", field="performance_rate")  # fmt: skip
    terms = FeeTerms.objects.create(
        listing=listing,
        monthly_fee=monthly_fee,
        performance_rate=performance_rate,
        gst_registered=gst_registered,
        valid_from=now,
    )
    _record(by, listing, "listing.set_fee_terms", None, _terms_state(terms), source, address, now)
    return terms


@transaction.atomic
def set_recommended_limit(  # noqa: PLR0913 - keyword only
    *,
    by: User,
    listing: Listing,
    strategy: Strategy,
    max_lots: int,
    max_day_loss: Decimal,
    max_margin: Decimal,
    max_open_positions: int,
    max_delta: Decimal | None = None,
    max_vega: Decimal | None = None,
    source: str,
    address: str | None = None,
    now: datetime,
) -> RecommendedLimit:
    """The widest limits that a subscriber's pair of this strategy may have."""
    _require_curator(by, listing)
    if strategy.basket_id != listing.basket_id:
        raise Refused("unknown_strategy", "The strategy is not of this basket.",
                      fix="Choose a strategy of the listing's basket.", field="strategy")  # fmt: skip
    limits: dict[str, int | Decimal] = {
        "max_lots": max_lots,
        "max_day_loss": max_day_loss,
        "max_margin": max_margin,
        "max_open_positions": max_open_positions,
    }
    for name, value in limits.items():
        if value <= 0:
            raise Refused(f"{name}_not_above_zero", f"{name} must be above 0.",
                          fix="Send the most a pair may have.", field=name)  # fmt: skip
    greeks = {"max_delta": max_delta, "max_vega": max_vega}
    for name, most in greeks.items():
        if most is not None and most < 0:
            raise Refused(f"{name}_below_zero", f"{name} is an amount, so it is 0 or more.",
                          fix="Send the most a pair may have, or leave it out.", field=name)  # fmt: skip
    row, _ = RecommendedLimit.objects.update_or_create(
        listing=listing, strategy=strategy, defaults=limits | greeks
    )
    stated = {name: str(value) for name, value in (limits | greeks).items() if value is not None}
    after = {"strategy": strategy.pk, **stated}
    _record(by, listing, "listing.set_limit", None, after, source, address, now)
    return row


@transaction.atomic
def publish_listing(
    *, by: User, listing: Listing, source: str, address: str | None = None, now: datetime
) -> BasketVersion:
    """Freeze the basket's strategies as its next version, offer it, and tell its subscribers."""
    held = _locked(by, listing)
    _check_ready(held, now)
    version = publish_basket(by=by, basket=held.basket, source=source, address=address, now=now)
    before = _state(held)
    held.status = Listing.Status.PUBLISHED
    held.save(update_fields=["status"])
    after = {**_state(held), "version": version.number}
    _record(by, held, "listing.publish", before, after, source, address, now)
    _tell_subscribers(
        held,
        kind="basket_version",
        title=f"{held.basket} has a new version",
        body=f"Version {version.number} was published. Your pairs keep the version they have "
        "until you apply the new one; see what would change, then apply or keep.",
        dedupe_key=f"basket-version:{version.pk}",
        now=now,
    )
    return version


@transaction.atomic
def withdraw_listing(
    *, by: User, listing: Listing, source: str, address: str | None = None, now: datetime
) -> Listing:
    """No new subscriber from now on; who has subscribed goes on with the version they have."""
    held = _locked(by, listing)
    if held.status != Listing.Status.PUBLISHED:
        raise Refused("not_published", "The listing is not published.", fix="Publish it first.")
    before = _state(held)
    held.status = Listing.Status.WITHDRAWN
    held.save(update_fields=["status"])
    _record(by, held, "listing.withdraw", before, _state(held), source, address, now)
    _tell_subscribers(
        held,
        kind="listing_withdrawn",
        title=f"{held.basket} was withdrawn from the marketplace",
        body="Its curator takes no new subscribers and may publish nothing more. Your pairs go on "
        "as they are; leave when you want no more entries.",
        dedupe_key=f"listing-withdrawn:{held.pk}:{now:%Y%m%d%H%M%S}",
        now=now,
    )
    return held


def _check_ready(listing: Listing, now: datetime) -> None:
    if not Strategy.objects.filter(basket=listing.basket_id, archived_at=None).exists():
        raise Refused("empty_basket", "The basket has no strategy.",
                      fix="Add at least one strategy, then publish.", field="strategies")  # fmt: skip
    if not listing.risks.strip():
        raise Refused("risks_missing", "The listing does not say what may be lost.",
                      fix="Write the risks in words a subscriber understands.", field="risks")  # fmt: skip
    if selectors.current_terms(listing, now=now) is None:
        raise Refused("fee_terms_missing", "The listing has no fee terms.",
                      fix="Add fee terms; 0 and 0 for a free basket.", field="terms")  # fmt: skip


def _locked(by: User, listing: Listing) -> Listing:
    held = Listing.objects.select_for_update(of=("self",)).select_related("basket__owner")
    found = held.get(pk=listing.pk)
    _require_curator(by, found)
    return found


def _require_curator(by: User, listing: Listing) -> None:
    if not selectors.may_curate(by, listing):
        raise Forbidden("not_the_curator", "The basket is another curator's.",
                        fix="Ask its curator.")  # fmt: skip


def _tell_subscribers(listing: Listing, **words: Any) -> None:
    rows = Subscription.objects.filter(
        basket=listing.basket_id, status=Subscription.Status.ACTIVE
    ).select_related("user")
    for subscription in rows:
        notify(user=subscription.user, severity="warning", link="/marketplace/subscriptions", **words)


def _record(  # noqa: PLR0913 - one act and its two states
    by: User,
    listing: Listing,
    action: str,
    before: dict[str, Any] | None,
    after: dict[str, Any],
    source: str,
    address: str | None,
    now: datetime,
) -> None:
    record(
        actor=by, owner=listing.basket.owner, action=action, obj=listing, before=before,
        after=after, source=source, address=address, now=now,
    )  # fmt: skip


def _state(listing: Listing) -> dict[str, Any]:
    return {
        "summary": listing.summary,
        "risks": listing.risks,
        "minimum_capital": str(listing.minimum_capital),
        "public_track_record": listing.public_track_record,
        "status": listing.status,
    }


def _terms_state(terms: FeeTerms) -> dict[str, Any]:
    return {
        "terms": terms.pk,
        "monthly_fee": str(terms.monthly_fee),
        "performance_rate": str(terms.performance_rate),
        "gst_registered": terms.gst_registered,
    }
