"""The promises that the database keeps itself: each constraint sees a bad row refused."""

import uuid
from collections.abc import Callable
from datetime import time

import pytest
from django.apps import apps
from django.db import IntegrityError, models, transaction

from bookings.models import (
    Booking,
    BookingStatus,
    Breaker,
    Consent,
    Heartbeat,
    House,
    MailText,
    Member,
    Notice,
    Party,
    PlannedReminder,
    Season,
    Sender,
    SwapWish,
    Tour,
    TourSession,
    TourStop,
)
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    both,
    make_announcement,
    make_booking,
    make_house,
    make_offered,
    make_party,
    make_season,
    make_session,
    make_tour,
    make_waiting,
)


def make_notice(**given):
    party = given.pop("party", None) or make_party()
    values = {"kind": "confirmed", "dedupe_key": "confirmed:1", "lane": 2, "created_at": NOON, "next_attempt_at": NOON}
    return Notice.objects.create(party=party, **values | given)


def update(row, **values):
    return type(row).objects.filter(pk=row.pk).update(**values)


def two_live_bookings_of_one_party_in_one_session():
    waiting = make_waiting(make_session(capacity=2))
    make_booking(waiting.session, party=waiting.party)


def two_bookings(status):
    def make():
        season = make_season()
        first = make_booking(make_session(season=season), status)
        make_booking(make_session(season=season), status, party=first.party)

    return make


def one_confirmed_and_one_checked_in():
    season = make_season()
    first = make_booking(make_session(season=season), BookingStatus.CONFIRMED)
    make_booking(make_session(season=season), BookingStatus.CHECKED_IN, party=first.party)


def two_bookings_with_one_number():
    session = make_session()
    make_waiting(session)
    make_waiting(session, queue_number=1)


def one_wish_twice():
    booking, wanted = make_booking(make_session()), make_session()
    for _wish in range(2):
        SwapWish.objects.create(booking=booking, wanted=wanted, made_at=NOON)


def two_stops_at_one_position():
    tour = make_tour()
    for _stop in range(2):
        TourStop.objects.create(tour=tour, position=1, title=both("Press shop", "冲压"), text=both("Steel.", "钢。"))


def two_consents_at_one_position():
    tour = make_tour()
    for _consent in range(2):
        Consent.objects.create(tour=tour, position=1, text=both("We agree.", "我们同意。"))


def one_person_live_twice():
    party = make_party(email="lin@example.com")
    make_party(season=party.season, email="LIN+twice@example.com")


def one_hold_of_a_network_twice():
    for _party in range(2):
        make_party(proven=False, network_hold="0a:1")


def two_members_at_one_position():
    party = make_party(size=2)
    Member.objects.create(party=party, position=2, name="Lin Jun", age_from=6)


def a_reminder_planned_twice():
    session = make_session()
    for _row in range(2):
        PlannedReminder.objects.create(session=session, starts_at=START, which="7", planned_at=NOON, is_complete=False)


def make_mail_text(season, **given):
    return MailText.objects.create(season=season, kind="reminder", language="en", changed_at=NOON, **given)


def two_texts_for_one_mail():
    season = make_season()
    make_mail_text(season, subject="One")
    make_mail_text(season, subject="Two")


