"""The tables of the market: worlds of market time with what was quoted in them."""

from market.models.worlds import Contract, Quote, SettlementPrice, Timeline, new_nonce

__all__ = ["Contract", "Quote", "SettlementPrice", "Timeline", "new_nonce"]
