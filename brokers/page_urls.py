from django.urls import path

from brokers import views

urlpatterns = [
    path("accounts-broker", views.accounts, name="page-accounts"),
    path(
        "accounts-broker/<int:account_id>/archive",
        views.archive_account,
        name="page-archive-account",
    ),
]
