"""A story: a basket with its strategies, paper accounts and pairs, written in one JSON file. The
demo, the headless day and the end-to-end test all run one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args, get_type_hints

import httpx

from allocations.models import StrategyBrokerAllocation
from allocations.risk import PairTerms
from allocations.services import create_allocation
from baskets.models import Basket
from baskets.selectors import baskets_of
from baskets.services import create_basket
from brokers.models import BrokerAccount
from brokers.selectors import open_accounts_of
from brokers.services import Act, add_account, log_in_again
from strategies.models import Strategy
from strategies.rules import LegRule, Terms
from strategies.services import create_strategy, preset_terms
from users.errors import Refused
from users.models import User

CONSERVATIVE_INCOME = Path(__file__).with_name("stories") / "conservative_income.json"
MONEY = {"max_day_loss", "max_margin", "stop_loss", "take_profit", "trail_every", "trail_by"}
READ_BY: dict[type, Callable[[str], Any]] = {
    Decimal: Decimal, time: time.fromisoformat, date: date.fromisoformat,
}  # fmt: skip
SOURCE = "command"


def read(path: Path) -> dict[str, Any]:
    """The story's document; Refused names what is not JSON or lacks a part."""
    try:
        story: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise Refused("bad_story", f"{path} cannot be read: {error}",
                      fix="Give a JSON file such as execution/stories/conservative_income.json.",
                      field="basket") from error  # fmt: skip
    if missing := {"basket", "accounts", "strategies"} - story.keys():
        raise Refused("bad_story", f"{path} lacks {', '.join(sorted(missing))}.",
                      fix="Add what is missing.", field="basket")  # fmt: skip
    return story


def at_times(story: dict[str, Any], *, entry: time | None, leave: time | None) -> dict[str, Any]:
    """The story with all entries, and the exits of what exits the same day, at other times."""
    strategies = []
    for strategy in story["strategies"]:
        terms = dict(strategy.get("terms", {}))
        if entry is not None:
            terms["entry_time"] = entry.isoformat()
        if leave is not None and terms.get("exit_time"):
            terms["exit_time"] = leave.isoformat()
        strategies.append({**strategy, "terms": terms})
    return {**story, "strategies": strategies}


def build(
    story: dict[str, Any], *, user: User, now: datetime, transport: httpx.BaseTransport | None = None
) -> Basket:
    """Write the story for the user through the services; what exists already is left as it is."""
    accounts = {
        row["broker"]: _account(row, user, now, transport) for row in story["accounts"]
    }
    basket = baskets_of(user).filter(name=story["basket"]).first()
    if basket is not None:
        return basket
    basket = create_basket(
        owner=user, name=story["basket"], description=story.get("description", ""),
        source=SOURCE, now=now,
    )  # fmt: skip
    for row in story["strategies"]:
        strategy = _strategy(row, basket, user, now)
        for pair in row["allocations"]:
            _pair(pair, strategy, accounts, user, now)
    return basket


def terms_of(row: dict[str, Any], *, now: datetime) -> Terms:
    """The preset's terms with the story's own times and rules laid over them."""
    terms = preset_terms(
        preset=row["preset"], underlying=row["underlying"], offset=row.get("offset"),
        width=row.get("width"), now=now,
    )  # fmt: skip
    changes = {name: _value(Terms, name, value) for name, value in row.get("terms", {}).items()}
    legs = tuple(_leg(leg, row.get("legs", {}).get(str(leg.number), {})) for leg in terms.legs)
    return replace(terms, legs=legs, **changes)


def _account(
    row: dict[str, Any], user: User, now: datetime, transport: httpx.BaseTransport | None
) -> BrokerAccount:
    held = open_accounts_of(user).filter(broker=row["broker"], client_id=row["client_id"]).first()
    if held is not None:
        log_in_again(account=held, transport=transport)
        return held
    return add_account(
        user=user,
        broker=row["broker"],
        mode=BrokerAccount.Mode.PAPER,
        client_id=row["client_id"],
        label=row["label"],
        capital=Decimal(row["capital"]),
        act=Act(actor=user, source=SOURCE, now=now),
        transport=transport,
    )


def _strategy(row: dict[str, Any], basket: Basket, user: User, now: datetime) -> Strategy:
    return create_strategy(
        by=user,
        basket=basket,
        name=row["name"],
        underlying=row["underlying"],
        terms=terms_of(row, now=now),
        preset=row["preset"],
        source=SOURCE,
        now=now,
    )


def _pair(
    row: dict[str, Any],
    strategy: Strategy,
    accounts: dict[str, BrokerAccount],
    user: User,
    now: datetime,
) -> StrategyBrokerAllocation:
    limits: dict[str, Any] = {k: Decimal(v) if k in MONEY else v for k, v in row.items() if k != "broker"}
    return create_allocation(
        user=user,
        strategy=strategy,
        broker_account=accounts[row["broker"]],
        terms=PairTerms(**limits),
        source=SOURCE,
        now=now,
    )


def _leg(leg: LegRule, changes: dict[str, Any]) -> LegRule:
    return replace(leg, **{name: _value(LegRule, name, value) for name, value in changes.items()})


def _value(of: type, name: str, value: Any) -> Any:
    if name not in {field.name for field in fields(of)}:
        raise Refused("bad_story", f"{name!r} is unknown.", fix="Remove it.", field=name)
    if isinstance(value, list):
        return tuple(_value(of, name, each) for each in value)
    hint = get_type_hints(of)[name]
    read = next((READ_BY[kind] for kind in get_args(hint) if kind in READ_BY), READ_BY.get(hint))
    return value if read is None or value is None else read(value)
