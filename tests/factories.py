"""Rows for tests, each with what it needs around it. The ledger of a session always agrees with the bookings made here."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.db.models import F
from i18nfield.strings import LazyI18nString

from bookings.domain.people import Person
from bookings.domain.sign_up import Lead, Wishes, request_places
from bookings.models import (
    HOLDS_PLACES,
    LIVE,
    Booking,
    BookingEvent,
    BookingStatus,
    Consent,
    House,
    Notice,
    OfferSource,
    Party,
    Season,
    Tour,
    TourSession,
    Venue,
    person_key,
)

# A Monday, noon in Beijing.
NOON = datetime(2027, 1, 4, 4, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

numbers = count(1)


def both(en: str, zh: str) -> LazyI18nString:
    return LazyI18nString({"en": en, "zh-hans": zh})


def make_house() -> House:
    return House.objects.get_or_create(
        pk=1,
        defaults={"name": both("Northgate Car Works", "北门汽车工厂"), "email": "visits@works.example"},
    )[0]


def make_venue(**given: Any) -> Venue:
    words = {
        "name": both("Northgate Car Works", "北门汽车工厂"),
        "address": both("18 Foundry Road, Beijing", "北京市铸造路 18 号"),
        "gate": both("Gate 3", "3 号门"),
        "time_zone": "Asia/Shanghai",
        "time_zone_name": both("Beijing time", "北京时间"),
    }
    return Venue.objects.create(**{**words, **given})


def make_tour(**given: Any) -> Tour:
    words = {
        "slug": f"tour-{next(numbers)}",
        "title": both("The whole car line", "一辆车的诞生"),
        "summary": both("Two hours.", "两小时。"),
        "minimum_age": 6,
    }
    return Tour.objects.create(**{**words, **given})


def make_consent(tour: Tour, **given: Any) -> Consent:
    return Consent.objects.create(**{"tour": tour, "position": 1, "text": both("We agree.", "我们同意。"), **given})


def make_season(**given: Any) -> Season:
    words = {
        "title": both("New Year 2027", "2027 年新春"),
        "published": True,
        "opens_at": NOON - 14 * DAY,
        "closes_at": NOON + 60 * DAY,
    }
    if "tour" not in given:
        words["tour"] = make_tour()
    return Season.objects.create(**{**words, **given})


def make_session(season: Season | None = None, **given: Any) -> TourSession:
    """Four weeks after NOON unless told otherwise; the roster locks two days before the start."""
    starts_at = given.pop("starts_at", NOON + 28 * DAY)
    capacity = given.pop("capacity", 60)
    numbers = {"capacity": capacity, "sell_limit": capacity, "max_parties": min(capacity, 20)}
    times = {"starts_at": starts_at, "ends_at": starts_at + 2 * HOUR, "roster_locks_at": starts_at - 2 * DAY}
    if "venue" not in given:
        given["venue"] = make_venue()
    return TourSession.objects.create(season=season or make_season(), **{**numbers, **times, **given})


def make_party(season: Season, *, size: int = 2, proven: bool = True, **given: Any) -> Party:
    email = given.pop("email", f"visitor{next(numbers)}@example.com")
    row = {
        "submission_key": uuid.uuid4(),
        "person_key": person_key(email),
        "lead_name": "Lin Xiaoyun",
        "email": email,
        "language": "en",
        "size": size,
        "smallest_size": size,
        "asked_at": NOON - DAY,
        "mailbox_proven_at": NOON - DAY if proven else None,
    }
    party = Party.objects.create(season=season, **{**row, **given})
    for position in range(2, size + 1):
        party.members.create(position=position, name=f"Companion {position}", age_from=18)
    return party


def make_booking(
    session: TourSession,
    *,
    size: int = 2,
    status: BookingStatus = BookingStatus.CONFIRMED,
    party: Party | None = None,
    offer_expires_at: datetime | None = None,
    offer_source: str = "",
    queue_number: int | None = None,
    preference: int = 1,
    since: datetime = NOON - DAY,
    **party_given: Any,
) -> Booking:
    """A booking in this status, with its first event, counted in the ledger."""
    party = party or make_party(session.season, size=size, **party_given)
    if status == BookingStatus.WAITING and queue_number is None:
        queue_number = session.take_queue_number()
    booking = Booking.objects.create(
        party=party,
        session=session,
        places=party.size,
        status=status,
        status_since=since,
        preference=preference,
        queue_number=queue_number,
        offer_expires_at=offer_expires_at,
        offer_source=offer_source,
    )
    BookingEvent.objects.create(booking=booking, to_status=status, happened_at=since, who="party")
    held = int(status in HOLDS_PLACES)
    TourSession.objects.filter(pk=session.pk).update(
        places_held=F("places_held") + held * booking.places,
        parties_held=F("parties_held") + held,
        parties_offered=F("parties_offered") + int(status == BookingStatus.OFFERED),
        parties_waiting=F("parties_waiting") + int(status == BookingStatus.WAITING and party.is_proven),
    )
    session.refresh_ledger()
    if status not in LIVE:
        Party.objects.filter(pk=party.pk).update(ended_at=since)
    return booking


def make_waiting(session: TourSession, *, size: int = 2, **given: Any) -> Booking:
    return make_booking(session, size=size, status=BookingStatus.WAITING, **given)


def make_offered(
    session: TourSession,
    *,
    size: int = 2,
    offer_expires_at: datetime = NOON + HOUR,
    offer_source: str = OfferSource.WAITLIST,
    **given: Any,
) -> Booking:
    return make_booking(
        session,
        size=size,
        status=BookingStatus.OFFERED,
        offer_expires_at=offer_expires_at,
        offer_source=offer_source,
        **given,
    )


ADULT = Person("Lin Xiaoyun", 18, None)
CHILD = Person("Lin Jun", 6, 17)


def people(size: int) -> tuple[Person, list[Person]]:
    """A lead and companions: all adults."""
    return ADULT, [Person(f"Companion {number}", 18, None) for number in range(2, size + 1)]


def ask(
    *sessions: TourSession,
    size: int = 2,
    email: str | None = None,
    now: datetime = NOON,
    submission_key: uuid.UUID | None = None,
    lead: Person | None = None,
    companions: Sequence[Person] | None = None,
    language: str = "en",
    **wishes: Any,
) -> Party | None:
    """Sign a party up through the domain; returns it, or None if nothing was written for this submit."""
    submission_key = submission_key or uuid.uuid4()
    usual_lead, usual_companions = people(size)
    request_places(
        [session.pk for session in sessions],
        lead=Lead(lead or usual_lead, email or f"visitor{next(numbers)}@example.com", language),
        companions=usual_companions if companions is None else companions,
        wishes=Wishes(**{"smallest_size": size, **wishes}),
        submission_key=submission_key,
        now=now,
    )
    return Party.objects.filter(submission_key=submission_key).first()


def statuses(*sessions: TourSession) -> dict[Booking, str]:
    """What has become of every booking of these sessions."""
    return {booking: booking.status for booking in Booking.objects.filter(session__in=sessions)}


def ledger(session: TourSession) -> dict[str, int]:
    row = TourSession.objects.get(pk=session.pk)
    return {
        "places": row.places_held,
        "parties": row.parties_held,
        "offered": row.parties_offered,
        "waiting": row.parties_waiting,
    }


def owed(*parties: Party) -> list[tuple[str, int]]:
    """The mails owed, in order, as kind and party's primary key; of these parties or of all."""
    notices = Notice.objects.order_by("pk")
    if parties:
        notices = notices.filter(party__in=parties)
    return list(notices.values_list("kind", "party"))
