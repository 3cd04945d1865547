"""The examples of E. G. Haug, "Option Pricing Formulas" (1998) and its second edition, "The Complete
Guide to Option Pricing Formulas" (2007), for European options on a stock, an index, a currency, a
future or a forward: his S, X, T, r, cost of carry b and vol, and the value as he prints it.
"""

import math

import numpy as np
import pytest

from market.kernel.pricing import greeks, implied_vol, price

CALL, PUT = True, False
PRINTED = {"abs": 1e-4}  # four decimals, from a normal distribution of six digits


def terms(spot, strike, t, rate, carry):
    """What `pricing` asks: the forward, the strike, the years and the discount factor."""
    return spot * math.exp(carry * t), strike, t, math.exp(-rate * t)


def spot_greeks(spot, strike, t, rate, carry, vol, is_call):
    """Haug's are by the spot; the chain rule with dF/dS = F/S and dF/dt = -b F."""
    forward, *rest = terms(spot, strike, t, rate, carry)
    found, ratio = greeks(forward, *rest, vol, is_call), forward / spot
    drift = carry * forward
    return {
        "delta": found["delta"] * ratio,
        "gamma": found["gamma"] * ratio**2,
        "vega": found["vega"],
        "theta": found["theta"] - found["delta"] * drift,
        "rho": found["rho"] + found["delta"] * forward * t,
        "carry": found["delta"] * forward * t,
        "volga": found["volga"],
        "speed": found["speed"] * ratio**3,
        "zomma": found["zomma"] * ratio**2,
        "charm": ratio * (found["charm"] - carry * found["delta"] - drift * found["gamma"]),
        "elasticity": found["delta"] * forward / found["price"],
    }


EXAMPLES = [  # 1998, sections 1.1 to 1.1.6: stock, index, future, currency, generalised
    (60, 65, 0.25, 0.08, 0.08, 0.30, CALL, 2.1334),
    (100, 95, 0.50, 0.10, 0.05, 0.20, PUT, 2.4648),
    (19, 19, 0.75, 0.10, 0.00, 0.28, CALL, 1.7011),
    (19, 19, 0.75, 0.10, 0.00, 0.28, PUT, 1.7011),
    (1.56, 1.60, 0.50, 0.06, -0.02, 0.12, CALL, 0.0291),
    (75, 70, 0.50, 0.10, 0.05, 0.35, PUT, 4.0870),
    (42, 40, 0.75, 0.04, -0.04, 0.35, CALL, 5.0975),  # section 1.4.2, the European beside it
]


@pytest.mark.parametrize(
    ("spot", "strike", "t", "rate", "carry", "vol", "is_call", "value"), EXAMPLES
)
def test_haugs_examples_are_his_values(spot, strike, t, rate, carry, vol, is_call, value):
    asked = terms(spot, strike, t, rate, carry)

    assert price(*asked, vol, is_call) == pytest.approx(value, **PRINTED)


FUTURES = {  # 1998, table 1-1 (page 24): X = 100, r = 10%, b = 0; F = 90, 100, 110
    (CALL, 0.1, 0.15): (0.0205, 1.8734, 9.9413),
    (CALL, 0.1, 0.25): (0.3150, 3.1217, 10.3556),
    (CALL, 0.1, 0.35): (0.9474, 4.3693, 11.1381),
    (CALL, 0.5, 0.15): (0.8069, 4.0232, 10.5769),
    (CALL, 0.5, 0.25): (2.7026, 6.6997, 12.7857),
    (CALL, 0.5, 0.35): (4.9329, 9.3679, 15.3086),
    (PUT, 0.1, 0.15): (9.9210, 1.8734, 0.0408),
    (PUT, 0.1, 0.25): (10.2155, 3.1217, 0.4551),
    (PUT, 0.1, 0.35): (10.8479, 4.3693, 1.2376),
    (PUT, 0.5, 0.15): (10.3192, 4.0232, 1.0646),
    (PUT, 0.5, 0.25): (12.2149, 6.6997, 3.2734),
    (PUT, 0.5, 0.35): (14.4452, 9.3679, 5.7963),
}


@pytest.mark.parametrize(("is_call", "t", "vol"), FUTURES)
def test_haugs_table_of_futures_options_by_arrays_and_one_by_one(is_call, t, vol):
    forwards, df = (90.0, 100.0, 110.0), math.exp(-0.10 * t)

    among = price(np.array(forwards), 100.0, t, df, vol, is_call)
    alone = [price(forward, 100.0, t, df, vol, is_call) for forward in forwards]

    assert among == pytest.approx(FUTURES[is_call, t, vol], **PRINTED)
    assert alone == pytest.approx(FUTURES[is_call, t, vol], **PRINTED)


@pytest.mark.parametrize(("is_call", "t", "vol"), FUTURES)
def test_the_values_of_haugs_table_imply_his_vols(is_call, t, vol):
    values, df = np.array(FUTURES[is_call, t, vol]), math.exp(-0.10 * t)
    found, _ = implied_vol(values, np.array([90.0, 100.0, 110.0]), 100.0, t, df, is_call)
    worth = greeks(np.array([90.0, 100.0, 110.0]), 100.0, t, df, vol, is_call)["vega"]

    assert (np.abs(found - vol) <= 1e-4 / worth).all()  # what the last decimal tells


SENSITIVITIES = [  # 1998, pages 11 to 16
    ("delta", (105, 100, 0.5, 0.10, 0.0, 0.36, CALL), 0.5946),
    ("delta", (105, 100, 0.5, 0.10, 0.0, 0.36, PUT), -0.3566),
    ("elasticity", (105, 100, 0.5, 0.10, 0.0, 0.36, PUT), -4.8775),
    ("gamma", (55, 60, 0.75, 0.10, 0.10, 0.30, CALL), 0.0278),
    ("gamma", (55, 60, 0.75, 0.10, 0.10, 0.30, PUT), 0.0278),
    ("vega", (55, 60, 0.75, 0.10, 0.10, 0.30, CALL), 18.9358),
    ("vega", (55, 60, 0.75, 0.10, 0.10, 0.30, PUT), 18.9358),
    ("theta", (430, 405, 1 / 12, 0.07, 0.02, 0.20, PUT), -31.1924),
    ("rho", (72, 75, 1.0, 0.09, 0.09, 0.19, CALL), 38.7325),
    ("carry", (500, 490, 0.25, 0.08, 0.03, 0.15, PUT), -42.2254),
    # 2007, chapter 2
    ("volga", (90, 130, 0.75, 0.05, 0.0, 0.28, CALL), 92.3444),
    ("zomma", (100, 80, 0.25, 0.05, 0.0, 0.26, CALL), 0.0463),
    ("speed", (50, 48, 1 / 12, 0.06, 0.01, 0.20, CALL), -0.0291),
    ("charm", (105, 90, 0.25, 0.14, 0.0, 0.24, PUT), 0.3700),
]


@pytest.mark.parametrize(("name", "asked", "value"), SENSITIVITIES)
def test_haugs_sensitivities_are_his_values(name, asked, value):
    assert spot_greeks(*asked)[name] == pytest.approx(value, **PRINTED)
