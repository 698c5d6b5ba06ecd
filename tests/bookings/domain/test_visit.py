"""What a party does on its own page."""

from datetime import timedelta

import pytest

from bookings.domain import people, visit, waitlist
from bookings.domain.people import Person
from bookings.models import BookingStatus, Notice
from tests import acts
from tests.acts import ADULT, CHILD, ask, ledger, owed, statuses
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    make_booking,
    make_offered,
    make_season,
    make_session,
    make_sign_up,
    make_waiting,
)

pytestmark = pytest.mark.usefixtures("promises_kept")


# Proving the mailbox.


def test_one_press_confirms_what_sign_up_offered():
    party = ask(make_session())

    visit.prove_mailbox(party.pk, now=NOON + HOUR)
    visit.prove_mailbox(party.pk, now=NOON + 2 * HOUR)

    booking = party.bookings.get()
    party.refresh_from_db()
    assert (booking.status, booking.offer_expires_at, party.mailbox_proven_at) == ("confirmed", None, NOON + HOUR)
    assert ledger(booking.session) == {"places": 2, "parties": 1, "offered": 0, "waiting": 0}
    assert owed() == [("prove", party.pk), ("confirmed", party.pk)]


def test_proving_lets_a_waiting_party_stand_in_its_lines_with_the_number_it_took_when_it_asked():
    session = make_session(capacity=2)
    make_booking(session)
    first, second = ask(session), ask(session)

    visit.prove_mailbox(second.pk, now=NOON + HOUR)
    visit.prove_mailbox(first.pk, now=NOON + 2 * HOUR)

    in_line = session.bookings.in_line()
    assert [(booking.party, booking.queue_number) for booking in in_line] == [(first, 1), (second, 2)]
    assert ledger(session)["waiting"] == 2


def test_a_party_that_proves_when_places_are_free_is_offered_them(commits):
    session = make_session(capacity=2)
    leaving = make_booking(session)
    party = ask(session)
    visit.cancel_places(leaving.party_id, now=NOON)

    with commits():
        visit.prove_mailbox(party.pk, now=NOON)

    assert party.bookings.get().status == "offered"
    assert session.decisions.get().trigger == "joined"


def test_places_that_were_let_go_cannot_be_proven():
    run_out, lapsed = make_sign_up(make_session(), offer_expires_at=NOON + HOUR), make_sign_up(offer_expires_at=NOON)
    waitlist.lapse_offers(now=NOON)

    for offer in (run_out, lapsed):
        with pytest.raises(waitlist.OfferGone):
            visit.prove_mailbox(offer.party_id, now=NOON + HOUR)

    assert statuses(run_out.session, lapsed.session) == {run_out: "offered", lapsed: "lapsed"}


def test_proving_does_not_answer_an_offer_from_the_line():
    standing, run_out = (make_offered(make_session(), offer_expires_at=NOON + hours * HOUR) for hours in (1, 0))

    for offer in (standing, run_out):
        visit.prove_mailbox(offer.party_id, now=NOON)

    assert statuses(standing.session, run_out.session) == {standing: "offered", run_out: "offered"}


# Giving up.


def test_cancelling_frees_the_places_ends_the_party_and_is_told():
    booking = make_booking(make_session(), size=3)

    visit.cancel_places(booking.party_id, now=NOON, who="host:lin", why="asked by phone")

    booking.party.refresh_from_db()
    assert ledger(booking.session) == {"places": 0, "parties": 0, "offered": 0, "waiting": 0}
    assert (booking.party.ended_at, booking.party.calendar_sequence) == (NOON, 1)
    assert owed() == [("cancelled", booking.party_id)]
    assert list(booking.events.values_list("to_status", "who", "why"))[-1] == (
        "cancelled",
        "host:lin",
        "asked by phone",
    )


