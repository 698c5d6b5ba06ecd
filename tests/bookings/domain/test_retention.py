"""Personal data is gone on its day; counts stay."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User

from bookings.domain import retention
from bookings.models import Booking, Member, Party, SwapWish
from tests.acts import ledger
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    make_booking,
    make_offered,
    make_season,
    make_session,
    make_waiting,
)

OVER = START + 2 * HOUR
"""When a session of the factories ends."""

PERSONAL: dict[str, Any] = {
    "lead_name": "Lin Xiaoyun",
    "email": "lin@example.com",
    "phone": "+86 10 5550 0199",
    "access_needs": "A wheelchair",
    "consents": [1, 2],
}


def personal_data(party):
    """Everything in the rows that tells who came."""
    party.refresh_from_db()
    return {
        **{name: getattr(party, name) for name in PERSONAL},
        "members": list(Member.objects.filter(party=party).values_list("name", "age_from")),
        "whys": sorted(party.bookings.values_list("events__why", flat=True)),
    }


def due(now):
    return list(retention.parties_to_erase(now=now))


@pytest.mark.django_db
def test_all_personal_data_is_blanked_and_what_counts_stays():
    booking = make_booking(make_session(), size=2, companions=["Wei Jun"], **PERSONAL)
    booking.events.update(why="told Lin Xiaoyun by phone")
    before, old_link = booking.party, booking.party.link_token

    assert retention.erase_due(now=OVER + 30 * DAY) == 1

    assert personal_data(booking.party) == {
        "lead_name": "",
        "email": "",
        "phone": "",
        "access_needs": "",
        "consents": [],
        "members": [("", 18)],
        "whys": [""],
    }
    party = Party.objects.get()
    assert not party.link_token_is(old_link)
    assert (party.code, party.size, party.person_key, party.erased_at) == (
        before.code,
        2,
        before.person_key,
        OVER + 30 * DAY,
    )
    assert ledger(booking.session) == {"places": 2, "parties": 1, "offered": 0, "waiting": 0}
    assert Booking.objects.get().status == "confirmed"


@pytest.mark.django_db
def test_a_party_is_erased_thirty_days_after_its_last_session():
    season = make_season()
    early, late = make_session(season=season), make_session(season=season, starts_at=START + 3 * DAY)
    party = make_booking(early, "superseded").party
    make_booking(late, party=party)

    assert due(OVER + 33 * DAY - timedelta(seconds=1)) == []
    assert due(OVER + 33 * DAY) == [party]


@pytest.mark.django_db
def test_a_party_that_never_proved_its_mailbox_is_erased_a_day_after_it_ended():
    session = make_session()
    party = make_booking(session, "lapsed", proven=False, ended_at=NOON).party
    live = make_offered(session, proven=False).party

    assert due(NOON + DAY - timedelta(seconds=1)) == []
    assert due(NOON + DAY) == [party]
    assert live not in due(NOON + 20 * DAY)


@pytest.mark.django_db
def test_a_proven_party_that_cancelled_keeps_its_page_until_its_session_is_a_month_past():
    party = make_booking(make_session(), "cancelled", ended_at=NOON).party

    assert due(OVER + 29 * DAY) == []
    assert due(OVER + 30 * DAY) == [party]


@pytest.mark.django_db
def test_erasing_twice_changes_nothing_more():
    make_booking(make_session())
    assert retention.erase_due(now=OVER + 30 * DAY) == 1
    party = Party.objects.get()

    assert retention.erase_due(now=OVER + 31 * DAY) == 0
    assert Party.objects.values().get() == {
        field.attname: getattr(party, field.attname) for field in Party._meta.concrete_fields
    }


@pytest.mark.django_db
def test_the_key_of_a_person_is_blanked_twelve_months_after_it_asked():
    asked_at = NOON - DAY
    party = make_booking(make_session(), asked_at=asked_at).party
    retention.erase_due(now=OVER + 30 * DAY)

    retention.erase_due(now=asked_at + 365 * DAY - timedelta(seconds=1))
    assert Party.objects.get().person_key == party.person_key
    retention.erase_due(now=asked_at + 365 * DAY)
    assert Party.objects.get().person_key is None


@pytest.mark.django_db
def test_the_data_of_those_whose_day_has_not_come_stays():
    booking = make_booking(make_session(), **PERSONAL)
    waiting = make_waiting(booking.session)

    assert retention.erase_due(now=OVER + 29 * DAY) == 0
    assert personal_data(booking.party)["email"] == "lin@example.com"
    assert waiting.party.erased_at is None


@pytest.mark.django_db
def test_whoever_was_erased_may_come_again_in_the_same_season():
    booking = make_booking(make_session(), email="lin@example.com")
    retention.erase(booking.party_id, now=OVER + 30 * DAY)

    make_booking(booking.session, email="lin@example.com")

    assert Party.objects.live().count() == 1


@pytest.mark.django_db
def test_a_party_erased_before_its_visit_gives_up_its_places_and_its_line(commits):
    season = make_season()
    session, other = make_session(season=season, capacity=2), make_session(season=season, capacity=2)
    held = make_booking(session)
    line, next_in_line = make_waiting(other, party=held.party), make_waiting(session)

    with commits():
        retention.erase(held.party_id, now=NOON, who="host:lin")

    bookings = Booking.objects.in_bulk([held.pk, line.pk, next_in_line.pk])
    assert [bookings[pk].status for pk in (held.pk, line.pk, next_in_line.pk)] == ["cancelled", "withdrawn", "offered"]
    assert held.events.latest("pk").who == "host:lin"
    assert [ledger(session), ledger(other)] == [
        {"places": 2, "parties": 1, "offered": 1, "waiting": 0},
        {"places": 0, "parties": 0, "offered": 0, "waiting": 0},
    ]
    held.party.refresh_from_db()
    assert (held.party.email, held.party.ended_at, held.party.erased_at) == ("", NOON, NOON)


def test_the_clock_erases_a_rush_of_a_hundred_thousand_within_its_day():
    interval = settings.CELERY_BEAT_SCHEDULE["bookings.erase_due"]["schedule"]
    assert retention.BATCH * DAY.total_seconds() / interval >= 100_000


@pytest.mark.django_db
def test_what_hosts_noted_about_a_party_is_blanked_with_it():
    """An entry of the admin site's log keeps the reason that a host typed; who did what, and when, stays."""
    party, other = make_booking().party, make_booking().party
    host = User.objects.create_user("lin")
    for one in (party, other):
        LogEntry.objects.log_actions(host.pk, [one], CHANGE, change_message="Lin Xiaoyun lost the phone")

    retention.erase(party.pk, now=NOON)

    told = LogEntry.objects.order_by("pk").values_list("object_id", "action_flag", "change_message")
    assert list(told) == [(str(party.pk), CHANGE, ""), (str(other.pk), CHANGE, "Lin Xiaoyun lost the phone")]


@pytest.mark.django_db
def test_wishes_to_swap_go_with_their_party():
    booking, other = make_booking(), make_booking()
    for wishing in (booking, other):
        SwapWish.objects.create(booking=wishing, wanted=make_session(), made_at=NOON)
    retention.erase(booking.party_id, now=NOON)
    assert [wish.booking for wish in SwapWish.objects.all()] == [other]
