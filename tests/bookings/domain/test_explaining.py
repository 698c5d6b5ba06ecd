"""What hosts and parties read of a line: its last serving as one sentence, and what may come of waiting."""

from datetime import datetime, timedelta

import pytest

from bookings.domain import visit, waitlist
from bookings.domain.explaining import Outlook, SoFar, Verdict, last_servings, outlook, season_so_far, serving_in_words
from bookings.models import Ahead, DecisionTrigger, TourSession
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    make_full_session,
    make_season,
    make_session,
    make_waiting,
)

pytestmark = pytest.mark.django_db

# The roster locks two days before the start, 25 days and a half after noon; the last call begins a day before that.
LOCK = START - 2 * DAY
LAST_CALL = START - 3 * DAY + HOUR


def served(session: TourSession, *, now: datetime = NOON) -> str:
    """The sentence after everything that is due at ``now`` was done."""
    waitlist.offer_free_places(session.pk, now=now, trigger=DecisionTrigger.CANCELLED)
    return told(session, now=now)


def told(session: TourSession, *, now: datetime = NOON) -> str:
    session.refresh_from_db()
    return serving_in_words(session, last_servings([session]).get(session.pk, []), now=now).replace("\xa0", " ")


# The last serving


def test_a_session_that_never_had_a_line_has_nothing_to_explain():
    assert told(make_session()) == ""


def test_what_is_kept_for_first_call_is_told_with_or_without_a_line():
    session = make_session(capacity=2, places_kept=2, parties_kept=1)
    assert told(session) == (
        "2 places kept for parties whose session was called off; nobody waits; the line closes in 3 weeks, 2 days."
    )


def test_a_line_that_was_never_served_says_so():
    assert told(make_waiting(make_full_session()).session) == (
        "Nothing has become free for this line so far; the line closes in 3 weeks, 2 days."
    )


def test_whom_it_asked_what_it_saved_and_when_it_closes_is_one_sentence():
    session = make_full_session(capacity=6)
    make_waiting(session, size=2)
    make_waiting(session, size=3)
    assert served(session, now=LOCK - 3 * DAY) == (
        "Last offered to 1 party; 2 places saved for a party of 3; the line closes in 3 days."
    )


def test_several_offers_of_one_serving_are_told_together():
    session = make_full_session(capacity=6)
    make_waiting(session), make_waiting(session), make_waiting(session)
    assert served(session) == "Last offered to 2 parties; nothing is free now; the line closes in 3 weeks, 2 days."


def test_a_party_that_would_come_with_fewer_is_told_as_such():
    session = make_full_session(capacity=3)
    make_waiting(session, size=3, smallest_size=2)
    assert served(session) == (
        "1 place saved for a party of 3 that would come with 2; the line closes in 3 weeks, 2 days."
    )


def test_in_the_last_call_places_that_nobody_would_take_are_told():
    session = make_full_session(capacity=3)
    make_waiting(session, size=2)
    assert served(session, now=LAST_CALL) == (
        "1 place free, fewer than any party in line would come with; the line closes in 23 hours."
    )


def test_too_late_to_ask_anybody_is_told():
    session = make_full_session(capacity=4)
    make_waiting(session)
    assert served(session, now=LOCK - timedelta(minutes=20)) == (
        "2 places free, but too little time is left to ask anybody; the line closes in 20 minutes."
    )


def test_places_saved_for_a_party_that_left_are_saved_no_longer():
    session = make_full_session(capacity=3)
    head = make_waiting(session, size=2)
    waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.CANCELLED)
    waitlist.leave_lines(head.party_id, now=NOON)
    assert told(session) == "Nobody waits; the line closes in 3 weeks, 2 days."


def test_after_the_lock_the_line_is_closed():
    session = make_waiting(make_full_session()).session
    assert told(session, now=LOCK) == "Nothing has become free for this line so far; the line is closed."


