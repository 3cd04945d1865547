"""What is offered, what a user subscribes to and owes, and what a listing has earned."""

from marketplace.selectors.listings import (
    current_terms,
    listing_for,
    listings,
    may_curate,
    recommended_limits,
    sees_all,
)
from marketplace.selectors.records import (
    OperatorFigures,
    Track,
    TrackRecord,
    operator_figures,
    track_record,
)
from marketplace.selectors.subscriptions import (
    VersionChange,
    fees_of,
    has_uncounted_trades,
    invoices_of,
    is_trading,
    market_time,
    metrics_for,
    open_subscription_ids,
    pairs_of,
    subscriptions_of,
    uncounted,
    version_change,
)

__all__ = [
    "OperatorFigures",
    "Track",
    "TrackRecord",
    "VersionChange",
    "current_terms",
    "fees_of",
    "has_uncounted_trades",
    "invoices_of",
    "is_trading",
    "listing_for",
    "listings",
    "market_time",
    "may_curate",
    "metrics_for",
    "open_subscription_ids",
    "operator_figures",
    "pairs_of",
    "recommended_limits",
    "sees_all",
    "subscriptions_of",
    "track_record",
    "uncounted",
    "version_change",
]
