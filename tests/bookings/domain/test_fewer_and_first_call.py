"""Offers of fewer places than a party has people, first call, and what the line is kept by."""

from datetime import timedelta

import pytest

from bookings.domain import visit, waitlist
from bookings.models import (
    BookingStatus,
    DecisionTrigger,
)
from tests.acts import ledger, statuses
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
    make_waiting,
)

pytestmark = pytest.mark.usefixtures("promises_kept")


def offer(session, now=NOON):
    return waitlist.offer_free_places(session.pk, now=now, trigger=DecisionTrigger.SCAN)


def last_decision(session):
    return session.decisions.values_list("trigger", "reason", "offered_to", "saved_for").last()


def last_call(session):
    return session.roster_locks_at - 23 * HOUR


def test_a_party_that_would_come_with_fewer_is_offered_what_is_free():
    session = make_full_session(capacity=4)
    three = make_waiting(session, size=3, smallest_size=2)
    assert offer(session) == 1
    three.refresh_from_db()
    assert (three.status, three.places, ledger(session)["places"]) == ("offered", 2, 4)


def test_refusing_fewer_costs_nothing_and_asks_again_only_for_more():
    session = make_full_session(capacity=4)
    three, behind = make_waiting(session, size=3, smallest_size=1), make_waiting(session, size=2)
    offer(session)
    waitlist.wait_for_all(three.pk, now=NOON)
    three.refresh_from_db()
    three.party.refresh_from_db()
    assert (three.status, three.places, three.least, three.queue_number, three.party.lapses) == ("waiting", 3, 3, 1, 0)
    # Places stay saved for the head of the line: nobody behind it is asked before the last call.
    assert offer(session) == 0
    assert session.decisions.values_list("saved_for", flat=True).last() == three.pk
    assert offer(session, now=last_call(session)) == 1
    behind.refresh_from_db()
    assert behind.status == "offered"


def test_whoever_takes_fewer_says_who_comes():
    session = make_full_session(capacity=4)
    three = make_waiting(session, size=3, smallest_size=2, companions=["Wei Jun", "Wei Min"])
    offer(session)
    with pytest.raises(waitlist.WhoComes):
        waitlist.accept_offer(three.pk, now=NOON)
    waitlist.accept_offer(three.pk, now=NOON, coming=[3])
    three.refresh_from_db()
    party = three.party
    assert (three.status, three.places, party.size, party.smallest_size) == ("confirmed", 2, 2, 2)
    assert [name for name, *_ages in party.people()] == ["Lin Xiaoyun", "Wei Min"]
    assert ledger(session) == {"places": 4, "parties": 2, "offered": 0, "waiting": 0}


def test_a_lapse_of_fewer_waits_for_all_again():
    session = make_full_session(capacity=4)
    three = make_waiting(session, size=3, smallest_size=2)
    offer(session)
    three.refresh_from_db()
    assert waitlist.lapse_offers(now=three.offer_expires_at or NOON) == 1
    three.refresh_from_db()
    # Alone in line it is asked at once again, for what is free.
    assert (three.status, three.places, three.queue_number) == ("offered", 2, 2)


def test_first_call_goes_before_the_line_and_before_short_notice():
    session = make_full_session(capacity=8)
    _plain, _quick = make_waiting(session), make_waiting(session, short_notice=True)
    called = make_waiting(session, first_call=True)
    assert waitlist.next_in_line(session, now=NOON).booking == called
    assert waitlist.next_in_line(session, now=last_call(session)).booking == called
    assert offer(session) == 3


def test_a_party_larger_than_the_tour_takes_now_is_found_as_well():
    session = make_session(capacity=8)
    large = make_waiting(session, size=4)
    assert session.season.tour.largest_party == 3
    assert waitlist.next_in_line(session, now=last_call(session)).booking == large
    assert offer(session) == 1


def test_a_party_stands_in_its_lines_again_when_its_offer_is_over():
    one, other = make_session(capacity=2), make_session(capacity=2)
    booking = make_waiting(one)
    make_waiting(other, party=booking.party)
    waiting = booking.party.bookings.get(session=other)
    make_booking(other)
    offer(one)
    waiting.refresh_from_db()
    assert waiting.in_line is False
    waitlist.decline_offer(booking.pk, now=NOON)
    waiting.refresh_from_db()
    assert waiting.in_line is True


