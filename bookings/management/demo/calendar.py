"""When the sessions of the example season lie. Source: DESIGN part 1 and the lunar calendar."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import count
from typing import NamedTuple
from zoneinfo import ZoneInfo

from lunardate import LunarDate

MONDAY, SATURDAY = 0, 5

# The festival days that are open, and the starts on each: five sessions.
FESTIVAL_STARTS = {5: [time(10), time(14)], 6: [time(10), time(14)], 7: [time(10)]}
FIRST_MORNING_STARTS = [time(9, 30)]
MORNING_STARTS = [time(9, 30), time(11)]
SESSIONS = 16
LASTS = timedelta(hours=2)
ROSTER_LOCKS_BEFORE = timedelta(days=2)
# A season that begins sooner than this after today is left out in favour of the next year's.
TIME_TO_SIGN_UP = timedelta(days=14)
# Guides speak Chinese but in these sessions, counted from 0 in order of time.
IN_ENGLISH = frozenset({2, 5, 7, 10, 13})


class Run(NamedTuple):
    starts_at: datetime
    ends_at: datetime
    roster_locks_at: datetime
    language: str
    festival_day: int | None


def new_year(year: int) -> date:
    """Day 1 of the Lunar New Year festival that falls in this year."""
    day: date = LunarDate(year, 1, 1).to_solar_date()
    return day


def next_season_year(today: date) -> int:
    return next(year for year in count(today.year) if season_days(year)[0][0] - TIME_TO_SIGN_UP > today)


def season_days(year: int) -> list[tuple[date, time, int | None]]:
    """Day, start and festival day of each of the 16 sessions, in order of time."""
    first = new_year(year)
    festival: list[tuple[date, time, int | None]] = [
        (first + timedelta(days=day - 1), start, day) for day, starts in FESTIVAL_STARTS.items() for start in starts
    ]
    before = last_monday_before(first - timedelta(days=1))
    days: list[tuple[date, time, int | None]] = [(before, start, None) for start in FIRST_MORNING_STARTS]
    days += festival
    for morning in mornings_after(festival[-1][0]):
        for start in MORNING_STARTS:
            if len(days) == SESSIONS:
                return days
            days.append((morning, start, None))
    raise AssertionError("unreachable")


def last_monday_before(day: date) -> date:
    """New Year's Eve itself is spent at home."""
    return day - timedelta(days=day.weekday() or 7)


def mornings_after(day: date) -> Iterator[date]:
    for days in count(1):
        morning = day + timedelta(days=days)
        if morning.weekday() in {MONDAY, SATURDAY}:
            yield morning


def runs(year: int, zone: ZoneInfo) -> list[Run]:
    found = []
    for number, (day, start, festival_day) in enumerate(season_days(year)):
        starts_at = datetime.combine(day, start, tzinfo=zone)
        language = "en" if number in IN_ENGLISH else "zh-hans"
        found.append(Run(starts_at, starts_at + LASTS, starts_at - ROSTER_LOCKS_BEFORE, language, festival_day))
    return found
