"""A strategy as a client sends it."""

SPREAD = {
    "name": "Bull Put Spread",
    "underlying": "NIFTY",
    "entry_time": "09:20",
    "exit_time": "15:10",
    "legs": [
        {"side": "BUY", "option_type": "PE", "strike_rule": "atm", "strike_value": "-4", "expiry_rule": "this_month"},
        {"side": "SELL", "option_type": "PE", "strike_rule": "atm", "strike_value": "0", "expiry_rule": "this_month"},
    ],
}


def without(body, *names):
    return {name: value for name, value in body.items() if name not in names}
