"""What a party presses on its own page, and what it reads when it may not."""

from datetime import timedelta

import pytest
from icalendar import Calendar

from bookings.domain import sessions, waitlist
from bookings.models import BookingStatus
from tests.acts import ledger, owed, statuses
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    make_booking,
    make_full_session,
    make_offered,
    make_season,
    make_session,
    make_sign_up,
    make_tour,
    make_waiting,
)
from tests.portal.pages import words
from tests.portal.visits import address, dump, enter, press

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "house")]

GONE = "These places are no longer kept for you: the time to answer had run out."
NOTHING = "There is no offer to answer."
TWO = {"lead_name": "Lin Xiaoyun", "lead_age": "18-", "name_2": "Wei Jun", "age_2": "6-17"}


def answer(response):
    return response.status_code, response.get("Location")


# Buttons


def test_one_press_proves_the_mailbox_and_takes_the_places(client):
    booking = make_sign_up()
    enter(client, booking.party)
    for _press in range(2):
        assert answer(press(client, booking.party, "prove/")) == (303, address(booking.party))
    booking.party.refresh_from_db()
    assert (statuses(booking.session), booking.party.mailbox_proven_at) == ({booking: "confirmed"}, NOON)
    assert owed() == [("confirmed", booking.party_id)]


def test_proving_lets_a_party_stand_in_line(client):
    session = make_full_session()
    booking = make_waiting(session, proven=False)
    press(enter(client, booking.party), booking.party, "prove/")
    assert (ledger(session)["waiting"], owed()) == (1, [])


def test_an_offer_is_accepted_once_however_often_it_is_pressed(client):
    offer = make_offered()
    enter(client, offer.party)
    for _press in range(2):
        assert answer(press(client, offer.party, "accept/", offer)) == (303, address(offer.party))
    assert statuses(offer.session) == {offer: "confirmed"}
    assert owed() == [("confirmed", offer.party_id)]


def test_an_offer_is_declined_once_and_the_other_line_is_kept(client):
    season = make_season()
    offer, full = make_offered(make_session(season=season)), make_full_session(season=season)
    waiting = make_waiting(full, party=offer.party)
    enter(client, offer.party)
    for _press in range(2):
        assert answer(press(client, offer.party, "decline/", offer)) == (303, address(offer.party))
    assert statuses(offer.session) == {offer: "declined"}
    assert statuses(full)[waiting] == "waiting"


def test_leaving_ends_every_line_once(client):
    season = make_season()
    one, two = make_full_session(season=season), make_full_session(season=season)
    first = make_waiting(one)
    second = make_waiting(two, party=first.party)
    enter(client, first.party)
    for _press in range(2):
        assert answer(press(client, first.party, "leave/")) == (303, address(first.party))
    assert (statuses(one)[first], statuses(two)[second]) == ("withdrawn", "withdrawn")
    assert [ledger(one)["waiting"], ledger(two)["waiting"]] == [0, 0]


def test_places_are_given_up_once_and_the_second_press_is_told_so(client):
    booking = make_booking()
    enter(client, booking.party)
    assert answer(press(client, booking.party, "cancel/")) == (303, address(booking.party))
    again = press(client, booking.party, "cancel/")
    assert (again.status_code, "You hold no places that could be given up." in words(again)) == (409, True)
    assert statuses(booking.session) == {booking: "cancelled"}
    assert owed() == [("cancelled", booking.party_id)]


def test_places_and_lines_are_given_up_on_a_page_that_asks_first(client):
    season = make_season()
    waiting = make_waiting(make_full_session(season=season))
    make_waiting(make_full_session(season=season), party=waiting.party)
    held = make_booking(make_session(season=season, capacity=5), size=2)
    before = dump()

    leave, cancel = (
        words(enter(client, booking.party).get(address(booking.party, act)))
        for booking, act in ((waiting, "leave/"), (held, "cancel/"))
    )

    assert ("Leave the waitlist?" in leave, leave.count("Number 1, "), "Stay in line" in leave) == (True, 2, True)
    assert ("Cancel your 2 places?" in cancel, "Keep our 2 places" in cancel) == (True, True)
    assert dump() == before


