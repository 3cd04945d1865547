"""The tables of the market: worlds of market time with what was quoted in them."""

from market.models.facts import (
    FACT_MODELS,
    Brokerage,
    ChargeRate,
    ExpiryWeekday,
    Fact,
    FactsRevision,
    FreezeQuantity,
    Holiday,
    LotSize,
    MarginRate,
    SessionHours,
    SpecialSession,
    UnderlyingFact,
)
from market.models.instruments import Instrument, LotFlag, MasterImport
from market.models.worlds import Contract, Quote, SettlementPrice, Timeline, new_nonce

__all__ = [
    "FACT_MODELS",
    "Brokerage",
    "ChargeRate",
    "Contract",
    "ExpiryWeekday",
    "Fact",
    "FactsRevision",
    "FreezeQuantity",
    "Holiday",
    "Instrument",
    "LotFlag",
    "LotSize",
    "MarginRate",
    "MasterImport",
    "Quote",
    "SessionHours",
    "SettlementPrice",
    "SpecialSession",
    "Timeline",
    "UnderlyingFact",
    "new_nonce",
]
