"""What changes the market's rows: contracts, timelines, progress, snapshots, settlement values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Greatest
from django.utils.text import slugify

from market import selectors
from market.kernel import calendar
from market.kernel import contracts as facts
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import IST, at, ist_day
from market.kernel.contracts import Contract as ContractSpec
from market.kernel.frame import Frame
from market.kernel.frame import Quote as FrameQuote
from market.models import Contract, Quote, SettlementPrice, Timeline
from users.errors import Refused
from users.models import User
from users.services import record

FASTEST = 60


def ensure_contracts(specs: Iterable[ContractSpec]) -> dict[str, Contract]:
    """The row of each contract by symbol, made where it is new; its lot is that of its expiry."""
    wanted = {spec.symbol: spec for spec in specs}
    found = selectors.contracts_by_symbol(wanted)
    new = [_contract_row(spec) for symbol, spec in wanted.items() if symbol not in found]
    if new:
        Contract.objects.bulk_create(new, ignore_conflicts=True)
        found |= selectors.contracts_by_symbol(row.symbol for row in new)
    return {symbol: found[symbol] for symbol in wanted}


def _contract_row(spec: ContractSpec) -> Contract:
    return Contract(
        symbol=spec.symbol,
        exchange=spec.exchange,
        underlying=spec.underlying,
        expiry=spec.expiry,
        option_type=spec.option_type,
        strike=spec.strike,
        lot_size=spec.lot_size,
        tick_size=spec.tick_size,
    )


@transaction.atomic
def create_timeline(  # noqa: PLR0913 - keyword only
    *,
    key: str,
    source: str,
    first_day: date,
    seed: int = 0,
    speed: int = 1,
    files: Iterable[str] = (),
    nonce: str | None = None,
) -> Timeline:
    """A new world, not yet active."""
    names = [str(name) for name in files]
    check_timeline(key=key, source=source, speed=speed, files=names)
    row = Timeline(key=key, source=source, first_day=first_day, seed=seed, speed=speed, files=names)
    if nonce is not None:
        row.nonce = nonce
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        raise Refused(
            "timeline_exists", f"A timeline {key!r} exists.", fix="Choose another key.", field="key"
        ) from error
    return row


def check_timeline(*, key: str, source: str, speed: int, files: list[str]) -> None:
    """Refused, by field, when such a timeline cannot be."""
    if not key or slugify(key) != key or len(key) > 40:
        raise Refused(
            "bad_key",
            f"{key!r} is not a timeline key.",
            fix="Use at most 40 lower-case letters, digits and hyphens.",
            field="key",
        )
    if source not in Timeline.Source.values:
        known = ", ".join(Timeline.Source.values)
        raise Refused(
            "unknown_source", f"{source!r} is no source.", fix=f"Use {known}.", field="source"
        )
    check_speed(source, speed)
    if (source == Timeline.Source.RECORDED) != bool(files):
        raise Refused(
            "bad_files",
            "A recorded timeline plays files, and only a recorded one does.",
            fix="Give the recorded files, or leave them out.",
            field="files",
        )


def check_speed(source: str, speed: int) -> None:
    """Refused when such a timeline cannot run that fast."""
    fastest = 1 if source == Timeline.Source.LIVE else FASTEST
    if not 1 <= speed <= fastest:
        raise Refused(
            "bad_speed",
            f"A {source} timeline cannot run at x{speed}.",
            fix=f"Use a whole number from 1 to {fastest}.",
            field="speed",
        )


@transaction.atomic
def activate_timeline(
    *, timeline: Timeline, now: datetime, actor: User | None = None, source: str = "command"
) -> Timeline:
    """Make this the one world that runs; what another one had stays as it is."""
    rows = list(Timeline.objects.select_for_update().order_by("pk"))
    before = next((row for row in rows if row.active), None)
    if before is not None and before.pk == timeline.pk:
        timeline.refresh_from_db()
        return timeline
    Timeline.objects.filter(active=True).update(active=False)
    Timeline.objects.filter(pk=timeline.pk).update(active=True)
    timeline.refresh_from_db()
    record(
        actor=actor,
        owner=None,
        action="market.activate_timeline",
        obj=timeline,
        before={"active": before.key if before else None},
        after={"active": timeline.key},
        source=source,
        now=now,
    )
    return timeline


def set_speed(*, timeline: Timeline, speed: int) -> None:
    """Play faster or slower from the next frame on."""
    check_speed(timeline.source, speed)
    Timeline.objects.filter(pk=timeline.pk).update(speed=speed)


@transaction.atomic
def jump_forward(*, timeline: Timeline, to: time) -> datetime:
    """Go on at a later time of the day that a simulated timeline has reached; what lies between is not played."""
    row = Timeline.objects.select_for_update().get(pk=timeline.pk)
    if row.source != Timeline.Source.SIMULATED:
        raise Refused(
            "not_simulated", f"A {row.source} timeline cannot leave out a part of its day.",
            fix="Jump in a simulated timeline only.", field="at",
        )  # fmt: skip
    day = ist_day(row.market_now) if row.market_now else row.first_day
    session, wanted = calendar.session("NSE", day), at(day, to)
    earliest = row.market_now or (session.open if session else wanted)
    if session is None or not earliest < wanted < session.close:
        reached = "has not begun" if row.market_now is None else f"is at {row.market_now.astimezone(IST):%H:%M:%S}"
        raise Refused(
            "not_forward", f"The market of {day} {reached} and cannot jump to {to:%H:%M:%S}.",
            fix="Give a later time of that day, before its close.", field="at",
        )  # fmt: skip
    Timeline.objects.filter(pk=row.pk).update(market_now=wanted)
    return wanted


def save_progress(*, timeline: Timeline, frame: Frame) -> Timeline | None:
    """Remember the last delivered frame; None when another timeline was activated meanwhile.

    Market time that was moved forward while the frame was on its way stays moved.
    """
    mine = Timeline.objects.filter(pk=timeline.pk, active=True)
    if not mine.update(market_now=Greatest("market_now", frame.now), frame=frame.n):
        return None
    return mine.first()


@transaction.atomic
def save_snapshot(*, timeline: Timeline, frame: Frame, wall: datetime) -> int:
    """Keep the frame's quotes for a warm restart within the market data TTL; expired rows go."""
    expires_at = wall + timedelta(seconds=settings.PLATFORM.market_data_ttl_seconds)
    rows = [
        Quote(timeline=timeline, symbol=symbol, expires_at=expires_at, **quote._asdict())
        for symbol, quote in sorted(frame.quotes.items())
    ]
    Quote.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["timeline", "symbol"],
        update_fields=[*FrameQuote._fields, "expires_at"],
    )
    Quote.objects.filter(expires_at__lte=wall).delete()
    return len(rows)


