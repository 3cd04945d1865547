"""The simulated volatility surface: SSVI, so free of arbitrage by construction.

Total variance at log-moneyness k = log(strike / forward) of an expiry whose at-the-money total
variance is theta:  w = theta / 2 x (1 + rho z + sqrt((z + rho)^2 + 1 - rho^2)),  z = eta k / sqrt(theta).
No butterfly arbitrage while eta^2 (1 + |rho|) <= 4 and eta sqrt(theta) (1 + |rho|) < 4; no calendar
arbitrage while theta does not fall with time. Source: Gatheral and Jacquier, Arbitrage-free SVI
volatility surfaces (2014), theorem 4.2 and corollary 4.1.

Variance runs in trading time, as the index moves: a day's share of it falls due in the session by
its U shape, the rest overnight, none at a weekend. So holding an option through a session or a
night earns nothing on average but what the level stands above the moves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from market.kernel import pricing

RHO = -0.29  # puts dearer than calls: the at-the-money skew is rho x eta / 2
ETA = 0.49
SHORT_END = 0.15  # extra volatility of the nearest expiries, fading over a week
WEEK = 5 / 252
LEVERAGE = -5.0  # volatility rises as the index falls: relative change per unit of log spot


def theta(level: Any, tau: Any) -> Any:
    """At-the-money total variance after tau years of trading time; it never falls with tau.

    d log theta / d log tau = 1 - 0.3 x exp(-x) / (1 + 0.15 exp(-x)) with x in weeks: at least 0.89.
    """
    return (level * (1 + SHORT_END * np.exp(-tau / WEEK))) ** 2 * tau


def total_variance(k: Any, atm: Any) -> Any:
    """Total variance at log-moneyness k of an expiry with that at-the-money total variance; 0 at 0."""
    root = np.sqrt(atm)
    z = ETA * k
    return 0.5 * (atm + root * (RHO * z + np.sqrt((z + RHO * root) ** 2 + (1 - RHO**2) * atm)))


def prices(forward: Any, strikes: Any, atm: Any, df: Any, is_call: Any) -> Any:
    """Fair values in rupees a unit; the discounted intrinsic value at atm = 0. Scalars or arrays."""
    deviation = np.sqrt(total_variance(np.log(strikes / forward), atm))
    return pricing.price(forward, strikes, 1.0, df, deviation, is_call)