BAD_ROWS: dict[str, Callable[[], object]] = {
    "house_is_one_row": lambda: House.objects.create(pk=2, name=make_house().name, email="a@works.example"),
    "tour_party_range": lambda: make_tour(smallest_party=4, largest_party=3),
    "tour_adult_from_minimum": lambda: make_tour(minimum_age=19, adult_age=18),
    "stop_position_once_a_tour": two_stops_at_one_position,
    "consent_position_once_a_tour": two_consents_at_one_position,
    "season_opens_before_it_closes": lambda: make_season(opens_at=NOON, closes_at=NOON),
    "season_takes_a_choice": lambda: make_season(choices_allowed=0),
    "season_asks_a_day_before_or_more": lambda: make_season(asks_again_days=0),
    "season_releases_only_whom_it_asks": lambda: make_season(releases_silent=True),
    "session_places_within_capacity": lambda: update(make_session(capacity=2), places_held=3),
    "session_parties_within_limit": lambda: update(make_session(capacity=9, max_parties=2), parties_held=3),
    "session_offers_are_held": lambda: update(make_session(), parties_held=1, parties_offered=2),
    "session_sell_limit_in_capacity": lambda: make_session(capacity=2, sell_limit=3),
    "session_max_parties_in_capacity": lambda: make_session(capacity=2, max_parties=3),
    "session_starts_before_it_ends": lambda: make_session(starts_at=START, ends_at=START),
    "session_locks_before_it_starts": lambda: make_session(roster_locks_at=START + HOUR),
    "party_one_live_per_season_and_person": one_person_live_twice,
    "party_one_unproven_for_each_hold": one_hold_of_a_network_twice,
    "party_size_range": lambda: make_party(size=2, smallest_size=3),
    "member_position_once_a_party": two_members_at_one_position,
    "booking_deadline_iff_offered": lambda: make_booking(make_session(), offer_expires_at=NOON),
    "booking_number_while_waiting": lambda: update(make_waiting(make_session()), queue_number=None),
    "booking_has_places": lambda: make_booking(make_session(), places=0),
    "booking_least_within_places": lambda: make_booking(make_session(), size=2, least=3),
    "booking_in_line_while_waiting": lambda: make_booking(make_session(), in_line=True),
    "swap_wish_once": one_wish_twice,
    "booking_arrived_within_places": lambda: make_booking(make_session(), "checked in", size=2, arrived=3),
    "booking_one_live_per_party_and_session": two_live_bookings_of_one_party_in_one_session,
    "booking_one_confirmed_per_party": two_bookings(BookingStatus.CONFIRMED),
    "booking_one_offer_per_party": two_bookings(BookingStatus.OFFERED),
    "booking_number_once_a_session": two_bookings_with_one_number,
    "notice_lease_iff_sending": lambda: make_notice(lease_until=NOON),
    "notice_sent_has_a_time": lambda: make_notice(status="sent"),
    "reminder_plan_has_one_shape": lambda: make_season(reminders=[{}]),
    "reminder_plan_days_once": lambda: make_season(reminders=[{"days": 7}] * 2),
    "reminder_plan_time_once": lambda: make_season(reminders=[{"days": 1, "at": time(18)}] * 2),
    "reminder_plan_hours_once": lambda: make_season(reminders=[{"hours": 2}] * 2),
    "planned_reminder_once": a_reminder_planned_twice,
    "breaker_is_one_row": lambda: Breaker.objects.create(pk=2),
    "breaker_open_has_a_next_try": lambda: Breaker.objects.create(pk=1, opened_at=NOON),
    "mail_text_one_a_kind_and_language": two_texts_for_one_mail,
    "announcement_sent_by_somebody": lambda: make_announcement(posted_at=NOON),
    "mail_text_says_something": lambda: make_mail_text(make_season()),
}
COUNTER_HALVES: list[tuple[str, Callable[[], object]]] = [
    ("tour_party_range", lambda: make_tour(smallest_party=0)),
    ("party_size_range", lambda: make_party(size=2, smallest_size=0)),
    ("booking_deadline_iff_offered", lambda: make_offered(make_session(), offer_expires_at=None)),
    ("booking_one_confirmed_per_party", one_confirmed_and_one_checked_in),
    ("notice_lease_iff_sending", lambda: make_notice(status="sending")),
    ("reminder_plan_has_one_shape", lambda: make_season(reminders=[{"days": 1, "hours": 2}])),
    ("reminder_plan_has_one_shape", lambda: make_season(reminders=[{"at": time(18)}])),
    ("reminder_plan_has_one_shape", lambda: make_season(reminders=[{"at": time(18), "hours": 2}])),
    ("reminder_plan_has_one_shape", lambda: make_season(reminders=[{"days": 0}])),
    ("reminder_plan_has_one_shape", lambda: make_season(reminders=[{"days": 61}])),
    ("reminder_plan_has_one_shape", lambda: make_season(reminders=[{"hours": 0}])),
    ("reminder_plan_has_one_shape", lambda: make_season(reminders=[{"hours": 73}])),
]
UNIQUE_COLUMNS: dict[str, Callable[[], object]] = {
    "Tour.slug": lambda: [make_tour(slug="car-line") for _tour in range(2)],
    "Party.code": lambda: [make_party(code="BCDFGHJK") for _party in range(2)],
    "Party.submission_key": lambda: [make_party(submission_key=uuid.UUID(int=1)) for _party in range(2)],
    "Notice.dedupe_key": lambda: [make_notice() for _notice in range(2)],
    "Sender.number": lambda: [Sender.objects.create(number=1) for _slot in range(2)],
    "Heartbeat.name": lambda: [Heartbeat.objects.create(name="worker", seen_at=NOON) for _beat in range(2)],
}