def test_waiting_for_all_comes_too_late_once_the_offer_has_run_out():
    ends = NOON + HOUR
    offer = make_offered(
        make_session(capacity=3), size=2, smallest_size=1, places=1, queue_number=1, offer_expires_at=ends
    )
    with pytest.raises(waitlist.OfferGone):
        waitlist.wait_for_all(offer.pk, now=ends)
    waitlist.wait_for_all(offer.pk, now=ends - timedelta(seconds=1))


def test_places_saved_for_a_party_go_on_once_it_is_offered_others(commits):
    season = make_season()
    one, other = make_session(season=season, capacity=3), make_full_session(season=season, capacity=3)
    leaving = make_booking(one, size=3)
    head = make_waiting(one, size=3)
    make_waiting(other, party=head.party)
    behind = make_waiting(other, size=1)
    offer(other)
    assert last_decision(other) == ("scan", "saved", None, head.party.bookings.get(session=other).pk)

    with commits():
        visit.cancel_places(leaving.party_id, now=NOON)

    assert (statuses(one)[head], statuses(other)[behind]) == ("offered", "offered")
    assert last_decision(other) == ("left", "offered", behind.pk, None)


def test_first_call_that_lets_its_offer_lapse_stands_at_the_end_like_any_other(commits):
    session = make_session(capacity=2)
    called, behind = make_waiting(session, first_call=True), make_waiting(session)
    offer(session)

    called.refresh_from_db()
    with commits():
        waitlist.lapse_offers(now=called.offer_expires_at or NOON)

    assert statuses(session) == {called: "waiting", behind: "offered"}
    called.refresh_from_db()
    assert (called.queue_number, called.first_call) == (3, False)


# Once the party's own tour has begun.


def visiting(status=BookingStatus.CONFIRMED):
    """A party whose tour begins at START, with the offer of a place a week later."""
    season = make_season()
    held = make_booking(make_session(season=season), status)
    later = make_full_session(season=season, capacity=4, starts_at=START + 7 * DAY)
    return held, make_offered(later, party=held.party, offer_expires_at=START + DAY)


@pytest.mark.parametrize("status", [BookingStatus.CONFIRMED, BookingStatus.NO_SHOW])
def test_a_party_whose_tour_has_begun_takes_no_other_places(status):
    held, offer = visiting(status)
    with pytest.raises(waitlist.TooLateToMove):
        waitlist.accept_offer(offer.pk, now=START)
    assert statuses(held.session, offer.session) | {held: status, offer: "offered"} == statuses(
        held.session, offer.session
    )


def test_until_its_tour_begins_a_party_may_still_take_other_places():
    held, offer = visiting()
    waitlist.accept_offer(offer.pk, now=START - timedelta(seconds=1))
    held.refresh_from_db()
    offer.refresh_from_db()
    assert (held.status, offer.status) == ("superseded", "confirmed")


def test_the_clock_ends_what_a_party_asks_for_whose_tour_has_begun(commits):
    held, offer = visiting()
    next_in_line = make_waiting(offer.session)
    line = make_full_session(season=held.session.season, starts_at=START + 7 * DAY)
    waiting = make_waiting(line, party=held.party)

    assert waitlist.end_lines_of_visitors(now=START - timedelta(seconds=1)) == 0
    with commits():
        assert (waitlist.end_lines_of_visitors(now=START), waitlist.end_lines_of_visitors(now=START)) == (1, 0)

    for booking in (held, offer, next_in_line, waiting):
        booking.refresh_from_db()
    assert (held.status, offer.status, waiting.status) == ("confirmed", "withdrawn", "withdrawn")
    assert (next_in_line.status, held.party.bookings.live().count()) == ("offered", 1)
    why = waiting.events.values_list("why", flat=True).last()
    assert (ledger(line)["waiting"], why) == (0, waitlist.SAID_YES_ELSEWHERE)
