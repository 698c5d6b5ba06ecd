"""How many parties stand before one: counted near the front, told in two figures behind it."""

from datetime import datetime

import pytest
from django.utils import translation

from bookings.models import Ahead, Booking, TourSession, parties_ahead
from tests.factories import DAY, HOUR, NOON, START, make_full_session, make_offered, make_session, make_waiting
from tests.long_lines import fill_line

pytestmark = pytest.mark.django_db


# The roster locks two days before the start; the last call begins a day before that.
LAST_CALL = START - 3 * DAY


def ahead_of(*bookings: Booking, now: datetime = NOON) -> list[Ahead]:
    read = Booking.objects.select_related("session")
    return [parties_ahead(read.get(pk=booking.pk), now=now) for booking in bookings]


def in_order(session: TourSession) -> list[Booking]:
    return list(session.bookings.in_line())


def test_whoever_waits_before_a_party_is_counted():
    session = make_full_session()
    line = [make_waiting(session) for _party in range(3)]
    assert ahead_of(*line) == [Ahead(0), Ahead(1), Ahead(2)]


def test_parties_that_cannot_be_asked_are_not_ahead():
    session = make_full_session()
    make_waiting(session, proven=False)
    make_offered(make_session(season=session.season), party=make_waiting(session).party)
    assert ahead_of(make_waiting(session)) == [Ahead(0)]


def test_parties_with_first_call_are_ahead_whatever_their_number():
    session = make_full_session()
    before, behind = make_waiting(session), make_waiting(session)
    called, also = make_waiting(session, first_call=True), make_waiting(session, first_call=True)
    assert ahead_of(called, also, before, behind) == [Ahead(0), Ahead(1), Ahead(2), Ahead(3)]


def test_a_hundred_are_counted_and_more_are_told_in_two_figures():
    session = make_full_session()
    fill_line([session], parties=1300)
    line = in_order(session)
    assert ahead_of(line[99], line[100], line[101], line[1234]) == [
        Ahead(99),
        Ahead(100),
        Ahead(100, is_about=True),
        Ahead(1200, is_about=True),
    ]


def test_numbers_that_were_left_are_not_counted_as_parties():
    session = make_full_session()
    fill_line([session], parties=2000)
    left = [booking.pk for booking in in_order(session)[500:][::2]]
    Booking.objects.filter(pk__in=left).delete()
    TourSession.objects.filter(pk=session.pk).update(parties_waiting=2000 - len(left))
    line = in_order(session)
    (told,) = ahead_of(line[-1])
    assert told == Ahead(1200, is_about=True)


def test_behind_more_than_a_hundred_with_first_call_a_party_is_told_of_all_of_them():
    session = make_full_session()
    last = make_waiting(session)
    fill_line([session], parties=150, first_call=True)
    assert ahead_of(last) == [Ahead(150, is_about=True)]


def test_of_thousands_with_first_call_all_are_ahead_and_the_line_behind_them_is_told_by_its_own_numbers():
    session = make_full_session()
    fill_line([session], parties=200)
    fill_line([session], parties=3000, first_call=True)
    fill_line([session], parties=2000)
    line = in_order(session)
    told = ahead_of(line[50], line[1500], line[2999], line[3000], line[3100], line[-1])
    assert told == [
        Ahead(50),
        Ahead(1500, is_about=True),
        Ahead(2900, is_about=True),
        Ahead(3000, is_about=True),
        Ahead(3100, is_about=True),
        Ahead(5100, is_about=True),
    ]


def test_a_ledger_that_lags_behind_makes_no_nonsense():
    session = make_full_session()
    fill_line([session], parties=300)
    TourSession.objects.filter(pk=session.pk).update(parties_waiting=0, next_queue_number=1)
    assert ahead_of(in_order(session)[-1]) == [Ahead(100, is_about=True)]


