"""Every change of a strategy. What was saved as a version is never changed; editing adds the next."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from baskets import services as baskets
from baskets.models import Basket, BasketVersion
from baskets.selectors import require_writer
from market.kernel.contracts import UNDERLYINGS
from strategies import selectors
from strategies.models import Leg, Strategy, StrategyVersion
from strategies.presets import PRESETS, terms_of
from strategies.rules import Terms, check
from users.errors import Refused
from users.models import User
from users.services import record


@transaction.atomic
def create_strategy(  # noqa: PLR0913 - keyword only
    *,
    by: User,
    basket: Basket,
    name: str,
    underlying: str,
    terms: Terms,
    preset: str = "",
    source: str,
    address: str | None = None,
    now: datetime,
) -> Strategy:
    """A new strategy and its version 1 in a basket that has room for it."""
    held = Basket.objects.select_for_update().get(pk=basket.pk)  # two adds do not both take the last place
    require_writer(by, held)
    _require_room(held)
    terms = terms.numbered()
    _check(terms, underlying, now)
    strategy = Strategy(basket=held, name=_name(name), preset=preset, underlying=underlying)
    _save(strategy)
    _write_version(strategy, terms)
    record(
        actor=by, owner=held.owner, action="strategy.create", obj=strategy,
        after=_state(strategy, terms), source=source, address=address, now=now,
    )  # fmt: skip
    return strategy


def create_from_preset(  # noqa: PLR0913 - keyword only
    *,
    by: User,
    basket: Basket,
    preset: str,
    underlying: str,
    name: str = "",
    offset: int | None = None,
    width: int | None = None,
    source: str,
    address: str | None = None,
    now: datetime,
) -> Strategy:
    """A preset's strategy as it stands; change it afterwards with revise_strategy."""
    return create_strategy(
        by=by,
        basket=basket,
        name=name or getattr(PRESETS.get(preset), "name", ""),
        underlying=underlying,
        terms=preset_terms(preset=preset, underlying=underlying, offset=offset, width=width, now=now),
        preset=preset,
        source=source,
        address=address,
        now=now,
    )


def preset_terms(
    *, preset: str, underlying: str, offset: int | None = None, width: int | None = None, now: datetime
) -> Terms:
    """What the preset means for this underlying now; Refused for an unknown name."""
    if preset not in PRESETS:
        raise Refused("unknown_preset", f"{preset!r} is not a preset.",
                      fix=f"Use one of {', '.join(PRESETS)}.", field="preset")  # fmt: skip
    _require_underlying(underlying)
    on = selectors.market_day(now)
    return terms_of(PRESETS[preset], underlying=underlying, on=on, offset=offset, width=width)


@transaction.atomic
def revise_strategy(  # noqa: PLR0913 - keyword only
    *,
    by: User,
    strategy: Strategy,
    name: str | None = None,
    terms: Terms | None = None,
    source: str,
    address: str | None = None,
    now: datetime,
) -> Strategy:
    """Rename it, or write the next version; pairs move to it at their next entry."""
    held = _locked(strategy, by)
    newest = selectors.terms(selectors.newest_version(held))
    before = _state(held, newest)
    if name is not None:
        held.name = _name(name)
        _save(held)
    after = newest if terms is None else terms.numbered()
    if after != newest:
        _check(after, held.underlying, now)
        _write_version(held, after)
    record(
        actor=by, owner=held.basket.owner, action="strategy.revise", obj=held, before=before,
        after=_state(held, after), source=source, address=address, now=now,
    )  # fmt: skip
    return held


@transaction.atomic
def archive_strategy(
    *, by: User, strategy: Strategy, source: str, address: str | None = None, now: datetime
) -> Strategy:
    """No more entries of it; its rows stay, and exits of open positions go on."""
    held = _locked(strategy, by)
    if held.archived_at is not None:
        return held
    held.archived_at = now
    held.save(update_fields=["archived_at", "updated_at"])
    record(
        actor=by, owner=held.basket.owner, action="strategy.archive", obj=held,
        before={"name": held.name}, source=source, address=address, now=now,
    )  # fmt: skip
    return held


@transaction.atomic
def publish_basket(
    *, by: User, basket: Basket, source: str, address: str | None = None, now: datetime
) -> BasketVersion:
    """Freeze the newest version of each of the basket's strategies as the next basket version."""
    strategies = Strategy.objects.filter(basket=basket, archived_at=None).order_by("pk")
    contents = [
        {
            "strategy": strategy.pk,
            "strategy_version": selectors.newest_version(strategy).pk,
            "name": strategy.name,
        }
        for strategy in strategies
    ]
    return baskets.publish_version(
        by=by, basket=basket, contents=contents, source=source, address=address, now=now
    )


def _require_room(basket: Basket) -> None:
    most = settings.PLATFORM.max_strategies_per_basket
    if Strategy.objects.filter(basket=basket, archived_at=None).count() >= most:
        raise Refused(
            "basket_full",
            f"{basket.name} has {most} strategies, the most a basket may have.",
            fix="Remove one, or use another basket.",
            field="strategies",
        )


def _require_underlying(underlying: str) -> None:
    if underlying not in UNDERLYINGS:
        raise Refused("unknown_underlying", f"{underlying} is not an index we trade.",
                      fix=f"Use one of {', '.join(UNDERLYINGS)}.", field="underlying")  # fmt: skip


def _check(terms: Terms, underlying: str, now: datetime) -> None:
    _require_underlying(underlying)
    check(terms, underlying=underlying, house=selectors.house(underlying, now=now))


def _locked(strategy: Strategy, by: User) -> Strategy:
    held = Strategy.objects.select_for_update(of=("self",)).select_related("basket__owner")
    found = held.get(pk=strategy.pk)
    require_writer(by, found.basket)
    return found


def _name(name: str) -> str:
    if not name.strip():
        raise Refused("name_missing", "The strategy has no name.", fix="Name it.", field="name")
    return name.strip()


def _save(strategy: Strategy) -> None:
    try:
        with transaction.atomic():
            strategy.save()
    except IntegrityError as error:
        if "strategy_name_once_per_basket" not in str(error):
            raise
        raise Refused(
            "name_taken",
            f"The basket has a strategy called {strategy.name} already.",
            fix="Choose another name.",
            field="name",
        ) from error


def _write_version(strategy: Strategy, terms: Terms) -> StrategyVersion:
    fields = {name: getattr(terms, name) for name in selectors.TERM_FIELDS}
    version = StrategyVersion.objects.create(
        strategy=strategy,
        number=selectors.next_number(strategy),
        weekdays=list(terms.weekdays),
        skip_days=list(terms.skip_days),
        **fields,
    )
    Leg.objects.bulk_create(
        Leg(version=version, **{name: getattr(leg, name) for name in selectors.LEG_FIELDS})
        for leg in terms.legs
    )
    return version


def _state(strategy: Strategy, terms: Terms) -> dict[str, Any]:
    return {
        "name": strategy.name,
        "underlying": strategy.underlying,
        **{name: _plain(getattr(terms, name)) for name in selectors.TERM_FIELDS},
        "weekdays": list(terms.weekdays),
        "skip_days": [day.isoformat() for day in terms.skip_days],
        "legs": [{k: _plain(v) for k, v in asdict(leg).items()} for leg in terms.legs],
    }


def _plain(value: object) -> object:
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