@pytest.mark.parametrize("act", ["leave/", "cancel/"])
def test_who_has_nothing_to_give_up_is_not_asked(client, act):
    party = make_booking(make_session(), status=BookingStatus.CANCELLED).party

    answer = enter(client, party).get(address(party, act))

    assert (answer.status_code, answer["Location"]) == (303, address(party))


def test_taking_an_offer_beside_confirmed_places_moves_the_party(client):
    season = make_season()
    held = make_booking(make_session(season=season))
    offer = make_offered(make_session(season=season, starts_at=START + DAY), party=held.party)
    press(enter(client, held.party), held.party, "accept/", offer)
    assert statuses(held.session, offer.session) == {held: "superseded", offer: "confirmed"}


# Presses that come too late or belong elsewhere


@pytest.mark.parametrize("act", ["accept/", "decline/"])
@pytest.mark.parametrize("late", [timedelta(0), HOUR])
def test_an_offer_that_ran_out_is_neither_taken_nor_refused_and_says_so(client, clock, late, act):
    offer = make_offered()
    enter(client, offer.party)
    clock(offer.offer_expires_at + late)
    before = dump()
    response = press(client, offer.party, act, offer)
    assert (response.status_code, words(response).count(GONE), dump() == before) == (409, 1, True)


def test_an_offer_is_taken_a_moment_before_it_runs_out(client, clock):
    offer = make_offered(offer_expires_at=NOON + HOUR)
    enter(client, offer.party)
    clock(NOON + HOUR - timedelta(microseconds=1))
    assert press(client, offer.party, "accept/", offer).status_code == 303
    assert statuses(offer.session) == {offer: "confirmed"}


def test_an_offer_that_lapsed_is_neither_taken_nor_refused(client, clock):
    offer = make_offered(lapses=1)
    enter(client, offer.party)
    clock(NOON + 3 * HOUR)
    waitlist.lapse_offers(now=NOON + 3 * HOUR)
    for act in ("accept/", "decline/"):
        response = press(client, offer.party, act, offer)
        assert (response.status_code, GONE in words(response)) == (409, True)
    assert statuses(offer.session) == {offer: "lapsed"}


def test_places_that_were_let_go_are_not_proven(client, clock):
    booking = make_sign_up()
    enter(client, booking.party)
    clock(booking.offer_expires_at)
    response = press(client, booking.party, "prove/")
    assert (response.status_code, GONE in words(response)) == (409, True)
    booking.party.refresh_from_db()
    assert (statuses(booking.session), booking.party.is_proven) == ({booking: "offered"}, False)


@pytest.mark.parametrize("act", ["accept/", "decline/"])
def test_the_button_of_an_old_page_answers_no_other_offer(client, act):
    """The page stood open with the offer of one session; that one was declined and another came."""
    season = make_season()
    old = make_booking(make_session(season=season), BookingStatus.WITHDRAWN)
    make_offered(make_session(season=season), party=old.party)
    before = dump()
    response = press(enter(client, old.party), old.party, act, old)
    assert (response.status_code, NOTHING in words(response), dump() == before) == (409, True, True)


@pytest.mark.parametrize("act", ["accept/", "decline/"])
@pytest.mark.parametrize("named", ["of another party", "", "x", "-1", "0", "9" * 30, "９", "²", "\x00"])
def test_a_button_that_names_no_offer_of_the_party_changes_nothing(client, act, named):
    offer, other = make_offered(make_session()), make_offered(make_session())
    enter(client, offer.party)
    before = dump()
    named = str(other.pk) if named == "of another party" else named
    response = client.post(address(offer.party, act), {"booking": named})
    assert (response.status_code, NOTHING in words(response), dump() == before) == (409, True, True)


def test_places_cannot_be_given_up_once_the_tour_has_begun(client, clock):
    booking = make_booking()
    enter(client, booking.party)
    clock(START)
    response = press(client, booking.party, "cancel/")
    assert (response.status_code, "The tour has begun. Tell your host at the gate." in words(response)) == (409, True)
    assert statuses(booking.session) == {booking: "confirmed"}


def test_a_refusal_stands_above_the_page_as_it_is_now(client):
    booking = make_booking(status=BookingStatus.CANCELLED, ended_at=NOON)
    response = press(enter(client, booking.party), booking.party, "cancel/")
    page = words(response)
    assert page.index("You hold no places") < page.index("Your 2 places are free again")
    assert 'role="alert"' in response.content.decode()