def test_cancelling_keeps_the_party_live_while_it_waits_elsewhere():
    season = make_season()
    booking = make_booking(make_session(season=season))
    full = make_session(season=season, capacity=2)
    make_booking(full)
    waiting = make_waiting(full, party=booking.party)

    visit.cancel_places(booking.party_id, now=NOON)

    booking.party.refresh_from_db()
    assert (booking.party.ended_at, statuses(full)[waiting]) == (None, "waiting")


def test_cancelling_is_possible_until_the_start_also_after_the_roster_locked():
    early, late = make_booking(make_session()), make_booking(make_session())

    visit.cancel_places(early.party_id, now=START - timedelta(seconds=1))
    with pytest.raises(visit.TooLateToCancel):
        visit.cancel_places(late.party_id, now=START)

    assert statuses(early.session, late.session) == {early: "cancelled", late: "confirmed"}


@pytest.mark.parametrize("status", ["waiting", "offered", "checked in", "cancelled"])
def test_only_confirmed_places_can_be_cancelled(status):
    ended = {"ended_at": NOON - HOUR} if status == "cancelled" else {}
    capacity = 2 if status == "waiting" else 60
    session = make_session(capacity=capacity)
    if status == "waiting":
        make_booking(session)
    booking = make_booking(session, BookingStatus(status), **ended)

    with pytest.raises(visit.NothingConfirmed):
        visit.cancel_places(booking.party_id, now=NOON)


# Coming with fewer.


def test_what_a_party_no_longer_needs_goes_to_the_line(commits):
    session = make_session(capacity=3)
    booking = make_booking(session, size=3)
    behind = make_waiting(session, size=2)
    alone, _companions = acts.people(1)

    with commits():
        visit.come_with_fewer(booking.party_id, lead=alone, companions=[], now=NOON)

    booking.refresh_from_db()
    party = booking.party
    assert (booking.places, party.size, party.smallest_size, party.people()) == (1, 1, 1, [("Lin Xiaoyun", 18, None)])
    assert statuses(session) == {booking: "confirmed", behind: "offered"}
    assert owed() == [("changed", party.pk), ("offer", behind.party_id)]
    assert Notice.objects.get(party=party).facts == {"size": 1}
    assert session.decisions.earliest("pk").trigger == "fewer"


def test_a_waiting_party_keeps_its_numbers_when_it_shrinks_and_may_then_fit(commits):
    session = make_session(capacity=4)
    make_booking(session, size=2)
    head = make_waiting(session, size=3)
    lead, companions = acts.people(2)

    with commits():
        visit.come_with_fewer(head.party_id, lead=lead, companions=companions, now=NOON)

    head.refresh_from_db()
    assert (head.status, head.places, head.queue_number) == ("offered", 2, 1)
    assert owed() == [("offer", head.party_id)]


@pytest.mark.parametrize("size", [2, 3])
def test_fewer_means_fewer(size):
    booking = make_booking(make_session(), size=2)
    lead, companions = acts.people(size)

    with pytest.raises(visit.NotFewer):
        visit.come_with_fewer(booking.party_id, lead=lead, companions=companions, now=NOON)


def test_the_people_who_remain_must_be_allowed_to_come():
    booking = make_booking(make_session(), size=2)

    with pytest.raises(people.NoAdult):
        visit.come_with_fewer(booking.party_id, lead=CHILD, companions=[], now=NOON)

    booking.refresh_from_db()
    assert (booking.places, booking.party.size) == (2, 2)


def test_coming_with_fewer_is_possible_until_the_start():
    booking = make_booking(make_session(), size=2)
    with pytest.raises(visit.TooLateToCancel):
        visit.come_with_fewer(booking.party_id, lead=ADULT, companions=[], now=START)

    visit.come_with_fewer(booking.party_id, lead=ADULT, companions=[], now=START - timedelta(seconds=1))
    assert ledger(booking.session)["places"] == 1


# Correcting names.


