"""A party's page at its edges: a host's act, a tour that has begun, the last minute, a double click."""

from datetime import timedelta

import pytest

from bookings.domain import visit, waitlist
from bookings.models import BookingStatus
from tests.factories import HOUR, NOON, START, make_booking, make_offered, make_session, make_waiting
from tests.portal.pages import words
from tests.portal.visits import address, enter, press

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "house")]
TWO = {"size": "2", "lead_name": "Lin Xiaoyun", "lead_age": "18-", "name_2": "Wei Jun", "age_2": "6-17"}


def page(client, party, *, language="en"):
    return words(enter(client, party).get(address(party, language=language)))


@pytest.mark.parametrize(
    ("make", "end"),
    [
        (make_booking, lambda booking, **how: visit.cancel_places(booking.party_id, **how)),
        (make_offered, lambda booking, **how: waitlist.decline_offer(booking.pk, **how)),
        (make_waiting, lambda booking, **how: waitlist.leave_lines(booking.party_id, **how)),
    ],
)
def test_a_party_is_not_thanked_for_what_a_host_did(client, make, end):
    booking = make(make_session())
    end(booking, now=NOON, who="host:lin")
    booking.party.refresh_from_db()
    told = page(client, booking.party)
    assert "Cancelled A host ended this for you If you did not ask for this, write to us." in told
    assert [own for own in ("Thank you for telling us", "You said no", "You left") if own in told] == []


def test_once_the_tour_has_begun_nothing_is_promised_or_offered(client, clock):
    booking = make_booking(size=3)
    clock(START + HOUR)
    told = page(client, booking.party)
    assert "Your tour has begun It began at 09:30. If you are late, come to Gate 3 and tell your host." in told
    acts = ["See you on", "Add to calendar", "Cancel our 3 places", "Change names", "Come with fewer people"]
    assert [act for act in acts if act in told] == []


def test_in_the_last_minute_an_offer_says_so(client, clock):
    offer = make_offered(offer_expires_at=NOON + timedelta(minutes=2, seconds=30))
    assert "Say yes within 2\xa0minutes" in page(client, offer.party).replace("2 minutes", "2\xa0minutes")
    clock(NOON + timedelta(minutes=1, seconds=30))
    assert "Say yes within less than a minute" in page(client, offer.party)


def test_a_double_click_on_coming_with_fewer_is_one(client):
    booking = make_booking(size=3)
    enter(client, booking.party)
    answers = [press(client, booking.party, "fewer/", **TWO) for _ in range(2)]
    assert [(answer.status_code, answer["Location"]) for answer in answers] == [(303, address(booking.party))] * 2
    booking.refresh_from_db()
    assert booking.places == 2


def test_everybody_is_named_with_an_age(client):
    booking = make_booking(companions=["Wei Jun"])
    booking.party.members.update(age_from=6, age_to=17)
    assert "Lead Lin Xiaoyun · 18 or older With Wei Jun · 6 to 17 Reference" in page(client, booking.party)


def test_an_erased_party_has_nothing_to_cancel(client):
    booking = make_booking(status=BookingStatus.CONFIRMED, erased_at=NOON, ended_at=NOON)
    assert "Cancel our" not in page(client, booking.party)
