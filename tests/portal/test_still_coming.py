"""The question whether a party is still coming, on its own page: yes, fewer or no in one press each."""

import re
from datetime import datetime
from typing import Any

import pytest
from django.http import HttpResponse

from bookings.domain import reconfirming
from bookings.models import Booking, BookingStatus, Heartbeat, Notice, NoticeStatus
from tests.acts import owed, statuses
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    make_booking,
    make_season,
    make_session,
    make_tour,
    make_waiting,
)
from tests.portal.pages import words
from tests.portal.visits import address, dump, enter, press

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "house")]

ACTS = ["still-coming/", "fewer/", "cancel/"]


def make_asked(**given: Any) -> Booking:
    """Asked at noon, four weeks before the session."""
    session = {name: given.pop(name) for name in ("capacity", "roster_locks_at") if name in given}
    season = {name: given.pop(name) for name in ("tour", "releases_silent") if name in given}
    booking = make_booking(make_session(season=make_season(asks_again_days=26, **season), **session), **given)
    reconfirming.plan_asks(now=NOON)
    return booking


def page(client: Any, booking: Booking) -> Any:
    return client.get(address(booking.party))


def question(response: Any) -> str:
    """The sheet with the question, or nothing."""
    found = re.search(r'(?s)<section [^>]*aria-labelledby="still-coming".*?</section>', response.content.decode())
    return found[0] if found else ""


def say_yes(client: Any, booking: Booking, *, starts_at: datetime = START) -> Any:
    return press(client, booking.party, "still-coming/", booking, starts_at=starts_at.isoformat())


def test_the_page_asks_with_answers_of_one_press_each(client):
    booking = make_asked()
    asked = question(page(enter(client, booking.party), booking))
    names = " , ".join(name for name, *_ in booking.party.people())
    assert words(HttpResponse(asked)) == (
        "Are you still coming? One press is enough. What you let go goes to the next party in line at once. "
        f"If fewer of you come, the last of these stay at home: {names} "
        "Yes, 2 of us Only 1 of us No, cancel our 2 places Choose who comes"
    )
    assert [address(booking.party, act) in asked for act in ACTS] == [True, True, True]


def test_opening_the_page_changes_nothing(client):
    booking = make_asked()
    enter(client, booking.party)
    before = dump()
    for act in ["", *ACTS]:
        client.get(address(booking.party, act))
    client.head(address(booking.party, "still-coming/"))
    assert dump() == before


def test_yes_is_one_press_and_the_page_says_thanks(client):
    booking = make_asked()
    enter(client, booking.party)
    named = re.search(r'name="starts_at" value="([^"]*)"', question(page(client, booking)))
    assert named
    shown = datetime.fromisoformat(named[1])
    for _press in range(2):
        response = say_yes(client, booking, starts_at=shown)
        assert (response.status_code, response["Location"]) == (303, address(booking.party))
    booking.refresh_from_db()
    thanks = page(client, booking)
    assert (booking.still_coming_at, question(thanks)) == (NOON, "")
    assert "You said that you are still coming. Thank you. If that changes, tell us on this page." in words(thanks)


def test_no_is_one_press_and_the_line_is_asked_at_once(client, django_capture_on_commit_callbacks):
    booking = make_asked(capacity=2)
    waiting = make_waiting(booking.session)
    with django_capture_on_commit_callbacks(execute=True):
        press(enter(client, booking.party), booking.party, "cancel/")
    assert statuses(booking.session) == {booking: "cancelled", waiting: "offered"}
    assert owed(waiting.party) == [("offer", waiting.party_id)]


def say_fewer(client: Any, booking: Booking, size: Any, *, starts_at: datetime = START) -> Any:
    return press(client, booking.party, "still-coming/", booking, starts_at=starts_at.isoformat(), size=size)


def test_fewer_is_one_press_that_leaves_out_who_was_named_last_and_counts_as_yes(
    client, django_capture_on_commit_callbacks
):
    booking = make_asked(size=3, capacity=3)
    waiting = make_waiting(booking.session, size=1)
    names = [name for name, *_ in booking.party.people()]
    asked = question(page(enter(client, booking.party), booking))
    for _press in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            assert say_fewer(client, booking, 2).status_code == 303
    booking = Booking.objects.get(pk=booking.pk)
    thanks = page(client, booking)
    assert re.findall(r'name="size" value="(\d+)"', asked) == ["2", "1"]
    assert (booking.places, booking.still_coming_at) == (2, NOON)
    assert [name for name, *_ in booking.party.people()] == names[:2]
    assert [event.why for event in booking.events.order_by("pk")][1:] == ["comes as 2 of 3"]
    assert statuses(booking.session) == {booking: "confirmed", waiting: "offered"}
    assert (question(thanks), "You said that you are still coming." in words(thanks)) == ("", True)