# Coming with fewer, and names


def test_a_party_comes_with_fewer(client):
    booking = make_booking(size=3, companions=["Wei Jun", "Chen"])
    enter(client, booking.party)
    page = client.get(address(booking.party, "fewer/"))
    assert (page.status_code, "You are 3 people now." in words(page)) == (200, True)
    assert answer(press(client, booking.party, "fewer/", size="2", **TWO)) == (303, address(booking.party))
    booking.refresh_from_db()
    booking.party.refresh_from_db()
    assert (booking.places, booking.party.people()) == (2, [("Lin Xiaoyun", 18, None), ("Wei Jun", 6, 17)])
    assert ledger(booking.session)["places"] == 2
    assert owed() == [("changed", booking.party_id)]


def test_a_number_in_line_survives_coming_with_fewer(client):
    session = make_full_session()
    first, second = make_waiting(session), make_waiting(session)
    press(enter(client, first.party), first.party, "fewer/", size="1", lead_name="Lin", lead_age="18-")
    first.refresh_from_db()
    assert (first.places, first.queue_number, second.queue_number) == (1, 1, 2)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "Choose how many people will come."),
        ({"size": "4"} | TWO, "Choose how many people will come."),
        ({"size": "0"} | TWO, "Choose how many people will come."),
        ({"size": "two"} | TWO, "Choose how many people will come."),
        ({"size": "2"} | TWO | {"name_2": ""}, "Write the full name of person 2, or choose a smaller party."),
        ({"size": "2"} | TWO | {"age_2": "0-5"}, "Wei Jun would be under 6 on Saturday 13 February."),
        ({"size": "1", "lead_name": "Jun", "lead_age": "6-17"}, "At least one adult has to come with the party."),
    ],
)
def test_fewer_people_that_cannot_come_like_that_are_told_so(client, given, told):
    booking = make_booking(size=3)
    enter(client, booking.party)
    before = dump()
    response = press(client, booking.party, "fewer/", **given)
    assert (response.status_code, told in words(response), dump() == before) == (422, True, True)
    assert "error-summary" in response.content.decode()


def test_names_and_needs_are_put_right(client):
    booking = make_booking(access_needs="A chair")
    enter(client, booking.party)
    assert 'value="Lin Xiaoyun"' in client.get(address(booking.party, "people/")).content.decode()
    response = press(client, booking.party, "people/", **TWO | {"lead_name": "李晓云", "access_needs": "A ramp"})
    assert answer(response) == (303, address(booking.party))
    booking.party.refresh_from_db()
    assert (booking.party.people(), booking.party.access_needs) == (
        [("李晓云", 18, None), ("Wei Jun", 6, 17)],
        "A ramp",
    )


def test_nothing_typed_is_lost_where_a_name_is_missing(client):
    booking = make_booking()
    response = press(enter(client, booking.party), booking.party, "people/", **TWO | {"lead_name": ""})
    assert (response.status_code, 'value="Wei Jun"' in response.content.decode()) == (422, True)
    booking.party.refresh_from_db()
    assert booking.party.lead_name == "Lin Xiaoyun"


def test_a_locked_roster_keeps_the_names_but_lets_fewer_come(client, clock):
    booking = make_booking(size=3, lead_name="Lin Xiaoyun", companions=["Wei Jun", "Chen"])
    booking.party.members.filter(name="Wei Jun").update(age_from=6, age_to=17)
    enter(client, booking.party)
    clock(START - DAY)
    page = words(client.get(address(booking.party)))
    assert ("The roster is locked, so names stay as they are." in page, "Change names" in page) == (True, False)
    three = TWO | {"name_3": "Chen", "age_3": "18-"}
    refused = press(client, booking.party, "people/", **three)
    assert (refused.status_code, "The roster is locked: names stay as they are." in words(refused)) == (422, True)
    assert press(client, booking.party, "fewer/", size="2", **TWO).status_code == 303
    booking.party.refresh_from_db()
    assert booking.party.size == 2


def test_somebody_alone_cannot_come_with_fewer(client):
    booking = make_booking(size=1)
    enter(client, booking.party)
    assert "Come with fewer people" not in words(client.get(address(booking.party)))
    for response in (client.get(address(booking.party, "fewer/")), press(client, booking.party, "fewer/")):
        assert answer(response) == (303, address(booking.party))


