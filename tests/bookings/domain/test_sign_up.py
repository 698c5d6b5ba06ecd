"""Sign-up in a first-come season: who is offered places at once, who waits, who is refused and in which words."""

import uuid
from datetime import timedelta

import pytest

from bookings.domain import opening, people, sign_up
from bookings.domain.people import Person
from bookings.models import (
    Booking,
    BookingEvent,
    Decision,
    Member,
    Notice,
    OfferSource,
    Party,
    SeasonMode,
    person_key,
)
from tests.acts import ADULT, CHILD, ask, ledger, owed, statuses, submit
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    make_booking,
    make_offered,
    make_season,
    make_session,
    make_tour,
    make_waiting,
)

pytestmark = pytest.mark.usefixtures("promises_kept")


def test_the_first_choice_with_room_is_offered():
    season = make_season()
    full, roomy, roomy_too = (make_session(season=season, capacity=4) for _session in range(3))
    make_booking(full, size=3)

    party = ask(full, roomy, roomy_too, size=2)

    offered = party.bookings.get()
    assert (offered.session, offered.status, offered.preference, offered.places, offered.offer_source) == (
        roomy,
        "offered",
        2,
        2,
        OfferSource.SIGN_UP,
    )
    assert [ledger(session) for session in (full, roomy, roomy_too)] == [
        {"places": 3, "parties": 1, "offered": 0, "waiting": 0},
        {"places": 2, "parties": 1, "offered": 1, "waiting": 0},
        {"places": 0, "parties": 0, "offered": 0, "waiting": 0},
    ]
    assert owed() == [("prove", party.pk)]


def test_what_the_party_said_is_kept_as_it_said_it():
    session = make_session()

    ask(
        session,
        lead=ADULT,
        companions=[CHILD, Person("Zhang Wei", 18, None)],
        email="Lin+factory@Example.COM",
        language="zh-hans",
        smallest_size=2,
        short_notice=True,
        access_needs="A wheelchair",
        consents=[7, 8],
    )

    party = Party.objects.get()
    told = ["lead_name", "email", "language", "size", "smallest_size", "short_notice", "access_needs", "consents"]
    assert [getattr(party, name) for name in told] == [
        "Lin Xiaoyun",
        "Lin+factory@Example.COM",
        "zh-hans",
        3,
        2,
        True,
        "A wheelchair",
        [7, 8],
    ]
    assert party.people() == [("Lin Xiaoyun", 18, None), ("Lin Jun", 6, 17), ("Zhang Wei", 18, None)]
    assert (party.person_key, party.asked_at, party.is_proven) == (person_key("lin@example.com"), NOON, False)
    assert list(BookingEvent.objects.values_list("from_status", "to_status", "happened_at", "who")) == [
        ("", "offered", NOON, "party")
    ]


def test_a_sign_up_offer_stands_six_hours_if_its_mail_cannot_leave_and_thirty_minutes_from_when_it_does():
    party = ask(make_session())
    offer = party.bookings.get()
    assert offer.offer_expires_at == NOON + 6 * HOUR

    handed_over_at = NOON + timedelta(minutes=90)
    assert party.bookings.all().start_sign_up_clock(handed_over_at=handed_over_at) == 1
    assert party.bookings.get().offer_expires_at == NOON + timedelta(minutes=120)

    assert party.bookings.all().start_sign_up_clock(handed_over_at=NOON + 5 * HOUR) == 0, "never later than it was"


def test_a_sign_up_offer_never_stands_past_the_roster_lock():
    session = make_session(roster_locks_at=NOON + HOUR)

    assert ask(session).bookings.get().offer_expires_at == NOON + HOUR


def test_the_mail_that_starts_the_clock_does_not_shorten_an_offer_from_the_line():
    offer = make_offered(make_session(), offer_expires_at=NOON + 10 * HOUR)

    assert Booking.objects.start_sign_up_clock(handed_over_at=NOON) == 0
    offer.refresh_from_db()
    assert offer.offer_expires_at == NOON + 10 * HOUR


def test_without_a_mailbox_to_prove_asking_is_confirming():
    session = make_session(season=make_season(proves_mailbox=False))

    party = ask(session)

    assert statuses(session) == {party.bookings.get(): "confirmed"}
    assert owed() == [("confirmed", party.pk)]


def test_if_no_choice_has_room_the_party_waits_for_all_of_them():
    season = make_season()
    first, second = make_session(season=season, capacity=2), make_session(season=season, capacity=2)
    make_booking(first), make_booking(second)
    make_waiting(second)

    party = ask(second, first, size=2)

    waiting = party.bookings.order_by("preference")
    assert [(b.session, b.status, b.queue_number) for b in waiting] == [(second, "waiting", 2), (first, "waiting", 1)]
    assert owed() == [("in_line", party.pk)]
    assert (party.prove_by, Notice.objects.get().expires_at) == (NOON + 48 * HOUR, NOON + 48 * HOUR)


