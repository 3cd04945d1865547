"""Included under /options/."""

from django.urls import path

from marketplace.api.listings import Listings, OneListing
from marketplace.api.subscriptions import (
    Invoices,
    Leave,
    OneSubscription,
    Subscriptions,
    Version,
)

urlpatterns = [
    path("marketplace/listings", Listings.as_view(), name="listings"),
    path("marketplace/listings/<int:listing_id>", OneListing.as_view(), name="listing"),
    path("marketplace/subscriptions", Subscriptions.as_view(), name="subscriptions"),
    path(
        "marketplace/subscriptions/<int:subscription_id>",
        OneSubscription.as_view(),
        name="subscription",
    ),
    path(
        "marketplace/subscriptions/<int:subscription_id>/leave",
        Leave.as_view(),
        name="subscription-leave",
    ),
    path(
        "marketplace/subscriptions/<int:subscription_id>/version",
        Version.as_view(),
        name="subscription-version",
    ),
    path("marketplace/invoices", Invoices.as_view(), name="invoices"),
]
