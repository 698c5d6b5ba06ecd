"""Rows for tests, made by functions: every argument has a default, the ledger of a session stays true.

The time in tests is ``NOON``; nothing here asks what time it is.
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.db.models import F
from i18nfield.strings import LazyI18nString

from bookings.models import (
    HOLDS_PLACES,
    Announcement,
    Booking,
    BookingEvent,
    BookingStatus,
    House,
    Member,
    OfferSource,
    Party,
    ReminderPlan,
    Season,
    Tour,
    TourSession,
    Venue,
    person_key,
)

# A Monday, four weeks before the sessions that ``make_session`` makes; 20:00 in Shanghai.
NOON = datetime(2027, 1, 18, 12, 0, tzinfo=UTC)
# A Saturday, 09:30 in Shanghai.
START = datetime(2027, 2, 13, 1, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

_numbers = count(1)


def both(english: str, chinese: str) -> LazyI18nString:
    return LazyI18nString({"en": english, "zh-hans": chinese})


def make_house(**given: Any) -> House:
    values = {
        "name": both("Northgate Car Works", "北门汽车厂"),
        "strapline": both("Factory visits", "工厂参观"),
        "email": "visits@works.example",
    }
    return House.objects.update_or_create(pk=1, defaults=values | given)[0]


def make_venue(**given: Any) -> Venue:
    values = {
        "name": both("Northgate Works", "北门工厂"),
        "address": both("18 Foundry Road", "铸造路 18 号"),
        "time_zone": "Asia/Shanghai",
        "time_zone_name": both("Beijing time", "北京时间"),
        "gate": both("Gate 3", "3 号门"),
        "arrive_before": 15,
    }
    return Venue.objects.create(**values | given)


def make_tour(**given: Any) -> Tour:
    values = {
        "slug": f"tour-{next(_numbers)}",
        "title": both("How a car is made", "一辆车的诞生"),
        "summary": both("A walk along the line.", "沿着产线走一圈。"),
        "minimum_age": 6,
        "largest_party": 3,
        "identification": both("An ID for everybody.", "每人带好身份证件。"),
        "clothing": both("Closed shoes.", "请穿包脚的鞋。"),
    }
    return Tour.objects.create(**values | given)


def make_season(*, reminders: Sequence[dict[str, Any]] = ({"days": 7}, {"days": 1}), **given: Any) -> Season:
    """Its ``reminders`` are the fields of its plans, made when it opened."""
    values = {
        "title": both("New Year 2027", "2027 新春"),
        "published": True,
        "opens_at": NOON - DAY,
        "closes_at": START + 30 * DAY,
    }
    if "tour" not in given:
        given["tour"] = make_tour()
    season = Season.objects.create(**values | given)
    ReminderPlan.objects.bulk_create(
        ReminderPlan(season=season, **{"since": season.opens_at} | plan) for plan in reminders
    )
    return season


def make_session(**given: Any) -> TourSession:
    """A session of 20 parties and 60 places; ``capacity`` alone sets the other limits with it, as for a small tour."""
    starts_at = given.get("starts_at", START)
    capacity = given.get("capacity", 60)
    values = {
        "starts_at": starts_at,
        "ends_at": starts_at + 2 * HOUR,
        "capacity": capacity,
        "sell_limit": capacity,
        "max_parties": capacity if "capacity" in given else 20,
        "roster_locks_at": starts_at - 2 * DAY,
    }
    if "season" not in given:
        given["season"] = make_season()
    if "venue" not in given:
        given["venue"] = make_venue()
    return TourSession.objects.create(**values | given)


def make_party(**given: Any) -> Party:
    """A party of two with a proven mailbox; ``proven=False`` for one that has not pressed yet."""
    proven = given.pop("proven", True)
    companions = given.pop("companions", None)
    email = given.get("email", f"lead{next(_numbers)}@visitors.example")
    size = given.get("size", 2)
    values = {
        "submission_key": uuid.uuid4(),
        "email": email,
        "person_key": person_key(email),
        "lead_name": "Lin Xiaoyun",
        "language": "en",
        "size": size,
        "smallest_size": size,
        "asked_at": NOON - DAY,
        "mailbox_proven_at": NOON - DAY if proven else None,
    }
    if "season" not in given:
        given["season"] = make_season()
    party = Party.objects.create(**values | given)
    if party.first_call_until:
        Season.objects.filter(pk=party.season_id).update(first_call_until=party.first_call_until)
    names = companions if companions is not None else [f"Wei Jun {number}" for number in range(2, size + 1)]
    Member.objects.bulk_create(
        Member(party=party, position=position, name=name, age_from=18) for position, name in enumerate(names, start=2)
    )
    return party


def make_booking(session: TourSession | None = None, status: str = BookingStatus.CONFIRMED, **given: Any) -> Booking:
    """A booking in any status, with its event and the ledger of its session as the domain would leave them.

    What is no field of a booking makes its party: ``make_booking(session, size=3, language="zh-hans")``.
    """
    session = session or make_session()
    fields = {field.name for field in Booking._meta.get_fields()} | {"party"}
    own = {name: value for name, value in given.items() if name in fields}
    party_values = {name: value for name, value in given.items() if name not in fields or name == "short_notice"}
    party = own.pop("party", None) or make_party(**{"season": session.season} | party_values)
    values: dict[str, Any] = {
        "places": party.size,
        "status_since": NOON - DAY,
        "least": party.smallest_size,
        "short_notice": party.short_notice,
    }
    if status == BookingStatus.OFFERED:
        values |= {"offer_expires_at": NOON + 2 * HOUR, "offer_source": OfferSource.WAITLIST}
    if status == BookingStatus.WAITING:
        session.refresh_from_db(fields=["next_queue_number"])
        values["queue_number"] = session.next_queue_number
        TourSession.objects.filter(pk=session.pk).update(next_queue_number=F("next_queue_number") + 1)
        values["in_line"] = (
            party.is_proven and not Booking.objects.filter(party=party, status=BookingStatus.OFFERED).exists()
        )
    booking = Booking.objects.create(party=party, session=session, status=status, **values | own)
    BookingEvent.objects.create(booking=booking, to_status=status, happened_at=booking.status_since, who="party")
    if status == BookingStatus.OFFERED:
        Booking.objects.filter(party=party).update(in_line=False)
    _write_ledger(booking)
    return booking


def make_full_session(**given: Any) -> TourSession:
    """A session whose two places a confirmed party has; with a larger ``capacity`` the rest is free."""
    session = make_session(**{"capacity": 2} | given)
    make_booking(session)
    return session


def make_waiting(session: TourSession | None = None, **given: Any) -> Booking:
    return make_booking(session, BookingStatus.WAITING, **given)


def make_offered(session: TourSession | None = None, **given: Any) -> Booking:
    return make_booking(session, BookingStatus.OFFERED, **given)


def make_sign_up(session: TourSession | None = None, **given: Any) -> Booking:
    """Offered at sign-up to a party that has not proven its mailbox."""
    values = {"proven": False, "offer_source": OfferSource.SIGN_UP, "offer_expires_at": NOON + 6 * HOUR}
    return make_offered(session, **values | given)


def make_announcement(season: Season | None = None, **given: Any) -> Announcement:
    values = {
        "season": season or make_season(),
        "subject": both("The car park is closed", "停车场关闭"),
        "words": both("Come by train.\n\nLine 6 stops at the gate.", "请乘地铁前来。\n\n6 号线到厂门口。"),
    }
    return Announcement.objects.create(**values | given)


def _write_ledger(booking: Booking) -> None:
    session, status = booking.session, BookingStatus(booking.status)
    holds = status in HOLDS_PLACES
    TourSession.objects.filter(pk=session.pk).update(
        places_held=F("places_held") + holds * booking.places,
        parties_held=F("parties_held") + int(holds),
        parties_offered=F("parties_offered") + int(status == BookingStatus.OFFERED),
        parties_waiting=F("parties_waiting") + int(status == BookingStatus.WAITING and booking.party.is_proven),
    )
    session.refresh_from_db()
