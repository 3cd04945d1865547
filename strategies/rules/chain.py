"""The listed strikes and fresh quotes of one expiry in one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache

from market.kernel import contracts
from market.kernel.contracts import Contract
from market.kernel.frame import Frame, Quote
from strategies.rules.values import AtmBase, Code, Unresolvable


@dataclass(frozen=True, slots=True)
class Chain:
    """One expiry of one underlying as a frame shows it; a strike is listed when either side is."""

    frame: Frame
    underlying: str
    expiry: date
    strikes: tuple[Decimal, ...]

    @classmethod
    def of(cls, frame: Frame, underlying: str, expiry: date) -> Chain:
        start = f"{underlying}-{expiry:%Y%m%d}-"
        found = {_parsed(symbol).strike for symbol in frame.quotes if symbol.startswith(start)}
        strikes = tuple(sorted(strike for strike in found if strike is not None))
        return cls(frame, underlying, expiry, strikes)

    def contract(self, option_type: str, strike: Decimal | None) -> Contract:
        return Contract(self.underlying, self.expiry, option_type, strike)  # type: ignore[arg-type]  # CE, PE or FUT by the rule

    def mid(self, contract: Contract) -> Decimal:
        """The fresh mid price; Unresolvable without a quote or with a stale one."""
        quote = self.frame.quote(contract.symbol)
        if quote is None:
            raise Unresolvable(Code.NO_QUOTE, f"{contract.symbol} has no quote.")
        if self._stale(quote):
            raise Unresolvable(
                Code.STALE_QUOTE, f"The last quote of {contract.symbol} is of {quote.at.isoformat()}."
            )
        return quote.mid

    def mids(self, option_type: str) -> dict[Decimal, Decimal]:
        """Fresh mid prices of one side by strike; Unresolvable when there is none."""
        quotes = {
            strike: self.frame.quote(self.contract(option_type, strike).symbol)
            for strike in self.strikes
        }
        seen = {strike: quote for strike, quote in quotes.items() if quote is not None}
        if not seen:
            raise Unresolvable(Code.NO_QUOTE, f"No {option_type} of {self._name} has a quote.")
        fresh = {strike: quote.mid for strike, quote in seen.items() if not self._stale(quote)}
        if not fresh:
            raise Unresolvable(Code.STALE_QUOTE, f"Every {option_type} quote of {self._name} is stale.")
        return fresh

    def forward(self) -> Decimal:
        forward = self.frame.forwards.get((self.underlying, self.expiry))
        if forward is None:
            raise Unresolvable(Code.NO_FORWARD, f"No forward of {self._name} is known.")
        return forward

    def base(self, base: AtmBase) -> Decimal:
        """The price that ATM is measured from."""
        if base == "synthetic":
            return self.forward()
        if base == "future":
            return self._future()
        spot = self.frame.spot(self.underlying)
        if spot is None:
            raise Unresolvable(
                Code.NO_SPOT, f"{self.underlying} has no live spot now; use the synthetic base."
            )
        return spot

    def atm(self, base: AtmBase = "synthetic") -> Decimal:
        """The listed strike nearest the base price."""
        self._require_strikes()
        return atm_strike(self.strikes, self.base(base))

    def straddle(self, base: AtmBase = "synthetic") -> Decimal:
        """Mid of call plus put at the money."""
        atm = self.atm(base)
        return self.mid(self.contract("CE", atm)) + self.mid(self.contract("PE", atm))

    def nearest(self, price: Decimal) -> Decimal:
        """The listed strike nearest a price inside the listed range."""
        self._require_strikes()
        if not self.strikes[0] <= price <= self.strikes[-1]:
            raise self.unlisted(f"{price.normalize():f}")
        return atm_strike(self.strikes, price)

    def unlisted(self, wanted: str) -> Unresolvable:
        listed = f"{self.strikes[0]:f} to {self.strikes[-1]:f}" if self.strikes else "none"
        return Unresolvable(
            Code.NO_LISTED_STRIKE, f"{self._name} has no strike for {wanted}; listed: {listed}."
        )

    def _future(self) -> Decimal:
        """The future of this expiry, or of the month that this weekly expires in."""
        months = (
            expiry.day
            for expiry in contracts.expiries(self.underlying, self.expiry)
            if expiry.kind == "monthly"
        )
        month = next(months, None)
        if month is None:
            raise Unresolvable(Code.NO_FORWARD, f"No future for {self._name} is known.")
        return self.mid(Contract(self.underlying, month, "FUT"))

    def _require_strikes(self) -> None:
        if not self.strikes:
            raise Unresolvable(Code.NO_LISTED_STRIKE, f"{self._name} has no listed strike.")

    def _stale(self, quote: Quote) -> bool:
        return quote.stale(self.frame.now, self.frame.cadence)

    @property
    def _name(self) -> str:
        return f"{self.underlying} {self.expiry.isoformat()}"


def atm_strike(strikes: Sequence[Decimal], price: Decimal) -> Decimal:
    """The strike nearest the price; of two equally near ones the lower."""
    return min(strikes, key=lambda strike: (abs(strike - price), strike))


@lru_cache(maxsize=16384)
def _parsed(symbol: str) -> Contract:
    return contracts.parse(symbol)
