from argparse import ArgumentParser
from collections import Counter
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone, translation

from bookings.management.demo import texts
from bookings.management.demo.rush import Rush
from bookings.management.demo.season import CAR_LINE, EVENING, write_car_line, write_evenings
from bookings.models import Booking, Season, TourSession


class Command(BaseCommand):
    help = (
        "Write an example house with the season of the next Lunar New Year: 16 sessions, 960 places, sign-up open. "
        "Run again, it changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--rush",
            action="store_true",
            help="play some four hundred parties through sign-up, waitlist and offers, and add a small season of "
            "evening tours dated from today",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        with translation.override("en"):
            season = self._write_season(now=now)
            if options["rush"]:
                self._play(season, now=now)

    def _write_season(self, *, now: datetime) -> Season:
        """The season is known by its tour's slug, however a host has changed it since."""
        season = Season.objects.filter(tour__slug=CAR_LINE).order_by("pk").first()
        if season:
            self.stdout.write("The example season is there already. Nothing was changed.")
            return season
        season = write_car_line(now=now)
        sessions = season.sessions.select_related("venue").order_by("starts_at")
        first, last = sessions[0].local_start, sessions[len(sessions) - 1].local_start
        self.stdout.write(
            f"The example season is written: {season.title}, {len(sessions)} sessions with "
            f"{sum(session.capacity for session in sessions)} places, {first:%d %B %Y} to {last:%d %B %Y}, "
            "sign-up open."
        )
        self._tell("What is fact", texts.FACTS)
        self._tell("What is example", texts.EXAMPLES)
        return season

    def _play(self, season: Season, *, now: datetime) -> None:
        if Season.objects.filter(tour__slug=EVENING).exists():
            self.stdout.write("The rush was played already. Nothing was changed.")
            return
        evenings = write_evenings(venue=season.sessions.select_related("venue")[0].venue, now=now)
        Rush(now=now).play(season, evenings)
        counted = Counter(Booking.objects.values_list("status", flat=True))
        told = ", ".join(f"{number} {status}" for status, number in sorted(counted.items()))
        full = sum(session.parties_free == 0 or session.places_free == 0 for session in TourSession.objects.all())
        self.stdout.write(f"The rush is played. Bookings: {told}. Sessions with nothing free: {full}.")
        self._tell("What is example in it", texts.RUSH_EXAMPLES)

    def _tell(self, title: str, sentences: list[str]) -> None:
        self.stdout.write(f"\n{title}:")
        for sentence in sentences:
            self.stdout.write(f"  - {sentence}")
