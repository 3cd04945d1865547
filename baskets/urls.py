"""Included under /options/."""

from django.urls import path

from baskets.api import Baskets

urlpatterns = [path("baskets", Baskets.as_view(), name="baskets")]
