"""How many parties do not come, among those that were asked whether they still do, and among the others."""

from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from bookings.domain.visit import COMES_AS, left_out
from bookings.models import Booking, BookingEvent, BookingStatus, Notice, NoticeKind, NoticeStatus, Season


class Came(NamedTuple):
    """Parties of sessions that are over. Who was neither checked in nor marked as missing counts in neither."""

    came: int
    missed: int

    @property
    def expected(self) -> int:
        return self.came + self.missed

    @property
    def missed_share(self) -> int | None:
        """In whole hundredths; None where nobody was expected."""
        return round(100 * self.missed / self.expected) if self.expected else None


class NoShows(NamedTuple):
    asked: Came
    not_asked: Came
    season_before: Season | None  # the one of the same tour that opened last before this one
    before: Came
    parties_freed: int  # gave up places after they were asked, all or some, or lost them for their silence
    places_freed: int

    @property
    def has_any(self) -> bool:
        return any(came.expected for came in (self.asked, self.not_asked, self.before))


def no_shows(season: Season, *, now: datetime) -> NoShows:
    """Four queries, and one more where there was a season before."""
    earlier = Season.objects.filter(tour=season.tour_id, opens_at__lt=season.opens_at)
    before = earlier.order_by("-opens_at", "-pk").first()
    asked = Exists(_asks(OuterRef("pk")).filter(sent_at__isnull=False))
    over = _over(season, now=now)
    by_itself = BookingEvent.objects.filter(to_status=BookingStatus.CANCELLED, who__in=["party", "clock"])
    freed = Booking.objects.filter(
        Exists(_asks(OuterRef("pk")).filter(sent_at__lte=OuterRef("status_since"))),
        Exists(by_itself.filter(booking=OuterRef("pk"))),
        session__season=season,
        status=BookingStatus.CANCELLED,
    )
    fewer = BookingEvent.objects.filter(
        Exists(_asks(OuterRef("booking")).filter(sent_at__lte=OuterRef("happened_at"))),
        booking__session__season=season,
        from_status=BookingStatus.CONFIRMED,
        to_status=BookingStatus.CONFIRMED,
        who="party",
        why__startswith=COMES_AS,
    )
    let_go = [*freed.values_list("pk", "places"), *((event.booking_id, left_out(event)) for event in fewer)]
    return NoShows(
        asked=_came(over.filter(asked)),
        not_asked=_came(over.exclude(asked)),
        season_before=before,
        before=_came(_over(before, now=now)) if before else Came(0, 0),
        parties_freed=len({booking for booking, places in let_go if places}),
        places_freed=sum(places for _booking, places in let_go),
    )


def _asks(booking: OuterRef) -> QuerySet[Notice]:
    return Notice.objects.filter(kind=NoticeKind.STILL_COMING, booking=booking).exclude(status=NoticeStatus.BOUNCED)


def _over(season: Season, *, now: datetime) -> QuerySet[Booking]:
    return Booking.objects.filter(session__season=season, session__ends_at__lte=now)


def _came(bookings: QuerySet[Booking]) -> Came:
    missed = Count("pk", filter=Q(status=BookingStatus.NO_SHOW))
    return Came(**bookings.aggregate(came=Count("pk", filter=Q(status=BookingStatus.CHECKED_IN)), missed=missed))
