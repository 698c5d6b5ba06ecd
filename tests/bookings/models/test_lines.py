"""How many parties stand before one: counted near the front, told in two figures behind it."""

import pytest
from django.utils import translation

from bookings.models import Ahead, Booking, TourSession, parties_ahead
from tests.factories import make_full_session, make_offered, make_session, make_waiting
from tests.long_lines import fill_line

pytestmark = pytest.mark.django_db


def ahead_of(*bookings: Booking) -> list[Ahead]:
    return [parties_ahead(Booking.objects.select_related("session").get(pk=booking.pk)) for booking in bookings]


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
    assert ahead_of(last) == [Ahead(100, is_about=True)]


def test_a_ledger_that_lags_behind_makes_no_nonsense():
    session = make_full_session()
    fill_line([session], parties=300)
    TourSession.objects.filter(pk=session.pk).update(parties_waiting=0, next_queue_number=1)
    assert ahead_of(in_order(session)[-1]) == [Ahead(100, is_about=True)]


def test_it_is_told_in_words():
    told = [Ahead(0), Ahead(1), Ahead(40), Ahead(1200, is_about=True), Ahead(100_000, is_about=True)]
    with translation.override("en"):
        assert [ahead.words for ahead in told] == [
            "Nobody is ahead of you.",
            "1 party is ahead of you.",
            "40 parties are ahead of you.",
            "About 1,200 parties are ahead of you.",
            "About 100,000 parties are ahead of you.",
        ]


def test_it_costs_one_query(django_assert_num_queries):
    session = make_full_session()
    fill_line([session], parties=300)
    last = in_order(session)[-1]
    with django_assert_num_queries(1):
        parties_ahead(last)