def test_between_a_free_place_and_its_offer_nothing_old_is_told():
    session = make_full_session()
    make_waiting(session)
    visit.cancel_places(session.bookings.get(status="confirmed").party_id, now=NOON)
    TourSession.objects.filter(pk=session.pk).update(capacity=6, sell_limit=6, max_parties=6)
    make_waiting(session)
    assert told(session) == (
        "Last offered to 1 party; the next in line is asked at any moment; the line closes in 3 weeks, 2 days."
    )


def test_the_last_servings_of_many_lines_cost_two_queries(django_assert_num_queries):
    season = make_season()
    sessions = [make_full_session(season=season, capacity=3) for _number in range(3)]
    for session in sessions[:2]:
        make_waiting(session, size=2)
        for hour in (0, 1):
            TourSession.objects.filter(pk=session.pk).update(capacity=3 + hour, max_parties=3 + hour)
            waitlist.offer_free_places(session.pk, now=NOON + hour * HOUR, trigger=DecisionTrigger.CANCELLED)
    with django_assert_num_queries(2):
        found = last_servings(sessions)
    assert {pk: [decision.reason for decision in decisions] for pk, decisions in found.items()} == {
        sessions[0].pk: ["saved"],
        sessions[1].pk: ["saved"],
    }
    assert {decision.decided_at for decisions in found.values() for decision in decisions} == {NOON + HOUR}


# What may come of it


NOTHING_YET = SoFar(offers=0, lines=1)


def looks(*, offers: int, ahead: int, so_far: SoFar = NOTHING_YET, now: datetime = NOON) -> Outlook | None:
    season = make_season(opens_at=NOON - 10 * DAY)
    session = make_session(season=season, starts_at=NOON + 12 * DAY)  # Ten days until the roster locks.
    session.offers_made = offers
    return outlook(session, Ahead(ahead), so_far, now=now)


@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [(0, "likely"), (6, "likely"), (7, "possible"), (27, "possible"), (28, "unlikely"), (1200, "unlikely")],
)
def test_the_pace_of_a_line_until_its_roster_locks_is_held_against_the_parties_ahead(ahead, verdict):
    assert looks(offers=14, ahead=ahead) == Outlook(Verdict(verdict), 14, 14, is_of_season=False)


def test_a_line_that_had_few_offers_is_judged_by_the_average_of_its_season():
    season = SoFar(offers=40, lines=4)
    assert looks(offers=4, ahead=4, so_far=season) == Outlook(Verdict.LIKELY, 40, 4, is_of_season=True)
    assert looks(offers=4, ahead=20, so_far=season) == Outlook(Verdict.UNLIKELY, 40, 4, is_of_season=True)


def test_the_less_time_is_left_the_less_is_to_be_expected():
    late = NOON + 9 * DAY  # One day until the roster locks, after nineteen.
    assert looks(offers=14, ahead=2, now=late) == Outlook(Verdict.UNLIKELY, 14, 14, is_of_season=False)


def test_with_too_little_to_go_by_there_is_no_verdict():
    assert looks(offers=0, ahead=0) == Outlook(None, 0, 0, is_of_season=True)
    assert looks(offers=1, ahead=0, so_far=SoFar(4, 2)) == Outlook(None, 4, 1, is_of_season=True)
    assert looks(offers=9, ahead=0, now=NOON - 9 * DAY - HOUR) == Outlook(None, 9, 9, is_of_season=False)


def test_nothing_is_to_be_expected_of_a_line_that_is_closed():
    assert looks(offers=14, ahead=0, now=NOON + 10 * DAY) is None


def test_what_happened_so_far_counts_lines_and_not_sessions():
    season = make_season()
    full = make_full_session(season=season, capacity=4)
    make_session(season=season)
    make_waiting(full)
    waitlist.offer_free_places(full.pk, now=NOON, trigger=DecisionTrigger.CANCELLED)
    elsewhere = make_full_session()
    make_waiting(elsewhere)
    assert season_so_far(season) == SoFar(offers=1, lines=1)
    assert season_so_far(make_season()) == SoFar(offers=0, lines=0)
