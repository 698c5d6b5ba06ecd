""" "Why were we not asked?": every waiting party has an answer at every moment, and reads what its line did last."""

import os
import re
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookings.domain import visit, waitlist
from bookings.domain.errors import BookingError
from bookings.models import Booking, BookingStatus, Decision, DecisionReason, DecisionTrigger, Party, TourSession
from portal.views.visit_log import MOST_ENTRIES
from portal.views.visit_state import LATEST_DECISIONS
from tests.acts import ask, people
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    make_full_session,
    make_offered,
    make_season,
    make_session,
    make_waiting,
)
from tests.portal.pages import words
from tests.portal.visits import address, enter

pytestmark = pytest.mark.django_db

# The roster locks two days before the start; the last call begins a day before that.
LOCK = START - 2 * DAY
LAST_CALL = START - 3 * DAY


@pytest.fixture
def lines(client, clock, house):
    """``lines(booking)`` is what the page tells of each line, without its marks: a list of paragraphs a line."""

    def read(booking, *, now=NOON):
        clock(now)
        party = Party.objects.get(pk=booking.party_id)
        page = enter(client, party).get(address(party)).content.decode()
        sheet = re.findall(r'(?s)<section class="sheet" aria-labelledby="lines">(.*?)</section>', page)[0]
        return [
            [
                " ".join(re.sub(r"<[^>]+>", "", told).replace("\xa0", " ").split())
                for told in re.findall(r"(?s)<p[^>]*>(.*?)</p>", line)
            ][1:5]
            for line in sheet.split("<h3")[1:]
        ]

    return read


@pytest.fixture
def why(lines):
    """``why(booking)`` is the answer of its first line."""
    return lambda booking, now=NOON: lines(booking, now=now)[0][1]


def serve(session, *, now=NOON):
    return waitlist.offer_free_places(session.pk, now=now, trigger=DecisionTrigger.CANCELLED)


def grow(session, *, by=1):
    """Room for one more party of so many, without serving the line."""
    session.refresh_from_db()
    capacity = session.capacity + by
    TourSession.objects.filter(pk=session.pk).update(capacity=capacity, sell_limit=capacity, max_parties=capacity)


def ends_of(offer: Booking) -> datetime:
    offer.refresh_from_db()
    assert offer.offer_expires_at
    return offer.offer_expires_at


# The answer


def test_nothing_has_become_free(why):
    assert why(make_waiting(make_full_session())) == "Nothing has become free since you joined this line."


def test_the_mailbox_is_not_proven_yet(why):
    assert why(make_waiting(make_full_session(capacity=4), proven=False)) == (
        "You are asked once you have pressed to show us that your mailbox is yours. Until then your number is kept."
    )


def test_another_offer_stands(why):
    season = make_season()
    waiting = make_waiting(make_full_session(season=season))
    make_offered(make_session(season=season), party=waiting.party)
    assert why(waiting) == "While another offer stands for you, you are not asked here. You keep your number."


def test_somebody_before_was_asked(why):
    session = make_full_session(capacity=4)
    make_waiting(session)
    booking = make_waiting(session)
    serve(session)
    assert why(booking) == "2 places were offered to number 1, before you in line."


def test_somebody_before_let_it_lapse(why):
    session = make_full_session(capacity=4)
    first, _second, third = (make_waiting(session) for _party in range(3))
    serve(session)
    first.refresh_from_db()
    waitlist.lapse_offers(now=ends_of(first))
    assert why(third, now=first.offer_expires_at) == "2 places were offered to number 2, before you in line."
    assert why(first, now=first.offer_expires_at) == "2 places were offered to number 2, before you in line."


def test_an_offer_of_fewer_places_is_told_by_the_places_that_were_offered(why):
    session = make_full_session(capacity=3)
    make_waiting(session, size=3, smallest_size=1)
    booking = make_waiting(session, size=1)
    serve(session)
    assert why(booking) == "1 place was offered to number 1, before you in line."


def test_places_are_saved_for_the_party_itself(why):
    session = make_full_session(capacity=4)
    head = make_waiting(session, size=3)
    serve(session)
    assert why(head) == "2 places are free. You are 3, so they are saved for you until there is room for all of you."


