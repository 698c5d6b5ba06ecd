"""A season laid out for the home page: facts, filters, days on the line, months beside them."""

from calendar import Calendar
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy, ngettext

from bookings.models import Season, SessionState, Tour, TourSession, Venue
from bookings.tallies import counts_places
from portal.templatetags.times import (
    date_range,
    day_name,
    month_name,
    one_zone,
    session_time,
    venue_moment,
    weekday_columns,
    zone_name,
)
from portal.views import session_words, tour_words
from portal.views.session_words import Row, SessionWords

SATURDAY = 5
# A shorter list is seen at a glance.
WORTH_A_FILTER = 5
# A label like “New Year · day 5” names the festival before this and the day after it.
LABEL_PARTS = "·"

ON_WEEKDAYS = [
    gettext_lazy("Mondays"),
    gettext_lazy("Tuesdays"),
    gettext_lazy("Wednesdays"),
    gettext_lazy("Thursdays"),
    gettext_lazy("Fridays"),
    gettext_lazy("Saturdays"),
    gettext_lazy("Sundays"),
]


class Filter(NamedTuple):
    name: str
    url: str
    is_current: bool


class Day(NamedTuple):
    """As `portal/_season_line.html` takes it."""

    id: str
    number: int
    name: str
    feast: str
    rows: list[Row]


class MonthDay(NamedTuple):
    number: int
    url: str = ""
    label: str = ""
    kind: str = ""
    states: Sequence[str] = ()


class Month(NamedTuple):
    """As `portal/_month.html` takes it; days of other months are None."""

    name: str
    weekdays: list[dict[str, str]]
    weeks: list[list[MonthDay | None]]


class Opening(NamedTuple):
    """When sign-up opens or closes, in words; `kind` and `icon` are those of a note."""

    kind: str
    icon: str
    fact: str
    words: str = ""


@dataclass(frozen=True)
class SeasonPage:
    season: Season
    tour: Tour
    dates: str
    party: str
    age: str
    years: str
    count: str
    zone: str
    counts_places: bool
    has_festival: bool
    open_until: str
    opening: Opening | None
    filters: list[Filter]
    days: list[Day]
    months: list[Month]

    @property
    def anchor(self) -> str:
        return f"season-{self.season.pk}"

    @property
    def calendar(self) -> str:
        """The whole address at which a calendar follows the season, for people to copy."""
        return settings.SITE_URL.rstrip("/") + reverse("season_calendar", args=[self.season.pk])

    @property
    def calendar_opener(self) -> str:
        """The same address as one that a device hands to its own calendar."""
        return "webcal:" + self.calendar.partition(":")[2]


def lay_out(season: Season, sessions: Sequence[TourSession], *, only: str, now: datetime) -> SeasonPage:
    """`sessions` are those to come, in order of time; the list shows what passes the filter `only`, if it is one."""
    to_come = session_words.describe_all(sessions, now=now)
    filters = _filters(to_come)
    shown = [words for words in to_come if filters[only][1](words.session)] if only in filters else to_come
    venues = [words.session.venue for words in to_come]
    zone = one_zone(venues)
    days = [(day, list(on_day)) for day, on_day in groupby(shown, key=lambda words: words.session.local_start.date())]
    return SeasonPage(
        season=season,
        tour=season.tour,
        dates=date_range(sessions[0].local_start.date(), sessions[-1].local_start.date()),
        party=tour_words.party_size(season.tour),
        age=tour_words.age(season.tour),
        years=tour_words.from_years(season.tour),
        count=_count([words.session for words in to_come]),
        zone=zone_name(zone) if zone else "",
        counts_places=all(counts_places(words.session) for words in to_come),
        has_festival=any(str(words.session.label) for words in to_come),
        open_until=_open_until(season, venues[0], now=now),
        opening=_opening(season, venues[0], now=now),
        filters=_filter_links(season, {name: filter_[0] for name, filter_ in filters.items()}, only=only),
        days=[
            _day(season, day, on_day, with_zone=zone is None, with_venue=len({str(venue.name) for venue in venues}) > 1)
            for day, on_day in days
        ],
        months=_months(season, days),
    )


# Filters


def _is_festival(session: TourSession) -> bool:
    return bool(str(session.label))


def _is_weekend(session: TourSession) -> bool:
    return not _is_festival(session) and session.local_start.weekday() >= SATURDAY


def _is_weekday(session: TourSession) -> bool:
    return not _is_festival(session) and session.local_start.weekday() < SATURDAY


def _filters(to_come: Sequence[SessionWords]) -> dict[str, tuple[str, Callable[[TourSession], bool]]]:
    """The filters that make a difference: what is in the query string, its name, and what it lets through."""
    if len(to_come) < WORTH_A_FILTER:
        return {}
    sessions = [words.session for words in to_come]
    filters: dict[str, tuple[str, Callable[[TourSession], bool]]] = {
        "festival": (_festival_name(sessions), _is_festival),
        "weekend": (_days_name([s for s in sessions if _is_weekend(s)], gettext("Weekends")), _is_weekend),
        "weekday": (_days_name([s for s in sessions if _is_weekday(s)], gettext("Weekdays")), _is_weekday),
    }
    for language in dict.fromkeys(session.language for session in sessions):
        filters[language] = (str(session_words.IN_LANGUAGE[language]), _speaks(language))
    return {
        key: (name, passes) for key, (name, passes) in filters.items() if 0 < sum(map(passes, sessions)) < len(sessions)
    }


