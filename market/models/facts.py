"""The operator's tables of dated facts, one row for each row of market/facts/*.csv.

Columns have the names of those files. What rows may not do together (overlap, leave a year without
holidays) is market.facts.schema's, and is checked under the lock of the one FactsRevision row.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from market.facts.cells import LONGEST_SOURCE
from market.facts.schema import (
    ANY,
    COMPONENTS,
    CONFIDENCES,
    EXCHANGES,
    MARGIN_PARAMETERS,
    TABLES,
    WEEKDAYS,
    Table,
)


def _choices(*values: str) -> list[tuple[str, str]]:
    return [(value, value) for value in values]


ONE_OR_ALL = _choices(*EXCHANGES, ANY)
KINDS = _choices("weekly", "monthly")
INSTRUMENTS = _choices("OPT", "FUT")


class FactsRevision(models.Model):
    """The one row that counts the changes of the tables: whoever holds older facts reads them again."""

    number = models.PositiveBigIntegerField(default=0)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(pk=1), name="one_revision_of_the_facts"),
        ]

    def __str__(self) -> str:
        return f"revision {self.number}"


class Fact(models.Model):
    """What every row of facts has: where it is from, and how well that is known (A, B or C)."""

    table: ClassVar[Table]

    source = models.CharField(max_length=LONGEST_SOURCE)
    confidence = models.CharField(max_length=1, choices=_choices(*CONFIDENCES))

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return " ".join(str(value) for value in self.table.key_of(vars(self)))


class UnderlyingFact(Fact):
    """An index, its exchange, ticks and usual strike step; `listed_weeklies` at a time, 0 for none."""

    table = TABLES["underlyings"]

    underlying = models.CharField(max_length=12, unique=True)
    exchange = models.CharField(max_length=4, choices=_choices(*EXCHANGES))
    option_tick = models.DecimalField(max_digits=6, decimal_places=2)
    future_tick = models.DecimalField(max_digits=6, decimal_places=2)
    strike_step = models.DecimalField(max_digits=8, decimal_places=2)
    listed_weeklies = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(option_tick__gt=0, future_tick__gt=0, strike_step__gt=0),
                name="underlying_ticks_above_zero",
            ),
        ]


class SessionHours(Fact):
    """Normal hours from one day to another; the last day is how far the calendar reaches."""

    table = TABLES["session_hours"]

    exchange = models.CharField(max_length=4, choices=ONE_OR_ALL)
    first = models.DateField()
    last = models.DateField()
    open = models.TimeField()
    close = models.TimeField()
    settlement = models.TimeField(
        help_text="when the settlement value of expiring contracts is struck"
    )
    spot_until = models.TimeField(help_text="when the index stops being continuous")

    class Meta:
        verbose_name_plural = "session hours"
        constraints = [
            models.UniqueConstraint(
                fields=["exchange", "first"], name="one_hours_row_per_first_day"
            ),
            models.CheckConstraint(
                condition=Q(first__lte=F("last")), name="hours_first_before_last"
            ),
            models.CheckConstraint(
                condition=Q(open__lt=F("close")), name="hours_open_before_close"
            ),
        ]


class Holiday(Fact):
    """A day without a normal session."""

    table = TABLES["holidays"]

    exchange = models.CharField(max_length=4, choices=ONE_OR_ALL)
    day = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["exchange", "day"], name="one_holiday_per_exchange_and_day"
            ),
        ]


class SpecialSession(Fact):
    """A muhurat, full or short session on a day that would be closed."""

    table = TABLES["special_sessions"]

    exchange = models.CharField(max_length=4, choices=ONE_OR_ALL)
    day = models.DateField()
    kind = models.CharField(max_length=8, choices=_choices("muhurat", "full", "short"))
    hours = models.CharField(
        max_length=60, blank=True, help_text="09:15-10:00 11:30-12:30; empty while not published"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["exchange", "day"], name="one_special_session_per_day"),
        ]


class LotSize(Fact):
    """Units in a lot of the contracts that expire from one day to another."""

    table = TABLES["lots"]

    underlying = models.CharField(max_length=12)
    kind = models.CharField(max_length=8, choices=KINDS)
    first_expiry = models.DateField()
    last_expiry = models.DateField()
    lot = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["underlying", "kind", "first_expiry"], name="one_lot_row_per_first_expiry"
            ),
            models.CheckConstraint(
                condition=Q(first_expiry__lte=F("last_expiry")), name="lot_first_before_last"
            ),
            models.CheckConstraint(condition=Q(lot__gt=0), name="fact_lot_above_zero"),
        ]


class ExpiryWeekday(Fact):
    """The weekday of expiries whose scheduled day lies between two days."""

    table = TABLES["expiry_weekdays"]

    underlying = models.CharField(max_length=12)
    kind = models.CharField(max_length=8, choices=KINDS)
    first = models.DateField()
    last = models.DateField()
    weekday = models.CharField(max_length=3, choices=_choices(*WEEKDAYS))

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["underlying", "kind", "first"], name="one_weekday_row_per_first_day"
            ),
            models.CheckConstraint(
                condition=Q(first__lte=F("last")), name="weekday_first_before_last"
            ),
        ]


class FreezeQuantity(Fact):
    """The largest quantity of one order from one day to another."""

    table = TABLES["freeze_quantities"]

    underlying = models.CharField(max_length=12)
    first = models.DateField()
    last = models.DateField()
    quantity = models.PositiveIntegerField()

    class Meta:
        verbose_name_plural = "freeze quantities"
        constraints = [
            models.UniqueConstraint(
                fields=["underlying", "first"], name="one_freeze_row_per_first_day"
            ),
            models.CheckConstraint(
                condition=Q(first__lte=F("last")), name="freeze_first_before_last"
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="freeze_above_zero"),
        ]


class ChargeRate(Fact):
    """A tax or fee as a share of 1; `*` stands for every exchange, instrument or side."""

    table = TABLES["charge_rates"]

    component = models.CharField(max_length=20, choices=_choices(*COMPONENTS))
    exchange = models.CharField(max_length=4, choices=ONE_OR_ALL)
    instrument = models.CharField(max_length=4, choices=[*INSTRUMENTS, (ANY, ANY)])
    side = models.CharField(max_length=4, choices=_choices("BUY", "SELL", ANY))
    first = models.DateField()
    last = models.DateField()
    rate = models.DecimalField(max_digits=11, decimal_places=10)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["component", "exchange", "instrument", "side", "first"],
                name="one_charge_row_per_first_day",
            ),
            models.CheckConstraint(
                condition=Q(first__lte=F("last")), name="charge_first_before_last"
            ),
            models.CheckConstraint(condition=Q(rate__gte=0, rate__lt=1), name="charge_is_a_share"),
        ]


class MarginRate(Fact):
    """A parameter of the margin estimate: a share of 1, a number of ranges, or a switch (0 or 1)."""

    table = TABLES["margin_rates"]

    component = models.CharField(max_length=20, choices=_choices(*MARGIN_PARAMETERS))
    first = models.DateField()
    last = models.DateField()
    rate = models.DecimalField(max_digits=12, decimal_places=10)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["component", "first"], name="one_margin_row_per_first_day"
            ),
            models.CheckConstraint(
                condition=Q(first__lte=F("last")), name="margin_first_before_last"
            ),
            models.CheckConstraint(condition=Q(rate__gte=0), name="margin_not_below_zero"),
        ]


class Brokerage(Fact):
    """Rupees for each executed order, or the lower of that and a share of its turnover."""

    table = TABLES["brokerage"]

    broker = models.CharField(max_length=20)
    instrument = models.CharField(max_length=4, choices=INSTRUMENTS)
    first = models.DateField()
    last = models.DateField()
    per_order = models.DecimalField(max_digits=8, decimal_places=2)
    fraction_of_turnover = models.DecimalField(
        max_digits=11, decimal_places=10, null=True, blank=True
    )

    class Meta:
        verbose_name_plural = "brokerage"
        constraints = [
            models.UniqueConstraint(
                fields=["broker", "instrument", "first"], name="one_brokerage_row_per_first_day"
            ),
            models.CheckConstraint(
                condition=Q(first__lte=F("last")), name="brokerage_first_before_last"
            ),
            models.CheckConstraint(condition=Q(per_order__gte=0), name="brokerage_not_below_zero"),
        ]


FACT_MODELS: dict[str, type[Fact]] = {
    model.table.name: model
    for model in (
        UnderlyingFact, SessionHours, Holiday, SpecialSession, LotSize, ExpiryWeekday,
        FreezeQuantity, ChargeRate, MarginRate, Brokerage,
    )
}  # fmt: skip