def test_places_are_saved_until_as_many_are_free_as_it_would_come_with(why):
    session = make_full_session(capacity=3)
    head = make_waiting(session, size=3, smallest_size=2)
    serve(session)
    assert why(head) == "1 place is free. You would come with 2, so it is saved for you until that many are free."


def test_places_are_saved_for_somebody_before_even_if_that_was_decided_before_it_joined(why):
    session = make_full_session(capacity=3)
    make_waiting(session)
    serve(session)
    late = make_waiting(session, size=1, status_since=NOON + HOUR)
    assert why(late, now=NOON + HOUR) == (
        "1 place is free and saved for number 1, before you in line, until its whole party fits."
    )


def test_places_are_saved_for_a_party_with_first_call(why):
    session = make_full_session(capacity=3)
    booking = make_waiting(session, size=1)
    make_waiting(session, first_call=True)
    serve(session)
    assert why(booking) == (
        "1 place is free and saved for number 2: the session it had places in was called off, so it is asked first. "
        "You keep your number."
    )


def test_places_are_kept_for_first_call(why):
    session = make_session(season=make_season(first_call_until=NOON + 3 * DAY), capacity=2)
    TourSession.objects.filter(pk=session.pk).update(places_kept=2, parties_kept=1, keeps_for_first_call=True)
    assert why(make_waiting(session)) == (
        "2 places are free, but kept for visitors whose session was called off. You keep your number."
    )


@pytest.fixture
def kept():
    """Two places are kept, for a party of three that is first in line by first call, as one of two is behind it."""
    until = NOON + 3 * DAY
    session = make_full_session(season=make_season(first_call_until=until), capacity=4)
    TourSession.objects.filter(pk=session.pk).update(places_kept=2, parties_kept=2, keeps_for_first_call=True)
    called = [make_waiting(session, size=size, first_call=True, first_call_until=until) for size in (3, 2)]
    return session, *called, make_waiting(session, size=1)


def test_what_is_kept_is_saved_for_the_first_in_line_by_first_call(kept, why):
    session, head, behind, newcomer = kept
    serve(session)
    assert [why(booking) for booking in (head, behind, newcomer)] == [
        "2 places are free. You are 3, so they are saved for you until there is room for all of you.",
        "2 places are free and saved for number 1, before you in line, until its whole party fits.",
        "2 places are free, but kept for visitors whose session was called off. You keep your number.",
    ]


def test_first_call_went_before(why):
    session = make_full_session(capacity=4)
    booking = make_waiting(session)
    make_waiting(session, first_call=True)
    serve(session)
    assert why(booking) == (
        "2 places were offered to number 2: the session it had places in was called off, so it is asked first. "
        "You keep your number."
    )


def test_the_party_would_not_fit(why):
    session = make_full_session(capacity=3)
    booking = make_waiting(session)
    serve(session, now=LAST_CALL)
    assert why(booking, now=LAST_CALL) == (
        "1 place is free and you are 2. In the last 24 hours the first party that fits is asked; you keep your number."
    )


def test_a_smaller_party_behind_was_asked(why):
    session = make_full_session(capacity=3)
    booking = make_waiting(session)
    make_waiting(session, size=1)
    serve(session, now=LAST_CALL)
    assert why(booking, now=LAST_CALL) == (
        "1 place became free and you are 2. It went to number 2, behind you: in the last 24 hours the first party that "
        "fits is asked. You keep your number."
    )


def test_short_notice_went_before(why):
    session = make_full_session(capacity=4)
    booking = make_waiting(session)
    make_waiting(session, short_notice=True)
    serve(session, now=LAST_CALL)
    assert why(booking, now=LAST_CALL) == (
        "2 places were offered to number 2, behind you: in the last 24 hours, parties that can come at short notice "
        "are asked first. You keep your number."
    )


def test_the_party_chose_to_wait_for_all(why):
    session = make_full_session(capacity=3)
    booking = make_waiting(session, size=2, smallest_size=1)
    serve(session, now=LAST_CALL)
    waitlist.wait_for_all(booking.pk, now=LAST_CALL + HOUR / 2)
    assert why(booking, now=LAST_CALL + HOUR / 2) == (
        "1 place is free, and you chose to wait for all 2 of you. You keep your number."
    )
    make_waiting(session, size=1)
    serve(session, now=LAST_CALL + 2 * HOUR)
    assert why(booking, now=LAST_CALL + 2 * HOUR) == (
        "1 place was offered to number 2, behind you: you chose to wait for all 2 of you. You keep your number."
    )


