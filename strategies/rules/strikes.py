"""Strike rules. Distances are signed: + is a higher strike, for calls and puts alike.

Premiums are fresh mid prices. Between two strikes that fit equally well the lower is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

from market.kernel import calendar, contracts, pricing
from strategies.rules.chain import Chain
from strategies.rules.values import Code, LegRule, Unresolvable

Rule = Callable[[Chain, LegRule, Decimal], Decimal]


def strike_of(leg: LegRule, chain: Chain) -> Decimal | None:
    """The listed strike that the leg's rule means in this chain; None for a future."""
    if not leg.is_option:
        return None
    if leg.strike_value is None:
        raise ValueError(f"leg {leg.number}: {leg.strike_rule} needs a value.")
    return STRIKE_RULES[leg.strike_rule](chain, leg, leg.strike_value)


def _atm(chain: Chain, leg: LegRule, steps: Decimal) -> Decimal:
    """ATM + n: n listed strikes up, or down when negative."""
    index = chain.strikes.index(chain.atm(leg.atm_base)) + int(steps)
    if not 0 <= index < len(chain.strikes):
        raise chain.unlisted(f"ATM{int(steps):+d}")
    return chain.strikes[index]


def _fixed(chain: Chain, leg: LegRule, strike: Decimal) -> Decimal:
    if strike not in chain.strikes:
        raise chain.unlisted(f"{strike.normalize():f} {leg.option_type}")
    return chain.strikes[chain.strikes.index(strike)]


def _delta(chain: Chain, leg: LegRule, target: Decimal) -> Decimal:
    """The strike whose delta is closest in size: 0.20 is 0.20 for a call and -0.20 for a put."""
    deltas = _deltas(chain, leg.option_type)
    if not deltas:
        raise Unresolvable(
            Code.NO_DELTA,
            f"No {leg.option_type} of {chain.underlying} {chain.expiry} has an implied volatility now.",
        )
    wanted = abs(float(target))
    return min(deltas, key=lambda strike: (abs(abs(deltas[strike]) - wanted), strike))


def _premium_closest(chain: Chain, leg: LegRule, premium: Decimal) -> Decimal:
    mids = chain.mids(leg.option_type)
    return min(mids, key=lambda strike: (abs(mids[strike] - premium), strike))


def _premium_at_least(chain: Chain, leg: LegRule, premium: Decimal) -> Decimal:
    """The smallest premium at or above the wanted one."""
    mids = {k: mid for k, mid in chain.mids(leg.option_type).items() if mid >= premium}
    if not mids:
        raise chain.unlisted(f"a premium of at least {premium.normalize():f}")
    return min(mids, key=lambda strike: (mids[strike], strike))


def _premium_at_most(chain: Chain, leg: LegRule, premium: Decimal) -> Decimal:
    """The largest premium at or below the wanted one."""
    mids = {k: mid for k, mid in chain.mids(leg.option_type).items() if mid <= premium}
    if not mids:
        raise chain.unlisted(f"a premium of at most {premium.normalize():f}")
    return min(mids, key=lambda strike: (-mids[strike], strike))


def _percent_of_atm(chain: Chain, leg: LegRule, percent: Decimal) -> Decimal:
    """The strike nearest the ATM strike moved by a percentage: -2 is 2% below."""
    return chain.nearest(chain.atm(leg.atm_base) * (1 + percent / 100))


def _straddle_width(chain: Chain, leg: LegRule, widths: Decimal) -> Decimal:
    """The strike nearest the ATM strike moved by k straddle prices: -1 is one straddle below."""
    return chain.nearest(chain.atm(leg.atm_base) + widths * chain.straddle(leg.atm_base))


def _percent_of_straddle(chain: Chain, leg: LegRule, percent: Decimal) -> Decimal:
    """The premium closest to a percentage of the ATM straddle's price."""
    return _premium_closest(chain, leg, chain.straddle(leg.atm_base) * percent / 100)


def _deltas(chain: Chain, option_type: str) -> dict[Decimal, float]:
    """Black-76 delta by strike, each at the volatility its own mid price implies."""
    mids, forward = chain.mids(option_type), float(chain.forward())
    exchange = contracts.exchange_of(chain.underlying)
    t = pricing.year_fraction(chain.frame.now, calendar.settlement_time(exchange, chain.expiry))
    df, is_call = math.exp(-pricing.RATE * t), option_type == "CE"
    strikes, prices = [float(strike) for strike in mids], [float(mid) for mid in mids.values()]
    vols, flags = pricing.implied_vol(prices, forward, strikes, t, df, is_call)
    deltas = pricing.greeks(forward, strikes, t, df, vols, is_call)["delta"]
    return {
        strike: float(delta)
        for strike, delta, flag in zip(mids, deltas, flags, strict=True)
        if flag == pricing.Flag.OK
    }


STRIKE_RULES: dict[str, Rule] = {
    "atm": _atm,
    "fixed": _fixed,
    "delta": _delta,
    "premium_closest": _premium_closest,
    "premium_at_least": _premium_at_least,
    "premium_at_most": _premium_at_most,
    "percent_of_atm": _percent_of_atm,
    "straddle_width": _straddle_width,
    "percent_of_straddle": _percent_of_straddle,
}
