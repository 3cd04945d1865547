"""Every change in the marketplace: listings, subscriptions, and the fee ledger."""

from marketplace.services.ledger import accrue, accrue_subscription
from marketplace.services.listings import (
    Offer,
    publish_listing,
    save_listing,
    set_fee_terms,
    set_recommended_limit,
    withdraw_listing,
)
from marketplace.services.subscriptions import (
    Row,
    apply_version,
    keep_version,
    leave,
    subscribe,
)

__all__ = [
    "Offer",
    "Row",
    "accrue",
    "accrue_subscription",
    "apply_version",
    "keep_version",
    "leave",
    "publish_listing",
    "save_listing",
    "set_fee_terms",
    "set_recommended_limit",
    "subscribe",
    "withdraw_listing",
]