def test_fewer_places_are_given_out_than_the_party_would_come_with(why):
    session = make_session(capacity=3, sell_limit=2)
    large, _small, behind = make_waiting(session, size=3), make_waiting(session, size=1), make_waiting(session)
    serve(session)
    assert [why(large), why(behind)] == [
        "Fewer places are given out in this session than you would come with, so you are not asked unless the house "
        "gives out more. You keep your number.",
        "1 place is free. You are 2, so it is saved for you until there is room for all of you.",
    ]


def test_a_party_too_large_for_what_is_given_out_is_not_told_that_it_is_first(client, clock, house):
    clock(NOON)
    booking = make_waiting(make_full_session(capacity=4, sell_limit=2), size=3)
    told = words(enter(client, booking.party).get(address(booking.party)))
    assert ("Too few places are given out here for you" in told, "You are first in line" in told) == (True, False)


def test_nothing_has_become_free_since_an_offer_lapsed(why):
    session = make_full_session(capacity=6)
    make_waiting(session)
    booking = make_waiting(session)
    serve(session)
    TourSession.objects.filter(pk=session.pk).update(sell_limit=2)  # What becomes free now is not given out again.
    booking.refresh_from_db()
    ends = ends_of(booking)
    waitlist.lapse_offers(now=ends)
    assert why(booking, now=ends) == "Nothing has become free since you joined this line again."


def test_too_little_time_is_left(why):
    session = make_full_session(capacity=4)
    booking = make_waiting(session)
    late = LOCK - timedelta(minutes=20)
    assert why(booking, now=late) == "2 places are free, but too little time is left to ask anybody."


def test_the_roster_has_locked_and_the_clock_has_not_come_by(why):
    assert why(make_waiting(make_full_session()), now=LOCK) == (
        "The list of visitors is fixed, so nobody is asked any more."
    )


def test_places_for_which_no_further_party_may_come_have_not_become_free(why):
    session = make_full_session(capacity=4)
    TourSession.objects.filter(pk=session.pk).update(max_parties=1)
    assert why(make_waiting(session)) == "Nothing has become free since you joined this line."


def test_the_line_is_about_to_be_served(why):
    session = make_full_session(capacity=4)
    assert why(make_waiting(session)) == "Something has just become free, and the line is asked at this moment."


# Its line


def test_a_line_is_told_in_four_sentences(lines):
    session = make_full_session(capacity=5, season=make_season(opens_at=NOON - 9 * DAY))
    make_waiting(session)
    make_waiting(session)
    booking = make_waiting(session)
    serve(session)
    assert lines(booking) == [
        [
            "1 party is ahead of you. Your number is 3.",
            "1 place is free and saved for number 2, before you in line, until its whole party fits.",
            "So far 1 offer went to the lines of this season, 1 of them to this line. That is too little to say how "
            "likely your turn is.",
            "Last offered to 1 party; 1 place saved for a party of 2; the line closes in 3 weeks, 2 days.",
        ]
    ]


@pytest.mark.parametrize(
    ("offers", "told"),
    [
        (0, "Too early to say how likely your turn is: no place has become free in this season yet."),
        (60, "So far 60 offers went to this line. If it goes on like this, your turn is likely to come."),
        (17, "So far 17 offers went to this line. If it goes on like this, your turn may come."),
        (6, "So far 6 offers went to this line. If it goes on like this, your turn is unlikely to come."),
    ],
)
def test_an_honest_chance_is_told_with_the_numbers_behind_it(lines, offers, told):
    session = make_full_session(season=make_season(opens_at=NOON - 24 * DAY))
    for _party in range(20):
        make_waiting(session)
    booking = make_waiting(session)
    TourSession.objects.filter(pk=session.pk).update(offers_made=offers)
    assert lines(booking)[0][2] == told


# At every moment. The suite plays the same histories every time; `PORTAL_EXAMPLES=1000` as many others.