def test_an_unproven_party_takes_its_number_but_does_not_stand_in_line_nor_close_direct_sign_up():
    session = make_session(capacity=3)
    make_booking(session, size=2)
    waiting = ask(session, size=3)
    assert ledger(session)["waiting"] == 0

    small = ask(session, size=1)

    assert statuses(session) == {
        session.bookings.get(party__size=2): "confirmed",
        waiting.bookings.get(): "waiting",
        small.bookings.get(): "offered",
    }


def test_where_somebody_waits_a_newcomer_does_not_overtake_even_where_it_would_fit(commits):
    session = make_session(capacity=4)
    make_booking(session, size=2)
    head = make_waiting(session, size=3)

    with commits():
        newcomer = ask(session, size=2)

    assert statuses(session)[head] == "waiting"
    assert newcomer.bookings.get().status == "waiting"
    assert Decision.objects.get().saved_for == head


def test_the_line_is_served_before_a_newcomer_takes_what_is_left():
    session = make_session(capacity=5)
    head = make_waiting(session, size=2)

    newcomer = ask(session, size=2)

    assert statuses(session) == {head: "offered", newcomer.bookings.get(): "offered"}
    assert Decision.objects.get().offered_to == head


def test_in_the_last_call_a_newcomer_may_take_what_nobody_in_line_fits():
    session = make_session(capacity=4, roster_locks_at=NOON + 23 * HOUR)
    make_booking(session, size=2)
    head = make_waiting(session, size=3)

    newcomer = ask(session, size=2)

    assert statuses(session)[head] == "waiting"
    assert newcomer.bookings.get().status == "offered"
    assert [decision.reason for decision in Decision.objects.all()] == ["no fit"]


def test_a_choice_whose_line_wants_nothing_of_what_is_free_comes_before_the_next_choice():
    season = make_season()
    dear, roomy = (make_session(season=season, capacity=4, roster_locks_at=NOON + 23 * HOUR) for _session in range(2))
    make_booking(dear, size=2)
    make_waiting(dear, size=3)

    newcomer = ask(dear, roomy, size=2)

    assert [(booking.session, booking.status) for booking in newcomer.bookings.all()] == [(dear, "offered")]


def test_the_limit_of_parties_holds_where_places_are_left():
    session = make_session(capacity=60, max_parties=2)
    make_booking(session, size=1), make_booking(session, size=1)

    assert ask(session, size=1).bookings.get().status == "waiting"


def test_the_sell_limit_may_be_lower_than_what_is_held_then_nobody_loses_a_place_and_nothing_new_is_given():
    session = make_session(capacity=10, sell_limit=3)
    held = make_booking(session, size=3), make_booking(session, size=2)

    asking = ask(session, size=1)

    assert statuses(session) == dict.fromkeys(held, "confirmed") | {asking.bookings.get(): "waiting"}


def test_the_same_submit_again_changes_nothing():
    session, key = make_session(), uuid.uuid4()
    ask(session, submission_key=key, email="lin@example.com")

    ask(session, submission_key=key, email="lin@example.com")
    submit(session, submission_key=key, email="another@example.com")

    assert Party.objects.count() == Booking.objects.count() == Notice.objects.count() == 1
    assert ledger(session) == {"places": 2, "parties": 1, "offered": 1, "waiting": 0}


def test_the_same_person_again_changes_nothing_and_is_told_at_most_once_an_hour():
    season = make_season()
    session, other = make_session(season=season), make_session(season=season)
    party = ask(session, email="lin@example.com")

    for minutes in (1, 20, 59):
        submit(other, email="LIN+again@example.com", now=NOON + timedelta(minutes=minutes))
    assert owed() == [("prove", party.pk), ("already_in", party.pk)]

    submit(other, email="lin@example.com", now=NOON + timedelta(minutes=61))
    assert owed()[2:] == [("already_in", party.pk)]
    assert Party.objects.get() == party


def test_whoever_cancelled_may_ask_again():
    session = make_session()
    make_booking(session, "cancelled", email="lin@example.com", ended_at=NOON - HOUR)

    assert ask(session, email="lin@example.com").bookings.get().status == "offered"


def test_the_same_person_may_be_in_two_seasons():
    one, other = make_session(), make_session()

    parties = [ask(session, email="lin@example.com") for session in (one, other)]

    assert list(Party.objects.live().order_by("pk")) == parties


def refused(refusal, *sessions, **asked):
    with pytest.raises(refusal) as caught:
        ask(*sessions, **asked)
    assert Party.objects.count() == Member.objects.count() == Notice.objects.count() == 0
    return str(caught.value)


