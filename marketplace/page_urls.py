from django.urls import path

from marketplace import views

urlpatterns = [
    path("marketplace", views.marketplace, name="page-marketplace"),
    path("marketplace/<int:listing_id>", views.listing, name="page-listing"),
    path("marketplace/subscriptions", views.subscriptions, name="page-subscriptions"),
    path(
        "marketplace/subscriptions/<int:subscription_id>/<slug:choice>",
        views.decide,
        name="page-subscription-choice",
    ),
]
