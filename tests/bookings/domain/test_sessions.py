"""What a host does to a session as a whole; whoever is touched hears of it."""

from datetime import timedelta

import pytest
from django.conf import settings

from bookings import outbox
from bookings.domain import opening, sessions, sign_up
from bookings.models import Booking, Notice, TourSession
from tests.acts import ask, ledger, owed, statuses
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    both,
    make_booking,
    make_offered,
    make_season,
    make_session,
    make_sign_up,
    make_waiting,
)

pytestmark = pytest.mark.usefixtures("promises_kept")

REPAIR = both("The lift is being repaired.", "升降台检修。")


def test_calling_off_ends_every_booking_and_tells_everybody_whose_mailbox_is_proven():
    session = make_session(capacity=8)
    confirmed = make_booking(session)
    offered = make_offered(session, offer_expires_at=NOON + HOUR)
    unproven = make_sign_up(session)
    waiting = make_waiting(session, size=3)

    sessions.call_off(session.pk, reason=REPAIR, now=NOON, who="host:lin")

    told = [confirmed, offered, waiting]
    assert statuses(session) == dict.fromkeys([*told, unproven], "called off")
    assert owed() == [("called_off", booking.party_id) for booking in told]
    assert ledger(session) == {"places": 0, "parties": 0, "offered": 0, "waiting": 0}
    session.refresh_from_db()
    assert (session.called_off_at, str(session.call_off_reason)) == (NOON, "The lift is being repaired.")
    assert confirmed.events.latest("pk").who == "host:lin"
    confirmed.party.refresh_from_db()
    assert (confirmed.party.calendar_sequence, confirmed.party.ended_at) == (1, NOON)


def test_a_party_whose_offer_is_called_off_counts_again_in_its_other_lines(commits):
    season = make_season()
    doomed, other = make_session(season=season), make_session(season=season, capacity=2)
    offer = make_offered(doomed, offer_expires_at=NOON + HOUR)
    waiting = make_waiting(other, party=offer.party)

    with commits():
        sessions.call_off(doomed.pk, reason=REPAIR, now=NOON, who="host:lin")

    assert statuses(doomed, other) == {offer: "called off", waiting: "offered"}


@pytest.mark.parametrize("reason", ["", "  ", both("", "")])
def test_calling_off_takes_a_reason(reason):
    with pytest.raises(sessions.ReasonMissing):
        sessions.call_off(make_session().pk, reason=reason, now=NOON, who="host:lin")


def test_a_session_is_called_off_once_and_not_after_it_began():
    session = make_session()
    with pytest.raises(sessions.AlreadyBegun):
        sessions.call_off(session.pk, reason=REPAIR, now=START, who="host:lin")
    sessions.call_off(session.pk, reason=REPAIR, now=START - timedelta(seconds=1), who="host:lin")
    with pytest.raises(sessions.AlreadyCalledOff):
        sessions.call_off(session.pk, reason=REPAIR, now=START - timedelta(seconds=1), who="host:lin")


def test_what_a_crash_left_when_calling_off_is_finished_later_and_only_once():
    session = make_session(called_off_at=NOON - HOUR, call_off_reason=REPAIR)
    left_over = make_booking(session)

    for _time in range(2):
        sessions.finish_calling_off(session.pk, now=NOON, who="clock")

    assert statuses(session) == {left_over: "called off"}
    assert owed() == [("called_off", left_over.party_id)]


def test_the_clock_finishes_what_a_crash_left_when_calling_off():
    dead, alive = make_session(called_off_at=NOON - HOUR, call_off_reason=REPAIR), make_session()
    left_over, untouched = make_booking(dead), make_booking(alive)
    here = make_booking(dead, "checked in")

    done = [sessions.finish_all_calling_off(now=NOON) for _time in range(2)]

    assert done == [1, 0]
    assert statuses(dead, alive) == {left_over: "called off", untouched: "confirmed", here: "checked in"}
    assert owed() == [("called_off", left_over.party_id)]
    assert "bookings.finish_calling_off" in settings.CELERY_BEAT_SCHEDULE


def test_whoever_was_there_stays_checked_in_when_the_rest_is_called_off():
    session = make_session()
    here, missing, expected = (make_booking(session, status) for status in ("checked in", "no-show", "confirmed"))

    sessions.call_off(session.pk, reason=REPAIR, now=NOON, who="host:lin")

    assert statuses(session) == {here: "checked in", missing: "no-show", expected: "called off"}


def test_a_closed_session_takes_nobody_new_until_it_is_opened_again():
    session = make_session(capacity=2)
    waiting = make_waiting(session, size=2)

    sessions.close_sign_up(session.pk, now=NOON - HOUR)
    sessions.close_sign_up(session.pk, now=NOON)
    session.refresh_from_db()
    assert (session.closed_at, session.takes_sign_ups(NOON)) == (NOON - HOUR, False)
    assert statuses(session) == {waiting: "waiting"}

    sessions.reopen_sign_up(session.pk, now=NOON)
    session.refresh_from_db()
    assert (session.closed_at, statuses(session)) == (None, {waiting: "offered"})