@pytest.mark.parametrize(
    ("refusal", "given", "now"),
    [
        pytest.param(opening.SignUpNotYetOpen, {}, NOON - DAY - timedelta(seconds=1), id="not yet open"),
        pytest.param(opening.SignUpClosed, {"closes_at": START - 3 * DAY}, START - 3 * DAY, id="the season has closed"),
        pytest.param(opening.SignUpClosed, {}, START - 2 * DAY, id="the roster has locked"),
        pytest.param(opening.SignUpClosed, {"closed_at": NOON - HOUR}, NOON, id="closed by a host"),
        pytest.param(opening.SessionCalledOff, {"called_off_at": NOON - HOUR}, NOON, id="called off"),
    ],
)
def test_a_session_that_takes_nobody_says_why(refusal, given, now):
    season = make_season(closes_at=given.pop("closes_at", START))

    assert refused(refusal, make_session(season=season, **given), now=now) == str(refusal.message)


def test_sign_up_is_open_from_its_moment_on():
    assert ask(make_session(season=make_season(opens_at=NOON)), now=NOON).asked_at == NOON


def test_one_closed_choice_refuses_the_whole_ask():
    season = make_season()
    refused(opening.SignUpClosed, make_session(season=season), make_session(season=season, closed_at=NOON))


def test_sessions_that_are_unknown_unpublished_repeated_or_of_two_seasons_are_refused():
    season = make_season()
    session = make_session(season=season)
    hidden = make_session(season=make_season(published=False))
    gone = make_session(season=season)
    gone.delete()
    gone.pk = 999_999
    refused(opening.SessionUnknown)
    refused(opening.SessionUnknown, hidden)
    refused(opening.SessionUnknown, session, gone)
    refused(opening.SessionUnknown, session, session)
    refused(opening.SessionUnknown, session, make_session())


def test_more_sessions_than_the_season_allows_are_refused():
    season = make_season(choices_allowed=2)
    refused(sign_up.TooManyChoices, *(make_session(season=season) for _session in range(3)))


def test_a_ballot_takes_no_first_come_sign_up():
    refused(opening.SignUpClosed, make_session(season=make_season(mode=SeasonMode.BALLOT)))


@pytest.mark.parametrize(
    ("refusal", "lead", "companions"),
    [
        pytest.param(people.PartyTooLarge, ADULT, [ADULT] * 3, id="four on a tour for three"),
        pytest.param(people.PartyTooSmall, ADULT, [], id="alone on a tour from two"),
        pytest.param(people.TooYoung, ADULT, [Person("Lin Jun", 0, 5)], id="a five-year-old on a tour from six"),
        pytest.param(people.NoAdult, CHILD, [CHILD], id="no adult"),
        pytest.param(people.NamesMissing, ADULT, [Person(" \t", 18, None)], id="a blank name"),
        pytest.param(people.NamesMissing, Person("", 18, None), [ADULT], id="no name of the lead"),
    ],
)
def test_a_party_that_may_not_come_is_told_why(refusal, lead, companions):
    session = make_session(season=make_season(tour=make_tour(smallest_party=2)))

    assert refused(refusal, session, lead=lead, companions=companions) == str(refusal.message)


def test_an_adult_among_the_companions_is_enough():
    assert ask(make_session(), lead=CHILD, companions=[ADULT]).size == 2


def test_the_smallest_size_is_never_above_the_size():
    assert ask(make_session(), size=2, smallest_size=3).smallest_size == 2


def test_a_sign_up_takes_few_queries_and_no_more_of_them_for_a_longer_line(django_assert_max_num_queries):
    session = make_session(capacity=2)
    make_booking(session)
    make_waiting(session, size=2)
    with django_assert_max_num_queries(40) as short:
        ask(session)
    for _party in range(20):
        make_waiting(session, size=2)
    with django_assert_max_num_queries(40) as long:
        ask(session)
    assert len(short) == len(long)


def test_without_a_mailbox_to_prove_a_waiting_party_stands_in_line_at_once():
    session = make_session(season=make_season(proves_mailbox=False), capacity=2)
    make_booking(session)

    party = ask(session)

    assert (party.is_proven, party.prove_by, ledger(session)["waiting"]) == (True, None, 1)
    assert [booking.party for booking in session.bookings.in_line()] == [party]


def test_without_a_mailbox_to_prove_joining_serves_the_line_at_once():
    session = make_session(season=make_season(proves_mailbox=False), capacity=4)
    make_booking(session, size=2)

    party = ask(session, size=3, smallest_size=2)

    assert [(booking.status, booking.places) for booking in party.bookings.all()] == [("offered", 2)]
    assert owed() == [("in_line", party.pk), ("offer", party.pk)]


def test_a_party_that_a_whole_session_is_too_small_for_is_refused_and_blocks_no_line():
    small = make_session(capacity=2)
    with pytest.raises(opening.TooLargeForSession):
        ask(small, size=3)
    assert small.bookings.count() == 0

    party = ask(small, size=3, smallest_size=2)
    assert [(each.status, each.least) for each in party.bookings.all()] == [("waiting", 2)]