@transaction.atomic
def set_settlement_price(  # noqa: PLR0913 - keyword only
    *,
    timeline: Timeline,
    underlying: str,
    day: date,
    price: Decimal,
    source: str,
    now: datetime,
    actor: User | None = None,
) -> SettlementPrice:
    """Enter or correct the official settlement value; `source` says where it is from."""
    check_settlement(underlying, day, price, source)
    # PostgreSQL cannot lock a row that is not there: the timeline's row stands for it
    Timeline.objects.select_for_update().get(pk=timeline.pk)
    before = selectors.settlement_price(timeline, underlying, day)
    if before is not None and (before.price, before.source) == (price, source):
        return before
    row, _ = SettlementPrice.objects.update_or_create(
        timeline=timeline,
        underlying=underlying,
        day=day,
        defaults={"price": price, "source": source, "entered_at": now},
    )
    record(
        actor=actor,
        owner=None,
        action="market.set_settlement_price",
        obj=row,
        before=None if before is None else _settlement_facts(before),
        after=_settlement_facts(row),
        source="system" if actor is None else "admin",
        now=now,
    )
    return row


def _settlement_facts(row: SettlementPrice) -> dict[str, str]:
    return {
        "underlying": row.underlying,
        "day": row.day.isoformat(),
        "price": str(row.price),
        "source": row.source,
    }


def check_settlement(underlying: str, day: date, price: Decimal, source: str) -> None:
    """Refused, by field, when this is no settlement value."""
    try:
        expires = any(each.day == day for each in facts.expiries(underlying, day))
    except OutsideCoverage as error:
        raise Refused(
            "outside_coverage", str(error), fix="Use a day that the calendar covers.", field="day"
        ) from error
    if not expires:
        raise Refused(
            "no_expiry",
            f"No {underlying} contract expires on {day}.",
            fix="Give the expiry day of the contracts.",
            field="day",
        )
    if not price.is_finite() or price <= 0 or price != price.quantize(Decimal("0.01")):
        raise Refused(
            "bad_price",
            f"{price} is no settlement value.",
            fix="Give rupees above 0 with at most two decimals.",
            field="price",
        )
    if not source.strip() or len(source) > 120:
        raise Refused(
            "source_missing",
            "The value needs its source.",
            fix="Say in at most 120 characters where the value is from.",
            field="source",
        )
