"""Lots and limits as a client sends them."""

LIMITS = {
    "lots": 2, "product": "NRML", "max_lots": 4, "max_day_loss": "25000.00",
    "max_margin": "400000.00", "max_open_positions": 8,
}  # fmt: skip


def pointers(answer):
    return {error["pointer"] for error in answer.json()["errors"]}


def matrix_path(strategy):
    return f"/options/baskets/{strategy.basket_id}/allocations"


def cell(strategy, account, **changes):
    return {"strategy_id": strategy.pk, "broker_account_id": account.pk, **LIMITS, **changes}
