"""Included under /options/."""

from django.urls import path

from market.api.chain import Chain, Contracts
from market.api.payoff import Payoff
from market.api.sessions import Calendar, Clock
from market.api.volatility import Smile, TermStructure

urlpatterns = [
    path("market/chain", Chain.as_view(), name="market-chain"),
    path("market/smile", Smile.as_view(), name="market-smile"),
    path("market/term-structure", TermStructure.as_view(), name="market-term-structure"),
    path("market/contracts", Contracts.as_view(), name="market-contracts"),
    path("market/calendar", Calendar.as_view(), name="market-calendar"),
    path("market/payoff", Payoff.as_view(), name="market-payoff"),
    path("market/clock", Clock.as_view(), name="market-clock"),
]
