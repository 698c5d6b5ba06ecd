"""Days and times as visitors read them: on the venue's clock, 24 hours, in the order of the active language.

The patterns stand here and not in the catalogue, because they are grammar, not sentences: one table, read at a glance.
A day of a month, a range and a time never break over two lines; the spaces inside them are no-break spaces.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django import template
from django.utils.dateformat import format as format_date
from django.utils.translation import get_language

from bookings.models import TourSession, Venue

register = template.Library()


class Patterns(NamedTuple):
    """Letters are those of Django's `date` filter; names in braces are filled in."""

    day: str = "l j\u00a0F"
    full_day: str = "l j\u00a0F\u00a0Y"
    short_day: str = "D j\u00a0M"
    date: str = "j\u00a0F"
    short_date: str = "j\u00a0M"
    full_date: str = "j\u00a0F\u00a0Y"
    month: str = "F Y"
    in_one_month: str = "{first:j}–{last:j}\u00a0{last:F}"
    in_one_year: str = "{first:j}\u00a0{first:F} – {last:j}\u00a0{last:F}"
    over_years: str = "{first:j}\u00a0{first:F}\u00a0{first:Y} – {last:j}\u00a0{last:F}\u00a0{last:Y}"
    moment: str = "{day}, {time}"
    today: str = "{time} today"
    tomorrow: str = "{time} tomorrow"
    later: str = "{time} on {day}"
    # What of a weekday's name heads a column.
    column: slice = slice(2)


PATTERNS = {
    "en": Patterns(),
    "zh-hans": Patterns(
        day="n\u00a0月\u00a0j\u00a0日l",
        full_day="Y\u00a0年\u00a0n\u00a0月\u00a0j\u00a0日l",
        short_day="n\u00a0月\u00a0j\u00a0日D",
        date="n\u00a0月\u00a0j\u00a0日",
        short_date="n\u00a0月\u00a0j\u00a0日",
        full_date="Y\u00a0年\u00a0n\u00a0月\u00a0j\u00a0日",
        month="Y\u00a0年\u00a0n\u00a0月",
        in_one_month="{last:n}\u00a0月\u00a0{first:j}–{last:j}\u00a0日",
        in_one_year="{first:n}\u00a0月\u00a0{first:j}\u00a0日至\u00a0{last:n}\u00a0月\u00a0{last:j}\u00a0日",
        over_years=(
            "{first:Y}\u00a0年\u00a0{first:n}\u00a0月\u00a0{first:j}\u00a0日至\u00a0"
            "{last:Y}\u00a0年\u00a0{last:n}\u00a0月\u00a0{last:j}\u00a0日"
        ),
        moment="{day} {time}",
        today="今天 {time}",
        tomorrow="明天 {time}",
        later="{day} {time}",
        column=slice(-1, None),
    ),
}


class Day(date):
    """A day that fills `{first:j}` with Django's letters."""

    def __format__(self, letters: str) -> str:
        return format_date(self, letters)


def patterns() -> Patterns:
    return PATTERNS.get(get_language() or "en", PATTERNS["en"])


@register.filter
def session_day(session: TourSession) -> str:
    """Saturday 13 February · 2 月 13 日星期六"""
    return format_date(session.local_start, patterns().day)


@register.filter
def session_full_day(session: TourSession) -> str:
    """Saturday 13 February 2027 · 2027 年 2 月 13 日星期六"""
    return format_date(session.local_start, patterns().full_day)


@register.filter
def session_short_day(session: TourSession) -> str:
    """Sat 13 Feb · 2 月 13 日周六"""
    return format_date(session.local_start, patterns().short_day)


@register.filter
def session_date(session: TourSession) -> str:
    """13 February · 2 月 13 日"""
    return format_date(session.local_start, patterns().date)


@register.filter
def session_time(session: TourSession) -> str:
    """09:30"""
    return f"{session.local_start:%H:%M}"


@register.filter
def session_hours(session: TourSession) -> str:
    """09:30–11:30"""
    return f"{session.local_start:%H:%M}–{session.local_end:%H:%M}"


