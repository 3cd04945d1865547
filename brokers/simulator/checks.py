"""Why the exchange refuses an order before it reaches the book: pure, from the dated facts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from brokers.simulator.market import Market
from brokers.simulator.wire import Refusal, choice_of, decimal_of, text_of, whole_of
from market.kernel import calendar, contracts
from market.kernel.contracts import Contract
from market.kernel.money import on_tick, to_tick

# NSE limit price protection of options; futures keep the index futures' operating range.
SMALL_PRICE = Decimal(50)
SMALL_BAND = Decimal(20)
OPTION_BAND = Decimal("0.40")
FUTURE_BAND = Decimal("0.10")
TAG_LENGTH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderForm:
    """An order as it was written on the wire; nothing about it is checked against the market yet."""

    client_ref: str
    symbol: str
    side: str
    quantity: int
    product: str
    order_type: str
    price: Decimal | None
    market_protection: Decimal | None
    trigger_price: Decimal | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What goes into the book: every order there is a limit, good for the day; one with a trigger
    waits outside the matching for it."""

    contract: Contract
    limit: Decimal
    expires_at: datetime
    trigger: Decimal | None = None


def form_of(document: dict[str, Any]) -> OrderForm:
    """The order of a request's body."""
    client_ref = text_of(document, "client_ref")
    if len(client_ref) > TAG_LENGTH or not client_ref.isalnum():
        raise Refusal("BAD_REQUEST", "client_ref must be at most 20 letters and digits.")
    return OrderForm(
        client_ref=client_ref,
        symbol=text_of(document, "symbol"),
        side=choice_of(document, "side", ("BUY", "SELL")),
        quantity=whole_of(document, "quantity"),
        product=choice_of(document, "product", ("NRML", "MIS")),
        order_type=choice_of(document, "order_type", ("LIMIT", "MARKET", "SL-L", "SL-M")),
        price=decimal_of(document, "price"),
        market_protection=decimal_of(document, "market_protection"),
        trigger_price=decimal_of(document, "trigger_price"),
    )


def accept(form: OrderForm, market: Market) -> Accepted:
    """The order as the book takes it, or Refusal."""
    contract = listed_contract(form.symbol, market)
    closes = session_close(contract, market)
    _check_quantity(form.quantity, contract, market)
    if form.order_type == "SL-M":
        raise Refusal("SL_M_DENIED", "A stop without a limit is not taken: send SL-L.")
    if form.order_type == "SL-L":
        limit, trigger = checked_stop(form.side, form.price, form.trigger_price, contract, market)
        return Accepted(contract, limit, closes, trigger)
    if form.order_type == "MARKET":
        limit = _protected_limit(form, contract, market)
    else:
        limit = checked_price(form.price, contract, market)
    return Accepted(contract, limit, closes)


def listed_contract(symbol: str, market: Market) -> Contract:
    try:
        contract = contracts.parse(symbol)
    except ValueError as error:
        raise Refusal("UNKNOWN_SYMBOL", str(error)) from error
    if contract.expiry < market.day:
        raise Refusal("EXPIRED_CONTRACT", f"{symbol} expired on {contract.expiry}.")
    if not market.lists(symbol):
        raise Refusal("UNKNOWN_SYMBOL", f"{symbol} is not traded on {market.day}.")
    return contract


def session_close(contract: Contract, market: Market) -> datetime:
    """When the session that is open now ends; Refusal outside it."""
    try:
        session = calendar.session(contract.exchange, market.day)
    except calendar.OutsideCoverage as error:
        raise Refusal("OUTSIDE_SESSION", str(error)) from error
    if session is None or not session.is_open(market.now):
        raise Refusal("OUTSIDE_SESSION", f"{contract.exchange} is closed at {market.now}.")
    return session.close


def checked_price(price: Decimal | None, contract: Contract, market: Market) -> Decimal:
    """A limit on the tick grid and inside today's band, or Refusal."""
    found = _whole_ticks(price, contract)
    low, high = band(contract, market)
    if not low <= found <= high:
        raise Refusal("OUTSIDE_PRICE_BAND", f"{found} is outside today's band {low} to {high}.")
    return found


def checked_stop(
    side: str, price: Decimal | None, trigger: Decimal | None, contract: Contract, market: Market
) -> tuple[Decimal, Decimal]:
    """A stop's limit and trigger, or Refusal. The band is that of the moment at which it triggers."""
    limit, at = _whole_ticks(price, contract), _whole_ticks(trigger, contract)
    if (limit < at) if side == "BUY" else (limit > at):
        raise Refusal("BAD_PRICE", f"The limit {limit} is on the wrong side of its trigger {at}.")
    if is_triggered(side, at, contract.symbol, market):
        raise Refusal("TRIGGER_PASSED", f"The market is at or beyond the trigger {at} already.")
    return limit, at


def is_triggered(side: str, trigger: Decimal, symbol: str, market: Market) -> bool:
    """Whether this frame's last price, or the price that the stop would meet, has reached it."""
    prices = [market.traded(symbol), market.offer(symbol, side).price]
    seen = [price for price in prices if price is not None]
    return any(price >= trigger if side == "BUY" else price <= trigger for price in seen)


def _whole_ticks(price: Decimal | None, contract: Contract) -> Decimal:
    if price is None or price <= 0:
        raise Refusal("BAD_PRICE", "A price above 0 is needed.")
    if not on_tick(price, contract.tick_size):
        raise Refusal("OFF_TICK", f"{price} is not a multiple of the tick {contract.tick_size}.")
    return price


def band(contract: Contract, market: Market) -> tuple[Decimal, Decimal]:
    """The lowest and highest price that an order may carry now, on the tick grid."""
    reference = _reference(contract, market)
    if not contract.is_option:
        width = reference * FUTURE_BAND
    else:
        width = SMALL_BAND if reference <= SMALL_PRICE else reference * OPTION_BAND
    tick = contract.tick_size
    return (
        max(to_tick(reference - width, tick, "SELL"), tick),
        to_tick(reference + width, tick, "BUY"),
    )


def _check_quantity(quantity: int, contract: Contract, market: Market) -> None:
    try:
        lot, freeze = contract.lot_size, contract.freeze_quantity(market.day)
    except calendar.OutsideCoverage as error:
        raise Refusal("UNKNOWN_SYMBOL", str(error)) from error
    if quantity <= 0 or quantity % lot:
        raise Refusal("NOT_A_LOT_MULTIPLE", f"{quantity} is not a multiple of the lot {lot}.")
    if quantity > freeze:
        raise Refusal("ABOVE_FREEZE", f"{quantity} is above the freeze quantity {freeze}.")


def _protected_limit(form: OrderForm, contract: Contract, market: Market) -> Decimal:
    protection = form.market_protection
    if protection is None or not 0 < protection <= 100:
        raise Refusal(
            "MARKET_WITHOUT_PROTECTION",
            "A market order needs market_protection above 0, up to 100.",
        )
    reference = _reference(contract, market)
    away = reference * protection / 100
    wanted = reference + away if form.side == "BUY" else reference - away
    low, high = band(contract, market)
    return min(max(to_tick(wanted, contract.tick_size, form.side), low), high)


def _reference(contract: Contract, market: Market) -> Decimal:
    reference = market.last(contract.symbol)
    if reference is None:
        raise Refusal("UNKNOWN_SYMBOL", f"{contract.symbol} has no price on {market.day}.")
    return reference