def test_in_the_last_call_short_notice_is_ahead_and_who_does_not_fit_is_passed():
    session = make_full_session()
    plain, ready, also = make_waiting(session), make_waiting(session, short_notice=True), make_waiting(session)
    called = make_waiting(session, first_call=True)
    assert ahead_of(called, plain, ready, also, now=LAST_CALL - HOUR) == [Ahead(0), Ahead(1), Ahead(2), Ahead(3)]
    assert ahead_of(called, ready, plain, also, now=LAST_CALL) == [
        Ahead(0),
        Ahead(1, is_most=True),
        Ahead(2, is_most=True),
        Ahead(3, is_most=True),
    ]


def test_in_the_last_call_those_of_short_notice_are_counted_however_far_behind_they_stand():
    session = make_full_session()
    fill_line([session], parties=1000)
    ready = [make_waiting(session, short_notice=True) for _party in range(3)]
    fill_line([session], parties=1000)
    line = in_order(session)
    assert ahead_of(line[0], line[50], line[500], *ready, line[-1], now=LAST_CALL) == [
        Ahead(3, is_most=True),
        Ahead(53, is_most=True),
        Ahead(500, is_about=True),
        Ahead(0),
        Ahead(1, is_most=True),
        Ahead(2, is_most=True),
        Ahead(2000, is_about=True),
    ]


def test_in_the_last_call_many_of_short_notice_are_told_by_their_share_of_the_front():
    session = make_full_session()
    fill_line([session], parties=3000)
    every_third = [booking.pk for booking in in_order(session)[::3]]
    Booking.objects.filter(pk__in=every_third).update(short_notice=True)
    line = in_order(session)
    assert ahead_of(line[1500], line[1], line[-1], now=LAST_CALL) == [
        Ahead(500, is_about=True),
        Ahead(1000, is_about=True),
        Ahead(2900, is_about=True),
    ]


def test_it_is_told_in_words():
    told = [Ahead(0), Ahead(1), Ahead(40), Ahead(1200, is_about=True), Ahead(100_000, is_about=True)]
    told += [Ahead(1, is_most=True), Ahead(40, is_most=True)]
    with translation.override("en"):
        assert [ahead.words for ahead in told] == [
            "Nobody is ahead of you.",
            "1 party is ahead of you.",
            "40 parties are ahead of you.",
            "About 1,200 parties are ahead of you.",
            "About 100,000 parties are ahead of you.",
            "At most 1 party is ahead of you.",
            "At most 40 parties are ahead of you.",
        ]


@pytest.mark.parametrize(
    ("now", "called", "queries"),
    [
        pytest.param(NOON, 0, 1, id="usually"),
        pytest.param(LAST_CALL, 0, 2, id="in the last call"),
        pytest.param(NOON, 150, 3, id="behind more than a hundred with first call"),
        pytest.param(LAST_CALL, 150, 4, id="both"),
    ],
)
@pytest.mark.parametrize("parties", [300, 900])
def test_it_costs_as_many_queries_in_any_long_line(django_assert_num_queries, parties, now, called, queries):
    session = make_full_session()
    fill_line([session], parties=parties)
    fill_line([session], parties=called, first_call=True)
    last = in_order(session)[-1]
    with django_assert_num_queries(queries):
        parties_ahead(last, now=now)


def test_in_the_last_call_a_party_with_first_call_that_answers_an_offer_elsewhere_stands_before_a_long_line():
    session = make_full_session()
    fill_line([session], parties=130)
    called = make_waiting(session, first_call=True)
    make_offered(make_session(season=session.season), party=called.party)
    assert ahead_of(called, now=LAST_CALL) == [Ahead(0)]


def test_in_the_last_call_whoever_alone_has_no_first_call_stands_behind_all_others():
    session = make_full_session()
    fill_line([session], parties=101, first_call=True)
    last = make_waiting(session)
    make_offered(make_session(season=session.season), party=last.party)
    assert ahead_of(last, now=LAST_CALL) == [Ahead(100, is_about=True)]