def test_names_and_ages_can_be_corrected_and_the_party_is_told():
    booking = make_booking(make_session(), size=2)

    visit.change_people(
        booking.party_id, lead=Person("Lin Yun", 18, None), companions=[CHILD], access_needs="A wheelchair", now=NOON
    )

    booking.party.refresh_from_db()
    assert booking.party.people() == [("Lin Yun", 18, None), ("Lin Jun", 6, 17)]
    assert (booking.party.access_needs, booking.party.calendar_sequence) == ("A wheelchair", 1)
    assert owed() == [("changed", booking.party_id)]


def test_a_party_that_only_waits_is_not_mailed_about_its_own_correction():
    waiting = make_waiting(make_session(capacity=2), size=1)
    make_booking(waiting.session)

    visit.change_people(waiting.party_id, lead=ADULT, companions=[], access_needs="", now=NOON)

    assert owed() == []


def test_names_stay_fixed_once_the_roster_of_a_held_place_locked():
    booking = make_booking(make_session(), size=1)
    locks = booking.session.roster_locks_at

    visit.change_people(booking.party_id, lead=ADULT, companions=[], access_needs="", now=locks - timedelta(seconds=1))
    with pytest.raises(visit.NamesAreFixed):
        visit.change_people(booking.party_id, lead=CHILD, companions=[], access_needs="", now=locks)


def test_correcting_names_does_not_change_the_size():
    booking = make_booking(make_session(), size=2)

    for companions in ([], [ADULT, ADULT]):
        with pytest.raises(visit.SizeIsFixed):
            visit.change_people(booking.party_id, lead=ADULT, companions=companions, access_needs="", now=NOON)


@pytest.mark.parametrize("status", ["cancelled", "checked in", "no-show"])
def test_when_it_is_over_there_is_nothing_left_to_change(status):
    ended = {"ended_at": NOON - HOUR} if status == "cancelled" else {}
    booking = make_booking(make_session(), BookingStatus(status), size=2, **ended)

    with pytest.raises(visit.VisitOver):
        visit.change_people(booking.party_id, lead=ADULT, companions=[ADULT], access_needs="", now=NOON)
    with pytest.raises(visit.VisitOver):
        visit.come_with_fewer(booking.party_id, lead=ADULT, companions=[], now=NOON)


# The link again.


def test_the_link_goes_again_to_the_address_in_the_rows_at_most_once_an_hour():
    booking = make_booking(make_session(), email="lin@example.com")

    for minutes in (0, 30, 60):
        visit.send_link_again("LIN+x@example.com", now=NOON + timedelta(minutes=minutes))
    visit.send_link_again("nobody@example.com", now=NOON)

    assert owed() == [("link", booking.party_id)] * 2


def test_the_link_is_sent_for_the_three_latest_parties_of_a_person_and_for_no_erased_one():
    bookings = [
        make_booking(make_session(), email="lin@example.com", asked_at=NOON - days * DAY) for days in (4, 3, 2, 1)
    ]
    make_booking(make_session(), "cancelled", email="lin@example.com", erased_at=NOON, ended_at=NOON, asked_at=NOON)

    visit.send_link_again("lin@example.com", now=NOON)

    assert owed() == [("link", booking.party_id) for booking in reversed(bookings[1:])]


def test_once_the_roster_is_locked_somebody_may_stay_home_but_nobody_may_be_swapped():
    booking = make_booking(size=3)
    party, locked = booking.party, booking.session.roster_locks_at
    lead, *companions = [Person(*person) for person in party.people()]

    with pytest.raises(visit.NamesAreFixed):
        visit.come_with_fewer(party.pk, lead=Person("A Stranger", 18, None), companions=[companions[0]], now=locked)
    visit.come_with_fewer(party.pk, lead=lead, companions=[companions[1]], now=locked)

    party.refresh_from_db()
    assert [name for name, _low, _high in party.people()] == [lead.name, companions[1].name]
