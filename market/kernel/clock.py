"""Time as the market keeps it: days and sessions in Asia/Kolkata, instants always aware."""

from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

IST = ZoneInfo("Asia/Kolkata")


@dataclass(frozen=True, slots=True)
class Moment:
    """The two clocks at once: the timeline's last frame, and the wall."""

    market: datetime
    wall: datetime

    def __post_init__(self) -> None:
        _require_aware(self.market)
        _require_aware(self.wall)


def ist_day(now: datetime) -> date:
    """The calendar day in India at this instant."""
    _require_aware(now)
    return now.astimezone(IST).date()


def at(day: date, clock_time: time) -> datetime:
    """That time of that day in India, aware."""
    return datetime.combine(day, clock_time, tzinfo=IST)


def _require_aware(now: datetime) -> None:
    if now.tzinfo is None:
        raise ValueError(f"{now!r} has no time zone; pass an aware datetime.")
