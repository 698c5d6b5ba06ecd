"""While first call stands, what is free in the season's other sessions is kept for the parties that have it."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from bookings.domain import choices, first_call, sessions, visit, waitlist
from bookings.domain.first_call import kept_until
from bookings.domain.invariants import broken_promises
from bookings.models import Booking, BookingStatus, Decision, Party, Season, SessionState, TourSession
from tests.acts import ask, ledger, people, statuses
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    make_booking,
    make_full_session,
    make_season,
    make_session,
    make_venue,
    make_waiting,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("promises_kept")]

REPAIR = "The line is being repaired."
OVER = NOON + 3 * DAY
# By now what is kept has followed whatever happened at noon.
QUIET = NOON + timedelta(minutes=10)


def call_off(session: TourSession, *, now=NOON) -> None:
    sessions.call_off(session.pk, reason=REPAIR, now=now, who="host:lin")


def kept(session: TourSession) -> tuple[int, int]:
    return TourSession.objects.values_list("places_kept", "parties_kept").get(pk=session.pk)


def status_of(party: Party) -> str:
    return Booking.objects.exclude(status=BookingStatus.CALLED_OFF).get(party=party).status


@pytest.fixture
def season():
    return make_season(proves_mailbox=False)


@pytest.fixture
def called(season):
    """Two parties, of two and of three, whose session was called off at noon; another session has eight places."""
    doomed, other = make_session(season=season), make_session(season=season, capacity=8)
    parties = [make_booking(doomed, size=size).party for size in (2, 3)]
    call_off(doomed)
    return other, *parties


def test_as_many_places_are_kept_as_the_parties_could_take_and_the_rest_is_for_everybody(called):
    other, *_parties = called
    first, second = ask(other, size=3), ask(other, size=1)

    assert (status_of(first), status_of(second)) == ("confirmed", "waiting")
    assert kept(other) == (5, 2)
    assert TourSession.objects.select_related("season__tour").get(pk=other.pk).state(NOON) == SessionState.WAITLIST


def test_what_is_kept_goes_to_whoever_has_first_call_also_past_a_line(called):
    other, two, three = called
    ask(other, size=3), ask(other, size=1)

    choices.take_places(three.pk, other.pk, now=NOON + HOUR)

    assert (status_of(three), kept(other)) == ("confirmed", (2, 1))
    choices.take_places(two.pk, other.pk, now=NOON + HOUR)
    assert (status_of(two), kept(other), ledger(other)["places"]) == ("confirmed", (0, 0), 8)


def test_what_a_first_call_chose_elsewhere_needs_no_longer_goes_to_the_line_at_once(called, season):
    other, two, three = called
    elsewhere = make_session(season=season)
    ask(other, size=3)
    waiting = ask(other, size=3)

    choices.take_places(three.pk, elsewhere.pk, now=NOON + HOUR)

    assert (status_of(waiting), kept(other), kept(elsewhere)) == ("offered", (2, 1), (2, 1))
    assert two.bookings.live().count() == 0


def test_who_gives_first_call_up_lets_the_line_have_what_was_kept(called):
    other, _two, three = called
    ask(other, size=3)
    waiting = ask(other, size=3)

    choices.give_up_first_call(three.pk, now=NOON + HOUR)

    three.refresh_from_db()
    assert (status_of(waiting), kept(other), three.ended_at) == ("offered", (2, 1), NOON + HOUR)


def test_nothing_is_kept_once_the_first_calls_are_over(called):
    other, *_parties = called
    ask(other, size=3)
    waiting = ask(other, size=1)

    sessions.end_first_calls(now=OVER - timedelta(seconds=1))
    assert (status_of(waiting), kept(other)) == ("waiting", (5, 2))

    sessions.end_first_calls(now=OVER)
    assert (status_of(waiting), kept(other)) == ("offered", (0, 0))
    other.season.refresh_from_db()
    assert other.season.first_call_until is None


def test_in_the_last_call_nothing_is_kept(season):
    doomed, soon = make_session(season=season), make_session(season=season, roster_locks_at=NOON + 30 * HOUR)
    make_session(season=season)
    make_booking(doomed, size=3)
    call_off(doomed)
    last_call = NOON + 6 * HOUR
    found = TourSession.objects.select_related("season", "venue").get(pk=soon.pk)
    assert (kept(soon), kept_until(found)) == ((3, 1), last_call)

    sessions.end_first_calls(now=last_call)

    assert kept(soon) == (0, 0)


def test_a_line_that_stood_before_goes_on_as_it_was(season):
    doomed, other = make_session(season=season), make_session(season=season, capacity=4)
    leaving, waiting = make_booking(other, size=4), make_waiting(other)
    make_booking(doomed, size=4)
    call_off(doomed)

    visit.cancel_places(leaving.party_id, now=NOON)

    assert statuses(other) == {leaving: "cancelled", waiting: "offered"}
    assert kept(other) == (2, 1)  # Nobody waits any more: what is left is kept from now on.


def test_places_given_back_later_are_kept_as_well_as_long_as_nobody_waited(season):
    doomed, other = make_session(season=season), make_session(season=season, capacity=4)
    leaving = make_booking(other, size=4)
    make_booking(doomed, size=3)
    call_off(doomed)
    newcomer = ask(other, size=2)

    visit.cancel_places(leaving.party_id, now=NOON)

    assert (status_of(newcomer), kept(other)) == ("waiting", (3, 1))
    told = Decision.objects.filter(session=other).values_list("reason", "places_free", "places")
    assert list(told) == [("saved", 1, 2)]  # The one that is not kept is saved for the newcomer, who is two.


def test_a_kept_place_has_its_reason(called):
    other, *_parties = called
    ask(other, size=3)
    ask(other, size=2)

    told = Decision.objects.filter(session=other).values_list("trigger", "reason", "places_free", "places")
    assert list(told) == [("joined", "kept", 0, 5)]


def test_a_party_with_first_call_in_a_line_is_offered_what_is_kept_and_what_is_free_together(season):
    doomed, other = make_session(season=season), make_session(season=season, capacity=3)
    leaving = make_booking(other, size=1)
    three = make_booking(doomed, size=3).party
    call_off(doomed)
    ask(other, size=1)
    choices.join_line(three.pk, other.pk, now=NOON)
    assert (status_of(three), kept(other)) == ("waiting", (2, 1))

    visit.cancel_places(leaving.party_id, now=NOON)

    assert (status_of(three), kept(other)) == ("offered", (0, 0))


def test_the_limit_of_parties_is_kept_too(season):
    doomed, other = make_session(season=season), make_session(season=season, max_parties=2, capacity=20)
    make_booking(doomed, size=2)
    call_off(doomed)

    newcomers = [ask(other, size=1) for _party in range(2)]

    assert [status_of(party) for party in newcomers] == ["confirmed", "waiting"]


def close(session: TourSession) -> None:
    sessions.close_sign_up(session.pk, now=NOON)


def take_off_the_site(session: TourSession) -> None:
    Season.objects.filter(pk=session.season_id).update(published=False)


@pytest.mark.parametrize("stop", [close, take_off_the_site])
def test_what_leads_nowhere_for_a_while_is_not_kept_meanwhile_and_the_parties_keep_their_time(called, stop):
    other, two, three = called

    stop(other)

    assert sessions.end_first_calls(now=NOON) == 0
    called_until = Party.objects.filter(pk__in=[two.pk, three.pk]).values_list("first_call_until", "ended_at")
    assert (list(called_until), kept(other)) == ([(OVER, None)] * 2, (0, 0))

    sessions.reopen_sign_up(other.pk, now=NOON)
    Season.objects.update(published=True)
    sessions.end_first_calls(now=NOON)
    assert kept(other) == (5, 2)


def test_a_session_called_off_keeps_nothing_and_its_parties_are_counted_with_the_others(called, season):
    other, *_parties = called
    third = make_session(season=season)
    held = ask(other, size=3)

    call_off(other, now=NOON + HOUR)

    assert (kept(other), kept(third)) == ((0, 0), (8, 3))
    held.refresh_from_db()
    season.refresh_from_db()
    assert held.first_call_until == season.first_call_until == NOON + HOUR + 3 * DAY


@pytest.mark.parametrize(
    ("late", "size", "wanted"),
    [
        pytest.param(OVER + timedelta(minutes=10), 3, "0 places for 0 parties", id="the first calls are over"),
        pytest.param(QUIET, 2, "4 places for 2 parties", id="a party needs fewer"),
    ],
)
def test_more_kept_than_first_call_could_take_is_a_broken_promise(called, late, size, wanted):
    other, _two, three = called
    Party.objects.filter(pk=three.pk).update(size=size, smallest_size=size)

    told = f"session {other.pk}: keeps 5 places for 2 parties, while first call wants {wanted} at most"
    assert told in list(broken_promises(now=late))
    sessions.end_first_calls(now=NOON)


def test_first_call_is_given_also_by_a_page_of_the_season_that_is_older_than_what_it_says(called, season):
    _other, two, _three = called
    read_before = Season.objects.get(pk=season.pk)
    Season.objects.update(first_call_until=None)  # The clock noted that no first call stood any more.

    first_call.give(Party.objects.filter(pk=two.pk), read_before, until=OVER)

    assert Season.objects.get().first_call_until == OVER


def test_a_first_call_that_ends_sooner_leaves_the_end_of_the_season_as_it_is(called, season):
    _other, two, _three = called

    first_call.give(Party.objects.filter(pk=two.pk), season, until=OVER - HOUR)

    assert Season.objects.get().first_call_until == OVER


def test_a_season_that_forgot_its_first_calls_breaks_a_promise_until_the_clock_reminds_it(called, season):
    other, *_parties = called
    Season.objects.update(first_call_until=None)

    assert list(broken_promises(now=QUIET)) == [
        f"season {season.pk}: keeps no places any more while first calls stand in it",
        f"session {other.pk}: keeps 5 places for 2 parties, while first call wants 0 places for 0 parties at most",
    ]

    sessions.end_first_calls(now=NOON)
    assert (Season.objects.get().first_call_until, kept(other)) == (OVER, (5, 2))


@pytest.mark.parametrize("act", ["call off", "take", "tick"])
def test_a_session_whose_keep_goes_on_is_not_asked_by_itself(act):
    asked = []
    for sessions_with_a_line, small_sessions in ((1, 1), (11, 1 if act == "call off" else 11)):
        season, venue = make_season(proves_mailbox=False), make_venue()
        doomed, roomy = make_session(season=season, venue=venue), make_session(season=season, venue=venue)
        for _session in range(sessions_with_a_line):
            make_waiting(make_full_session(season=season, venue=venue))
        for _session in range(small_sessions):  # However many have first call, it keeps all that it has.
            make_session(season=season, venue=venue, capacity=1)
        party, *_others = [make_booking(doomed, size=2).party for _party in range(3)]
        acts: dict[str, Callable[[], object]] = {
            "call off": partial(call_off, doomed),
            "take": partial(choices.take_places, party.pk, roomy.pk, now=NOON),
            "tick": partial(sessions.end_first_calls, now=NOON),
        }
        for earlier in itertools.takewhile(lambda name: name != act, acts):
            acts[earlier]()
        with CaptureQueriesContext(connection) as queries:
            acts[act]()
        asked.append(len(queries))
        sessions.end_first_calls(now=OVER)

    assert asked[0] == asked[1]


@pytest.fixture
def head(season):
    """Two of three places are free; the first in line is three and has first call, another that has it is two."""
    doomed, other = make_session(season=season), make_session(season=season, capacity=3)
    make_booking(other, size=1)
    head, behind = (make_booking(doomed, size=size).party for size in (3, 2))
    call_off(doomed)
    choices.join_line(head.pk, other.pk, now=NOON)
    return other, head, behind


def test_what_is_saved_for_the_first_in_line_by_first_call_no_other_first_call_takes(head):
    other, first, behind = head

    with pytest.raises(choices.NoRoomNow):
        choices.take_places(behind.pk, other.pk, now=NOON)

    told = Decision.objects.filter(session=other).values_list("reason", "places_free", "saved_for__party", "places")
    assert list(told) == [("saved", 2, first.pk, 3)]
    assert (status_of(first), behind.bookings.live().count(), kept(other)) == ("waiting", 0, (2, 2))


def test_who_is_first_in_line_by_first_call_takes_what_is_kept_instead_of_an_offer_elsewhere(season):
    doomed, other, third = (make_session(season=season, capacity=2) for _session in range(3))
    party, leaving, elsewhere = (make_booking(session).party for session in (doomed, other, third))
    make_waiting(third, party=party)
    call_off(doomed)
    choices.join_line(party.pk, other.pk, now=NOON)
    for freed in (elsewhere, leaving):
        visit.cancel_places(freed.pk, now=NOON)
    assert (party.bookings.get(session=third).status, kept(other)) == ("offered", (2, 1))

    choices.take_places(party.pk, other.pk, now=NOON)

    assert party.bookings.get(session=other).status == "confirmed"


def test_newcomers_that_find_the_line_as_it_was_add_no_decision(called):
    other, *_parties = called
    ask(other, size=3)

    for _newcomer in range(3):
        ask(other, size=2)

    told = Decision.objects.filter(session=other).values_list("trigger", "reason", "places_free", "places")
    assert list(told) == [("joined", "kept", 0, 5)]


def test_what_is_freed_adds_its_decision_also_if_nothing_else_is_new(season):
    other = make_session(season=season, capacity=6)
    leaving = [make_booking(other, size=1) for _party in range(2)]
    make_waiting(other, size=6)

    for booking in leaving:
        visit.cancel_places(booking.party_id, now=NOON)
        make_booking(other, size=1)

    told = Decision.objects.filter(session=other).values_list("trigger", "reason", "places_free")
    assert list(told) == [("cancelled", "saved", 5)] * 2


def test_nothing_is_kept_for_parties_that_would_come_only_with_more_than_is_given_out(season):
    doomed, other = make_session(season=season), make_session(season=season, capacity=4, sell_limit=2)
    make_booking(doomed, size=3)
    call_off(doomed)

    assert (status_of(ask(other, size=2)), kept(other)) == ("confirmed", (0, 0))


def test_for_parties_that_would_come_with_fewer_what_is_given_out_is_kept(season):
    doomed, other = make_session(season=season), make_session(season=season, capacity=4, sell_limit=2)
    make_booking(doomed, size=3, smallest_size=2)

    call_off(doomed)

    assert kept(other) == (2, 1)


def come_with_fewer(party: Party) -> None:
    lead, companions = people(1)
    visit.come_with_fewer(party.pk, lead=lead, companions=companions, now=NOON)


def come_only_with_all(party: Party) -> None:
    choices.change_wishes(party.pk, smallest_size=party.size, short_notice=False, now=NOON)


@pytest.mark.parametrize(("change", "left"), [(come_with_fewer, (1, 1)), (come_only_with_all, (0, 0))])
def test_a_party_with_first_call_that_needs_less_leaves_the_rest_to_the_line_at_once(season, change, left):
    doomed, other = make_session(season=season), make_session(season=season, capacity=3, sell_limit=2)
    full = make_full_session(season=season)
    party = make_booking(doomed, size=3, smallest_size=2).party
    call_off(doomed)
    choices.join_line(party.pk, full.pk, now=NOON)
    newcomer = ask(other, size=1)
    assert (status_of(newcomer), kept(other)) == ("waiting", (2, 1))

    change(party)

    assert (status_of(newcomer), kept(other)) == ("offered", left)


def test_what_is_kept_still_when_no_first_call_stands_is_given_back_by_the_next_scan(called):
    other, *_parties = called
    newcomers = [ask(other, size=size) for size in (3, 1)]
    Party.objects.update(first_call_until=None)
    Party.objects.filter(bookings__status=BookingStatus.CALLED_OFF).update(ended_at=NOON)
    Season.objects.update(first_call_until=None)  # And here the clock was stopped.

    sessions.end_first_calls(now=NOON)

    assert ([status_of(party) for party in newcomers], kept(other)) == (["confirmed", "offered"], (0, 0))


# Without waiting for the clock


def test_who_says_yes_by_first_call_leaves_what_other_sessions_kept_to_their_lines_at_once(season):
    doomed, other, chosen = (make_session(season=season, capacity=2) for _session in range(3))
    party, leaving = make_booking(doomed).party, make_booking(chosen).party
    call_off(doomed)
    newcomer = ask(other, size=2)
    choices.join_line(party.pk, chosen.pk, now=NOON)
    visit.cancel_places(leaving.pk, now=NOON)
    assert (status_of(party), status_of(newcomer), kept(other)) == ("offered", "waiting", (2, 1))

    waitlist.accept_offer(party.bookings.get(session=chosen).pk, now=NOON)

    assert (status_of(party), status_of(newcomer), kept(other)) == ("confirmed", "offered", (0, 0))


@pytest.fixture
def small(season):
    """Two places, kept for the party of a session called off."""
    doomed, small = make_session(season=season), make_session(season=season, capacity=2)
    make_booking(doomed)
    call_off(doomed)
    assert kept(small) == (2, 1)
    return small


def test_once_first_calls_are_over_whoever_asks_has_what_was_kept(small):
    assert status_of(ask(small, size=2, now=OVER)) == "confirmed"


def test_once_first_calls_are_over_whoever_moves_has_what_was_kept(small, season):
    moves = make_booking(make_session(season=season)).party

    choices.take_places(moves.pk, small.pk, now=OVER)

    assert moves.bookings.get(session=small).status == "confirmed"


def test_what_an_asking_party_finds_no_longer_kept_its_line_is_offered_at_once(called):
    other, *_parties = called
    newcomers = [ask(other, size=size) for size in (3, 1)]

    with transaction.atomic():
        locked = TourSession.objects.lock([other.pk])[other.pk]
        waitlist.keep_places_before_others_ask(locked, now=OVER)

    assert ([status_of(party) for party in newcomers], kept(other)) == (["confirmed", "offered"], (0, 0))
    sessions.end_first_calls(now=OVER)
