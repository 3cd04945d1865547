"""Included under /options/."""

from django.urls import path

from brokers.api import Account, AccountFunds, Accounts

urlpatterns = [
    path("broker-accounts", Accounts.as_view(), name="broker-accounts"),
    path("broker-accounts/<int:account_id>", Account.as_view(), name="broker-account"),
    path(
        "broker-accounts/<int:account_id>/funds",
        AccountFunds.as_view(),
        name="broker-account-funds",
    ),
]