MODELS = list(apps.get_app_config("bookings").get_models())
OURS = {constraint.name: constraint for model in MODELS for constraint in model._meta.constraints}
LEDGER = ["places_held", "parties_held", "parties_offered", "parties_waiting", "next_queue_number"]


def refused(make):
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        make()
    return str(caught.value)


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "make"), [*BAD_ROWS.items(), *COUNTER_HALVES])
def test_the_database_refuses_a_bad_row(name, make):
    told = refused(make)

    # SQLite names a broken CHECK, but of a UNIQUE index only the columns.
    columns = getattr(OURS[name], "fields", ())
    assert name in told or (columns and "UNIQUE" in told and all(column in told for column in columns))


@pytest.mark.django_db
@pytest.mark.parametrize("name", UNIQUE_COLUMNS)
def test_what_is_unique_is_there_once(name):
    column = name.split(".")[1]

    assert column in refused(UNIQUE_COLUMNS[name])


@pytest.mark.django_db
@pytest.mark.parametrize("number", [*LEDGER, "capacity", "max_parties", "sell_limit"])
def test_no_number_of_a_session_is_null_or_negative(number):
    session = make_session()

    assert refused(lambda: update(session, **{number: None}))
    assert refused(lambda: update(session, **{number: -1}))


def test_every_constraint_of_ours_has_a_bad_row_here():
    assert set(OURS) == set(BAD_ROWS)

    unique = {
        f"{model.__name__}.{field.name}"
        for model in MODELS
        for field in model._meta.get_fields()
        if isinstance(field, models.Field) and field.unique and not field.primary_key
    }
    assert unique == set(UNIQUE_COLUMNS)


@pytest.mark.django_db
def test_what_looks_alike_but_is_allowed_is_taken():
    """The other side of the partial constraints: none refuses what the rules allow."""
    season = make_season()
    ended = make_party(season=season, email="lin@example.com", ended_at=NOON)
    live = make_party(season=season, email="lin@example.com")
    make_party(email="lin@example.com")
    blank = [make_party(season=season) for _party in range(2)]
    Party.objects.filter(pk__in=[party.pk for party in blank]).update(person_key=None)

    session, other, third = (make_session(season=season) for _session in range(3))
    make_booking(session, "cancelled", party=live)
    make_booking(session, party=live)
    make_offered(other, party=live)
    make_waiting(third, party=live)
    update(session, capacity=2, sell_limit=1, max_parties=2)
    update(session, roster_locks_at=START)

    assert Booking.objects.filter(party=live).count() == 4
    assert ended.pk != live.pk
    assert [TourSession.objects.count(), Season.objects.count(), Tour.objects.count()] == [3, 2, 2]


@pytest.mark.django_db
def test_a_party_and_a_session_with_bookings_cannot_be_deleted_by_deleting_what_they_hang_on():
    booking = make_booking(make_session())

    for row in (booking.session, booking.session.season, booking.session.venue, booking.session.season.tour):
        with pytest.raises(models.ProtectedError):
            row.delete()
    assert Booking.objects.get().status_since == NOON - DAY