def _speaks(language: str) -> Callable[[TourSession], bool]:
    return lambda session: session.language == language


def _festival_name(sessions: Sequence[TourSession]) -> str:
    names = {str(session.label).partition(LABEL_PARTS)[0].strip() for session in sessions if _is_festival(session)}
    return names.pop() if len(names) == 1 else gettext("Festival days")


def _days_name(sessions: Sequence[TourSession], name: str) -> str:
    """One weekday is called by its own name."""
    weekdays = {session.local_start.weekday() for session in sessions}
    return str(ON_WEEKDAYS[weekdays.pop()]) if len(weekdays) == 1 else name


def _filter_links(season: Season, names: dict[str, str], *, only: str) -> list[Filter]:
    if not names:
        return []
    links = [Filter(gettext("All days"), f"?#season-{season.pk}", only not in names)]
    for key, name in names.items():
        query = urlencode({"season": season.pk, "only": key})
        links.append(Filter(name, f"?{query}#season-{season.pk}", key == only))
    return links


# Words about the season


def _count(sessions: Sequence[TourSession]) -> str:
    """16 sessions, 20 parties each."""
    count = ngettext("%(n)s session", "%(n)s sessions", len(sessions)) % {"n": len(sessions)}
    if all(counts_places(session) for session in sessions):
        sizes = {session.capacity for session in sessions}
        each = ngettext("%(n)s place each", "%(n)s places each", max(sizes))
    elif any(counts_places(session) for session in sessions):
        return count
    else:
        sizes = {session.max_parties for session in sessions}
        each = ngettext("%(n)s party each", "%(n)s parties each", max(sizes))
    if len(sizes) > 1:
        return count
    # Translators: 「共 16 场，每场 20 组」
    return gettext("%(count)s, %(each)s") % {"count": count, "each": each % {"n": sizes.pop()}}


def _open_until(season: Season, venue: Venue, *, now: datetime) -> str:
    if not season.opens_at <= now < season.closes_at:
        return ""
    return gettext("Sign-up is open until %(when)s.") % {"when": venue_moment(season.closes_at, venue)}


def _opening(season: Season, venue: Venue, *, now: datetime) -> Opening | None:
    """What stands in the way of signing up, if anything does."""
    if now < season.opens_at:
        fact = gettext("Sign-up opens on %(when)s, %(zone)s.")
        words = gettext("Choose now, ask then: from that moment on this page leads to the form.")
        when = {"when": venue_moment(season.opens_at, venue), "zone": zone_name(venue)}
        return Opening("time", "clock", fact % when, words)
    if now >= season.closes_at:
        fact = gettext("Sign-up has closed.")
        return Opening("status", "shut", fact, gettext("If your party is in, your mail has the link to your page."))
    return None


# Days and months


def _day_id(season: Season, day: date) -> str:
    return f"{season.pk}-{day.isoformat()}"


def _day(season: Season, day: date, on_day: Sequence[SessionWords], *, with_zone: bool, with_venue: bool) -> Day:
    return Day(
        id=_day_id(season, day),
        number=day.day,
        name=day_name(day),
        feast=next((str(words.session.label) for words in on_day if str(words.session.label)), ""),
        rows=[session_words.row(words, with_zone=with_zone, with_venue=with_venue) for words in on_day],
    )


def _months(season: Season, days: Sequence[tuple[date, list[SessionWords]]]) -> list[Month]:
    by_day = dict(days)
    return [_month(season, first, by_day) for first in dict.fromkeys(day.replace(day=1) for day in by_day)]


def _month(season: Season, first: date, by_day: dict[date, list[SessionWords]]) -> Month:
    weeks = Calendar().monthdatescalendar(first.year, first.month)
    return Month(
        name=month_name(first),
        weekdays=weekday_columns(weeks[0][0]),
        weeks=[
            [_month_day(season, day, by_day.get(day, [])) if day.month == first.month else None for day in week]
            for week in weeks
        ],
    )


def _month_day(season: Season, day: date, on_day: Sequence[SessionWords]) -> MonthDay:
    if not on_day:
        return MonthDay(day.day)
    states = [_figure(words) for words in on_day]
    told = " · ".join(f"{session_time(words.session)} {words.tag.words}" for words in on_day)
    kind = "feast" if any(str(words.session.label) for words in on_day) else "" if "free" in states else "full"
    # Translators: a day in the month view and its sessions
    label = gettext("%(day)s: %(sessions)s") % {"day": day_name(day), "sessions": told}
    return MonthDay(day.day, f"#day-{_day_id(season, day)}", label, kind, states)


def _figure(words: SessionWords) -> str:
    if words.state == SessionState.CALLED_OFF:
        return "off"
    return "free" if words.state in {SessionState.PLACES, SessionState.NOT_YET} else "full"