@pytest.mark.parametrize("size", ["", "x", "0", "2", "3", "-1", "٢", "99999"])
def test_a_number_that_is_not_fewer_is_refused_and_is_no_yes(client, size):
    booking = make_asked()
    response = say_fewer(enter(client, booking.party), booking, size)
    booking.refresh_from_db()
    assert (response.status_code, booking.places, booking.still_coming_at) == (409, 2, None)


def test_fewer_of_a_page_with_another_time_is_refused_with_the_reason(client):
    booking = make_asked()
    response = say_fewer(enter(client, booking.party), booking, 1, starts_at=START + DAY)
    booking.refresh_from_db()
    assert (response.status_code, booking.places) == (409, 2)
    assert "Your visit has changed since you opened this page." in words(response)


def test_no_number_is_offered_that_the_tour_would_not_take(client):
    tour = make_tour(smallest_party=2, largest_party=4)
    booking = make_asked(tour=tour, size=4, lead_age_from=12, lead_age_to=17)
    booking.party.members.filter(position=2).update(age_from=12, age_to=17)
    asked = question(page(enter(client, booking.party), booking))
    assert re.findall(r'name="size" value="(\d+)"', asked) == ["3"]
    assert say_fewer(client, booking, 2).status_code == 409


def test_a_large_party_chooses_from_a_list_and_presses_once(client):
    booking = make_asked(tour=make_tour(largest_party=6), size=6)
    asked = question(page(enter(client, booking.party), booking))
    assert re.findall(r'<option value="(\d+)"', asked) == ["5", "4", "3", "2", "1"]
    assert 'name="size" value=' not in asked
    say_fewer(client, booking, 4)
    booking.refresh_from_db()
    assert (booking.places, booking.still_coming_at) == (4, NOON)


def test_fewer_leads_to_the_form_and_answers_the_question(client):
    booking = make_asked()
    enter(client, booking.party)
    press(client, booking.party, "fewer/", size="1", lead_name="Lin Xiaoyun", lead_age="18-")
    booking.refresh_from_db()
    assert (booking.places, booking.still_coming_at, question(page(client, booking))) == (1, NOON, "")


def test_a_party_that_cannot_be_smaller_is_not_asked_for_fewer(client):
    booking = make_asked(tour=make_tour(smallest_party=2))
    asked = question(page(enter(client, booking.party), booking))
    assert [said in asked for said in ("fewer", "Only", "Choose")] == [False] * 3


def test_nobody_is_asked_before_its_time_nor_where_the_season_does_not_ask(client, clock):
    early, never = make_booking(make_session(season=make_season(asks_again_days=25))), make_booking()
    reconfirming.plan_asks(now=NOON)
    assert [question(page(enter(client, booking.party), booking)) for booking in (early, never)] == ["", ""]


def test_the_question_goes_when_the_roster_is_locked(client, clock):
    booking = make_asked()
    enter(client, booking.party)
    clock(booking.session.roster_locks_at)
    assert question(page(client, booking)) == ""


@pytest.mark.parametrize("starts_at", ["", "tomorrow", "2027-02-30T01:30:00+00:00", "2027-02-13T01:30:00"])
def test_a_yes_without_the_time_it_was_said_of_is_refused(client, starts_at):
    booking = make_asked()
    response = press(enter(client, booking.party), booking.party, "still-coming/", booking, starts_at=starts_at)
    booking.refresh_from_db()
    assert (response.status_code, booking.still_coming_at) == (409, None)


def test_a_yes_of_a_page_with_another_time_is_refused_with_the_reason(client):
    booking = make_asked()
    response = say_yes(enter(client, booking.party), booking, starts_at=START + DAY)
    booking.refresh_from_db()
    assert (response.status_code, booking.still_coming_at) == (409, None)
    assert "Your visit has changed since you opened this page." in words(response)


def test_only_the_party_itself_answers(client):
    booking = make_asked()
    say_yes(client, booking)
    booking.refresh_from_db()
    assert booking.still_coming_at is None


def test_who_lost_its_places_for_silence_reads_why(client, clock):
    booking = make_asked(releases_silent=True)
    for days in (0, 2):
        reconfirming.plan_asks(now=NOON + days * DAY)
        Notice.objects.filter(status=NoticeStatus.QUEUED).update(status=NoticeStatus.SENT, sent_at=NOON + days * DAY)
    Heartbeat.objects.create(name="reports", seen_at=NOON + 3 * DAY)
    clock(NOON + 3 * DAY + HOUR)
    assert reconfirming.release_silent(now=NOON + 3 * DAY) == 1

    told = words(page(enter(client, booking.party), booking))

    assert statuses(booking.session) == {booking: BookingStatus.CANCELLED}
    assert "Your 2 places were given up We asked you twice whether you are still coming and heard nothing." in told
    assert "You did not answer whether you are still coming, so your places were given up." in told
    assert "Thank you for telling us" not in told
