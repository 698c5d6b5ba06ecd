"""The rows of the example house: what a host would type into the admin site."""

from datetime import datetime, time, timedelta
from typing import Any

from django.db import transaction
from i18nfield.strings import LazyI18nString

from bookings.management.demo import calendar, texts
from bookings.management.demo.texts import Stop
from bookings.models import Consent, House, ReminderPlan, Season, Tour, TourSession, TourStop, Venue

CAR_LINE = "car-line"
EVENING = "evening"

PARTIES, PLACES = 20, 60
# Sign-up has been open for two weeks, so that a busy season can be played from its opening on.
OPENED_BEFORE = timedelta(days=14)

EVENING_PLACES = 12
EVENING_OPENED_BEFORE = timedelta(days=30)
EVENING_DAYS = [-1, 1, 7]
EVENING_STARTS = time(18, 30)
EVENING_LASTS = timedelta(minutes=90)
EVENING_LOCKS_BEFORE = timedelta(hours=6)
EVENING_ASKS_BEFORE = 3

REMINDERS: list[dict[str, Any]] = [{"days": 7}, {"days": 1}]
EVENING_REMINDERS: list[dict[str, Any]] = [{"days": 7}, {"days": 1, "at": time(18)}, {"hours": 2}]


@transaction.atomic
def write_car_line(*, now: datetime) -> Season:
    """House, venue, tour and the season of the next Lunar New Year that there is still time for."""
    House.objects.get_or_create(pk=1, defaults=texts.HOUSE)
    venue = Venue.objects.create(**texts.VENUE)
    today = now.astimezone(venue.zone).replace(hour=10, minute=0, second=0, microsecond=0)
    year = calendar.next_season_year(today.date())
    runs = calendar.runs(year, venue.zone)
    season = Season.objects.create(
        tour=_write_tour(CAR_LINE, texts.TOUR, texts.STOPS),
        title=texts.season_title(year),
        published=True,
        opens_at=today - OPENED_BEFORE,
        closes_at=runs[-1].roster_locks_at,
    )
    _plan_reminders(season, REMINDERS, now=now)
    for run in runs:
        TourSession.objects.create(
            season=season,
            venue=venue,
            starts_at=run.starts_at,
            ends_at=run.ends_at,
            roster_locks_at=run.roster_locks_at,
            language=run.language,
            label=texts.festival_label(run.festival_day) if run.festival_day else LazyI18nString(""),
            capacity=PLACES,
            sell_limit=PLACES,
            max_parties=PARTIES,
        )
    return season


@transaction.atomic
def write_evenings(*, venue: Venue, now: datetime) -> Season:
    """A small season dated from today: as many parties as places may come."""
    today = datetime.combine(now.astimezone(venue.zone).date(), EVENING_STARTS, tzinfo=venue.zone)
    starts = [today + timedelta(days=days) for days in EVENING_DAYS]
    season = Season.objects.create(
        tour=_write_tour(EVENING, texts.EVENING_TOUR, texts.EVENING_STOPS),
        title=texts.EVENING_SEASON_TITLE,
        published=True,
        opens_at=now - EVENING_OPENED_BEFORE,
        closes_at=starts[-1] - EVENING_LOCKS_BEFORE,
        choices_allowed=1,
        # Tomorrow's parties have been asked whether they are still coming.
        asks_again_days=EVENING_ASKS_BEFORE,
    )
    _plan_reminders(season, EVENING_REMINDERS, now=now)
    for number, starts_at in enumerate(starts):
        TourSession.objects.create(
            season=season,
            venue=venue,
            starts_at=starts_at,
            ends_at=starts_at + EVENING_LASTS,
            roster_locks_at=starts_at - EVENING_LOCKS_BEFORE,
            language="en" if number == 1 else "zh-hans",
            capacity=EVENING_PLACES,
            sell_limit=EVENING_PLACES,
            max_parties=EVENING_PLACES,
        )
    return season


def _plan_reminders(season: Season, plans: list[dict[str, Any]], *, now: datetime) -> None:
    ReminderPlan.objects.bulk_create(ReminderPlan(season=season, since=now, **plan) for plan in plans)


def _write_tour(slug: str, words: dict[str, Any], stops: list[Stop]) -> Tour:
    tour = Tour.objects.create(slug=slug, **words)
    for position, stop in enumerate(stops, start=1):
        TourStop.objects.create(
            tour=tour,
            position=position,
            title=stop.title,
            text=stop.text,
            minutes=stop.minutes,
            drawing=stop.drawing,
        )
    for position, text in enumerate(texts.CONSENTS, start=1):
        Consent.objects.create(tour=tour, position=position, text=text)
    return tour