EXAMPLES = int(os.environ.get("PORTAL_EXAMPLES", "0"))
PICK = st.integers(0, 11)
ACTS = st.one_of(
    st.tuples(st.just("ask"), st.integers(1, 3), st.integers(1, 3), st.sets(st.sampled_from([0, 1]), min_size=1)),
    st.tuples(st.sampled_from(["prove", "cancel", "accept", "decline", "wait for all", "leave", "fewer"]), PICK),
    st.tuples(st.just("grow"), st.sampled_from([0, 1]), st.integers(1, 2)),
    st.tuples(st.just("later"), st.sampled_from([1, 5, 30, 24 * 8, 24 * 21])),
)
MOMENTARY = "Something has just become free, and the line is asked at this moment."


@pytest.mark.any_database
@settings(
    max_examples=EXAMPLES or 50,
    deadline=None,
    derandomize=not EXAMPLES,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(history=st.lists(ACTS, min_size=5, max_size=30))
def test_in_any_history_every_waiting_party_reads_an_answer(lines, history):
    with transaction.atomic():
        season = make_season(closes_at=START + DAY)
        sessions = [
            make_full_session(season=season, capacity=2 + number, starts_at=START + number * DAY) for number in (0, 1)
        ]
        now = NOON
        for act in history:
            now = play(*act, sessions=sessions, now=now)
            waitlist.lapse_offers(now=now)
            waitlist.serve_waiting_lines(now=now)
        for booking in Booking.objects.filter(status=BookingStatus.WAITING).select_related("party"):
            for told in lines(booking, now=now):
                assert len(told) >= 3, told
                assert all(told), told
                assert told[1] != MOMENTARY  # Everything that was due has been done.
        transaction.set_rollback(True)


def play(act: str, *details: Any, sessions: list[TourSession], now: datetime) -> datetime:
    """One act of somebody, if the rules allow it; returns what time it is then."""
    match act, *details:
        case "later", hours:
            return now + timedelta(hours=hours)
        case "grow", number, by:
            grow(sessions[number], by=by)
        case "ask", size, smallest, chosen:
            with suppress(BookingError):
                choices = [sessions[number] for number in sorted(chosen)]
                ask(*choices, size=size, smallest_size=min(size, smallest), short_notice=size == smallest, now=now)
        case _, pick:
            parties = list(Party.objects.live().order_by("pk"))
            with suppress(BookingError):
                press_one(act, parties[pick % len(parties)] if parties else None, now=now)
    return now


def press_one(act: str, party: Party | None, *, now: datetime) -> None:
    if party is None:
        return
    offer = party.bookings.filter(status=BookingStatus.OFFERED).first()
    match act:
        case "prove":
            visit.prove_mailbox(party.pk, now=now)
        case "cancel":
            visit.cancel_places(party.pk, now=now)
        case "leave":
            waitlist.leave_lines(party.pk, now=now)
        case "fewer":
            lead, companions = people(max(1, party.size - 1))
            visit.come_with_fewer(party.pk, lead=lead, companions=companions, now=now)
        case "accept" if offer:
            waitlist.accept_offer(offer.pk, now=now, coming=range(2, offer.places + 1))
        case "decline" if offer:
            waitlist.decline_offer(offer.pk, now=now)
        case "wait for all" if offer:
            waitlist.wait_for_all(offer.pk, now=now)


# As much as is read


def test_what_was_not_read_is_longer_too(client, clock, house):
    session = make_full_session()
    booking = make_waiting(session)
    page = words(enter(client, booking.party).get(address(booking.party)))
    assert "More happened before" not in page
    for number in range(LATEST_DECISIONS):
        Decision.objects.create(
            session=session,
            decided_at=NOON - number * HOUR,
            trigger=DecisionTrigger.CANCELLED,
            places_free=0,
            parties_free=0,
            reason=DecisionReason.FULL,
        )
    page = words(enter(client, booking.party).get(address(booking.party)))
    assert "More happened before; only the latest is shown." in page


def test_a_log_that_is_longer_than_what_is_shown_says_so(client, clock, house):
    session = make_full_session()
    booking = make_waiting(session)
    told = []
    for number in range(MOST_ENTRIES):
        waiting = make_waiting(session, first_call=True)
        page = words(enter(client, booking.party).get(address(booking.party)))
        told.append("More happened before; only the latest is shown." in page)
        grow(session, by=2)
        assert serve(session, now=NOON + number * HOUR) == 1
        waiting.refresh_from_db()
    page = words(enter(client, booking.party).get(address(booking.party)))
    told.append("More happened before; only the latest is shown." in page)
    assert told == [False] * MOST_ENTRIES + [True]
