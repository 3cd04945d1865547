"""The demo's people: a trader with the Conservative Income basket, a curator with a published one, an
operator. Loading it again changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.db import transaction

from baskets.models import Basket
from baskets.services import create_basket
from execution import story
from marketplace.models import Listing
from marketplace.services import (
    Offer,
    publish_listing,
    save_listing,
    set_fee_terms,
    set_recommended_limit,
)
from strategies.services import create_from_preset
from users.models import User

TRADER, CURATOR, OPERATOR = "demo@example.com", "curator@example.com", "operator@example.com"
PASSWORD = "demo-options-desk"  # noqa: S105 - the demo's, refused outside dev
SOURCE = "command"


def load(*, now: datetime) -> None:
    """Everything that the demo starts with."""
    trader = _person(TRADER)
    curator = _person(CURATOR, group="curator")
    _person(OPERATOR, group="operator", is_superuser=True)
    story.build(story.read(story.CONSERVATIVE_INCOME), user=trader, now=now)
    _published_basket(curator, now)


@transaction.atomic
def _person(email: str, *, group: str = "", is_superuser: bool = False) -> User:
    user = User.objects.filter(email=email).first()
    if user is not None:
        return user
    user = User.objects.create_user(
        email, PASSWORD, is_staff=bool(group), is_superuser=is_superuser
    )
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    if group:
        user.groups.add(Group.objects.get(name=group))
    return user


@transaction.atomic
def _published_basket(curator: User, now: datetime) -> Listing:
    held = Listing.objects.filter(basket__owner=curator).first()
    if held is not None:
        return held
    basket = create_basket(
        owner=curator,
        name="Weekly Wings",
        description="Defined-risk weekly premium on NIFTY and SENSEX, flat every afternoon.",
        kind=Basket.Kind.ADMIN,
        source=SOURCE,
        now=now,
    )
    listing = save_listing(
        by=curator,
        basket=basket,
        offer=Offer(
            summary="Two hedged intraday strategies; no naked shorts, nothing overnight.",
            risks="Both strategies lose when the index moves far in a day; the wings limit the loss. "
            "Paper results say little about live fills.",
            minimum_capital=Decimal(500000),
        ),
        source=SOURCE,
        now=now,
    )
    for preset, underlying in (("iron_fly", "NIFTY"), ("iron_condor", "SENSEX")):
        strategy = create_from_preset(
            by=curator, basket=basket, preset=preset, underlying=underlying, source=SOURCE, now=now
        )
        set_recommended_limit(
            by=curator, listing=listing, strategy=strategy, max_lots=5, max_day_loss=Decimal(40000),
            max_margin=Decimal(1500000), max_open_positions=4, max_delta=Decimal(2500), max_vega=Decimal(20000),
            source=SOURCE, now=now,
        )  # fmt: skip
    set_fee_terms(
        by=curator, listing=listing, monthly_fee=Decimal(499), performance_rate=Decimal("0.1"),
        gst_registered=True, source=SOURCE, now=now,
    )  # fmt: skip
    publish_listing(by=curator, listing=listing, source=SOURCE, now=now)
    return listing