def test_a_party_of_the_smallest_size_of_its_tour_cannot_come_with_fewer(client):
    booking = make_booking(make_session(season=make_season(tour=make_tour(smallest_party=2))))
    enter(client, booking.party)
    assert "Come with fewer people" not in words(client.get(address(booking.party)))
    assert answer(client.get(address(booking.party, "fewer/"))) == (303, address(booking.party))


@pytest.mark.parametrize("act", ["fewer/", "people/"])
@pytest.mark.parametrize("status", ["cancelled", "checked in", "lapsed", "no-show"])
def test_a_visit_that_is_over_has_nothing_left_to_change(client, act, status):
    booking = make_booking(status=BookingStatus(status))
    enter(client, booking.party)
    before = dump()
    assert answer(client.get(address(booking.party, act))) == (303, address(booking.party))
    response = press(client, booking.party, act, size="1", **TWO)
    assert (response.status_code, "There is nothing left to change." in words(response)) == (409, True)
    assert dump() == before


# The calendar file


def test_the_calendar_file_holds_the_visit_and_nobodys_name(client):
    booking = make_booking()
    response = enter(client, booking.party).get(address(booking.party, "calendar.ics"))
    assert (response.status_code, response["Content-Type"], response["Content-Disposition"]) == (
        200,
        "text/calendar; charset=utf-8; method=PUBLISH",
        f'attachment; filename="visit-{booking.party.code_in_words}.ics"',
    )
    [event] = Calendar.from_ical(response.content).events
    assert (event.start, event.end, str(event["summary"]), str(event["status"])) == (
        START,
        START + 2 * HOUR,
        "How a car is made",
        "CONFIRMED",
    )
    assert ("attendee" in event, "organizer" in event) == (False, False)


def test_the_calendar_file_speaks_the_language_of_its_page(client):
    booking = make_booking()
    response = enter(client, booking.party).get(address(booking.party, "calendar.ics", "zh-hans"))
    [event] = Calendar.from_ical(response.content).events
    assert str(event["summary"]) == "一辆车的诞生"


@pytest.mark.parametrize("status", ["waiting", "offered", "cancelled"])
def test_without_confirmed_places_there_is_no_calendar_file(client, status):
    booking = make_booking(status=BookingStatus(status))
    assert enter(client, booking.party).get(address(booking.party, "calendar.ics")).status_code == 404


# Hostile text


def test_names_that_look_like_markup_are_text(client):
    evil = "<script>alert(1)</script>\"'&amp;{{ 7|add:7 }}"
    booking = make_booking(lead_name=evil, companions=[evil], access_needs=evil)
    enter(client, booking.party)
    pages = [client.get(address(booking.party, act)) for act in ("", "people/", "fewer/")]
    pages.append(press(client, booking.party, "people/", **TWO | {"name_2": evil, "age_2": "0-5"}))
    for page in pages:
        text = page.content.decode()
        assert ("<script>alert" in text, "&lt;script&gt;alert(1)" in text, "14" in words(page)) == (False, True, False)


def test_a_name_written_backwards_stays_in_its_own_place(client):
    booking = make_booking(lead_name="\u202eLin", companions=["عمر"])
    text = enter(client, booking.party).get(address(booking.party)).content.decode()
    assert ("<bdi>\u202eLin</bdi>" in text, "<bdi>عمر</bdi>" in text) == (True, True)


def test_a_body_of_ten_megabytes_is_not_read(client):
    offer = make_offered()
    enter(client, offer.party)
    form = "application/x-www-form-urlencoded"
    response = client.generic("POST", address(offer.party, "accept/"), b"a" * 10_000_000, content_type=form)
    assert (response.status_code, statuses(offer.session)) == (413, {offer: "offered"})


# What others do meanwhile


def test_a_session_called_off_under_an_open_page_cannot_be_taken(client, django_capture_on_commit_callbacks):
    offer = make_offered()
    enter(client, offer.party)
    with django_capture_on_commit_callbacks(execute=True):
        sessions.call_off(offer.session_id, reason="A power cut.", now=NOON, who="host:lin")
    response = press(client, offer.party, "accept/", offer)
    assert (response.status_code, NOTHING in words(response)) == (409, True)
    assert "Saturday 13 February, 09:30, will not take place" in words(response)