def test_more_places_go_to_the_line_first(commits):
    session = make_session(capacity=2)
    make_booking(session)
    first, second = make_waiting(session), make_waiting(session)

    with commits():
        sessions.resize(session.pk, capacity=6, max_parties=6, sell_limit=4, now=NOON)

    assert [statuses(session)[booking] for booking in (first, second)] == ["offered", "waiting"]
    assert session.decisions.earliest("pk").trigger == "capacity"


@pytest.mark.parametrize(
    ("refusal", "limits"),
    [
        pytest.param(sessions.CapacityBelowHeld, (4, 4, 4), id="fewer places than held"),
        pytest.param(sessions.CapacityBelowHeld, (10, 1, 10), id="fewer parties than held"),
        pytest.param(sessions.LimitAboveCapacity, (10, 10, 11), id="given out above the capacity"),
        pytest.param(sessions.LimitAboveCapacity, (10, 11, 10), id="parties above the capacity"),
    ],
)
def test_nobody_loses_a_place_by_a_new_size(refusal, limits):
    session = make_session(capacity=10)
    make_booking(session, size=3), make_booking(session, size=2)
    capacity, max_parties, sell_limit = limits

    with pytest.raises(refusal):
        sessions.resize(session.pk, capacity=capacity, max_parties=max_parties, sell_limit=sell_limit, now=NOON)

    assert TourSession.objects.get(pk=session.pk).capacity == 10


def test_the_sell_limit_may_go_below_what_is_held():
    session = make_session(capacity=10)
    held = make_booking(session, size=3)

    sessions.resize(session.pk, capacity=10, max_parties=10, sell_limit=1, now=NOON)

    assert (statuses(session), ledger(session)["places"]) == ({held: "confirmed"}, 3)


def test_whoever_holds_places_or_waits_is_told_old_and_new_time():
    session = make_session(capacity=2)
    held, waiting, unproven = make_booking(session), make_waiting(session), make_waiting(session, proven=False)

    later = START + DAY
    sessions.move(
        session.pk,
        starts_at=later,
        ends_at=later + 2 * HOUR,
        roster_locks_at=later - 2 * DAY,
        now=NOON,
        who="host:lin",
    )

    session.refresh_from_db()
    assert (session.starts_at, session.roster_locks_at) == (later, later - 2 * DAY)
    assert sorted(owed()) == sorted([("changed", held.party_id), ("changed", waiting.party_id)])
    assert {notice.facts["starts_at"] for notice in held.party.notices.all()} == {START.isoformat()}
    assert owed(unproven.party) == []


def test_no_offer_stands_past_an_earlier_roster_lock():
    session = make_session()
    offer = make_offered(session, offer_expires_at=NOON + 3 * DAY)

    sooner = NOON + 4 * DAY
    sessions.move(
        session.pk, starts_at=sooner, ends_at=sooner + HOUR, roster_locks_at=NOON + 2 * DAY, now=NOON, who="host:lin"
    )

    assert Booking.objects.get(pk=offer.pk).offer_expires_at == NOON + 2 * DAY


def test_whoever_is_told_a_deadline_that_an_earlier_lock_cuts_is_told_the_new_one():
    """The mail that is still queued names a deadline that no longer holds; it must not be the last word."""
    session = make_session()
    cut, kept = (make_offered(session, offer_expires_at=NOON + days * DAY) for days in (3, 1))
    unproven = make_sign_up(session, offer_expires_at=NOON + 3 * DAY)

    for _time in range(2):
        sessions.move(
            session.pk,
            starts_at=session.starts_at,
            ends_at=session.ends_at,
            roster_locks_at=NOON + 2 * DAY,
            now=NOON,
            who="host:lin",
        )

    assert owed() == [("offer", cut.party_id)]
    notice = Notice.objects.get(booking=cut)
    assert (notice.expires_at, outbox.still_true(notice, NOON)) == (NOON + 2 * DAY, True)
    assert (owed(kept.party), owed(unproven.party)) == ([], [])


def test_a_session_that_was_called_off_is_not_moved():
    session = make_session(called_off_at=NOON - HOUR)

    with pytest.raises(sessions.AlreadyCalledOff):
        sessions.move(
            session.pk, starts_at=START, ends_at=START + HOUR, roster_locks_at=START, now=NOON, who="host:lin"
        )


def test_a_sign_up_that_chose_the_session_just_before_it_was_called_off_is_refused(monkeypatch):
    """The page was asked, the host was faster: nobody stands in the line of a session that will not take place."""
    session = make_session(capacity=2)
    make_booking(session)
    choose = sign_up._chosen_sessions

    def choose_and_be_slow(choices, *, now):
        chosen = choose(choices, now=now)
        sessions.call_off(session.pk, reason=REPAIR, now=now, who="host:lin")
        return chosen

    monkeypatch.setattr(sign_up, "_chosen_sessions", choose_and_be_slow)

    with pytest.raises(opening.SessionCalledOff):
        ask(session)