@register.filter
def session_when(session: TourSession) -> str:
    """Saturday 13 February, 09:30 · 2 月 13 日星期六 09:30"""
    return patterns().moment.format(day=session_day(session), time=session_time(session))


@register.filter
def session_full_when(session: TourSession) -> str:
    """Saturday 13 February 2027, 09:30 · 2027 年 2 月 13 日星期六 09:30"""
    return patterns().moment.format(day=session_full_day(session), time=session_time(session))


@register.filter
def session_day_and_hours(session: TourSession) -> str:
    """Saturday 13 February, 09:30–11:30 · 2 月 13 日星期六 09:30–11:30"""
    return patterns().moment.format(day=session_day(session), time=session_hours(session))


@register.filter
def be_there_time(session: TourSession) -> str:
    """When the party should be at the gate: 09:15"""
    return f"{session.be_there_at:%H:%M}"


@register.filter
def venue_time(moment: datetime, venue: Venue) -> str:
    """17:40"""
    return f"{moment.astimezone(venue.zone):%H:%M}"


@register.filter
def venue_day(moment: datetime, venue: Venue) -> str:
    """Saturday 13 February · 2 月 13 日星期六"""
    return format_date(moment.astimezone(venue.zone), patterns().day)


@register.filter
def venue_date(moment: datetime, venue: Venue) -> str:
    """13 February · 2 月 13 日"""
    return format_date(moment.astimezone(venue.zone), patterns().date)


@register.filter
def venue_short_date(moment: datetime, venue: Venue) -> str:
    """13 Feb · 2 月 13 日"""
    return format_date(moment.astimezone(venue.zone), patterns().short_date)


@register.filter
def venue_moment(moment: datetime, venue: Venue) -> str:
    """12 January, 10:00 · 1 月 12 日 10:00"""
    return patterns().moment.format(day=venue_date(moment, venue), time=venue_time(moment, venue))


@register.filter
def zone_name(venue: Venue) -> str:
    """As visitors call it: Beijing time. A venue without such a name has the name of its zone."""
    return str(venue.time_zone_name) or venue.time_zone.replace("_", " ")


@register.simple_tag
def near_moment(moment: datetime, venue: Venue, now: datetime) -> str:
    """A moment near in time as people say it: 17:40 today, 09:00 tomorrow, 09:00 on Friday 12 February."""
    days = _days_between(now, moment, zone=venue.zone)
    pattern = {0: patterns().today, 1: patterns().tomorrow}.get(days, patterns().later)
    return pattern.format(day=venue_day(moment, venue), time=venue_time(moment, venue))


def date_range(first: date, last: date) -> str:
    """1–27 February, 30 January – 27 February; one day is said once, and the years only where they differ."""
    if first == last:
        return format_date(first, patterns().date)
    if first.year != last.year:
        pattern = patterns().over_years
    elif first.month != last.month:
        pattern = patterns().in_one_year
    else:
        pattern = patterns().in_one_month
    return pattern.format(first=_day(first), last=_day(last))


def month_name(month: date) -> str:
    """February 2027 · 2027 年 2 月"""
    return format_date(month, patterns().month)


def day_name(day: date) -> str:
    """Saturday 13 February · 2 月 13 日星期六"""
    return format_date(day, patterns().day)


def weekday_columns(monday: date) -> list[dict[str, str]]:
    """The heads of a week's seven columns: Mo for Monday, 一 for 星期一."""
    names = [format_date(monday + timedelta(days=days), "l") for days in range(7)]
    return [{"short": name[patterns().column], "long": name} for name in names]


def one_zone(venues: Sequence[Venue]) -> Venue | None:
    """A venue whose clock all of them share, so that its name may be said once."""
    return venues[0] if len({venue.time_zone for venue in venues}) == 1 else None


def _day(day: date) -> Day:
    return Day(day.year, day.month, day.day)


def _days_between(start: datetime, end: datetime, *, zone: ZoneInfo) -> int:
    difference: timedelta = end.astimezone(zone).date() - start.astimezone(zone).date()
    return difference.days
