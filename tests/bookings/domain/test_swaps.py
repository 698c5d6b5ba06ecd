"""Two confirmed parties exchange their sessions: which wishes stand, when they meet, and what is refused."""

from datetime import timedelta

import pytest
from django.db import OperationalError

from bookings.domain import sessions, swaps, visit, waitlist
from bookings.domain.people import NoAdult, TooYoung
from bookings.models import Booking, Notice, Party, SwapWish, TourSession
from tests.acts import ledger, owed, people, statuses
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    make_booking,
    make_offered,
    make_season,
    make_session,
    make_waiting,
)

pytestmark = pytest.mark.usefixtures("promises_kept")


def full(season, size=2, **given):
    """A session whose places one confirmed party has; returns the party's booking."""
    return make_booking(make_session(**{"season": season, "capacity": size} | given), size=size)


def wish(booking, *sessions, now=NOON):
    return swaps.wish_swap(booking.party_id, session_pks=[session.pk for session in sessions], now=now)


def wishes():
    return list(SwapWish.objects.order_by("pk").values_list("booking", "wanted"))


def holds(*bookings):
    """The sessions in which these parties are confirmed now."""
    return [Booking.objects.get(party=booking.party_id, status="confirmed").session for booking in bookings]


def open_to(booking):
    booking = Booking.objects.get(pk=booking.pk)
    return [(each.session, each.people) for each in swaps.open_wishes_for(booking, now=NOON)]


@pytest.fixture
def season(db):
    return make_season()


@pytest.fixture
def pair(season):
    """Two parties of two, each in a full session of its own."""
    return full(season), full(season, starts_at=START + 7 * DAY)


# Wishes.


def test_a_wish_stands_for_each_session_and_a_later_one_replaces_it(season, pair):
    mine, theirs = pair
    third = make_session(season=season)
    assert wish(mine, theirs.session, third) is False
    assert wishes() == [(mine.pk, theirs.session_id), (mine.pk, third.pk)]

    wish(mine, third, now=NOON + HOUR)

    assert wishes() == [(mine.pk, third.pk)]
    assert SwapWish.objects.get().made_at == NOON, "what is still wished keeps its age"
    assert [each.wanted for each in swaps.wishes_of(mine, now=NOON)] == [third]
    assert holds(mine, theirs) == [mine.session, theirs.session]


def test_a_wish_can_be_withdrawn_and_again(pair):
    mine, theirs = pair
    wish(mine, theirs.session)
    swaps.withdraw_swap(mine.party_id, now=NOON)
    swaps.withdraw_swap(mine.party_id, now=NOON)
    assert (wishes(), wish(theirs, mine.session)) == ([], False)


@pytest.mark.parametrize(
    ("given", "at"),
    [
        pytest.param({"called_off_at": NOON}, NOON, id="called off"),
        pytest.param({}, START - 2 * DAY, id="roster locked"),
    ],
)
def test_nobody_wishes_for_a_session_that_nobody_can_enter(season, given, at):
    mine = full(season, starts_at=START + 7 * DAY)
    with pytest.raises(swaps.SessionNotToBeHad):
        wish(mine, make_session(season=season, **given), now=at)
    assert wishes() == []


def test_nobody_wishes_for_its_own_session_or_one_of_another_season(pair):
    mine, _theirs = pair
    for session in (mine.session, make_session()):
        with pytest.raises(swaps.SessionNotToBeHad):
            wish(mine, session)
    with pytest.raises(swaps.SessionNotToBeHad):
        swaps.wish_swap(mine.party_id, session_pks=[987654], now=NOON)


def test_only_a_confirmed_party_with_an_open_roster_wishes(season, pair):
    mine, theirs = pair
    for booking in (make_waiting(full(season).session), make_offered(make_session(season=season))):
        with pytest.raises(swaps.NothingToSwap):
            wish(booking, theirs.session)
    with pytest.raises(swaps.RosterIsFixed):
        wish(mine, theirs.session, now=mine.session.roster_locks_at)
    assert wishes() == []


def test_whoever_is_offered_places_answers_first(season, pair):
    mine, theirs = pair
    wish(theirs, mine.session)
    offer = make_offered(make_session(season=season), party=mine.party)
    with pytest.raises(swaps.AnswerFirst):
        wish(mine, theirs.session)

    waitlist.decline_offer(offer.pk, now=NOON)

    assert wish(mine, theirs.session) is True


def test_a_party_that_the_tour_would_not_take_any_more_cannot_wish(season, pair):
    mine, theirs = pair
    Party.objects.filter(pk=mine.party_id).update(lead_age_from=10)
    mine.party.members.update(age_from=10)
    with pytest.raises(NoAdult):
        wish(mine, theirs.session)


# Two wishes that meet.


def test_two_wishes_that_meet_are_exchanged_at_once(pair):
    mine, theirs = pair
    here, there = mine.session, theirs.session

    assert wish(mine, there) is False
    assert wish(theirs, here, now=NOON + HOUR) is True

    assert holds(mine, theirs) == [there, here]
    assert (wishes(), statuses(here)[mine], statuses(there)[theirs]) == ([], "superseded", "superseded")
    for session in (here, there):
        assert ledger(session) == {"places": 2, "parties": 1, "offered": 0, "waiting": 0}
    assert owed() == [("swapped", theirs.party_id), ("swapped", mine.party_id)]
    told = Notice.objects.order_by("party").values_list("party", "booking__session", "facts")
    assert list(told) == [
        (mine.party_id, there.pk, {"starts_at": here.starts_at.isoformat()}),
        (theirs.party_id, here.pk, {"starts_at": there.starts_at.isoformat()}),
    ]
    parties = Party.objects.order_by("pk").values_list("calendar_sequence", "ended_at")
    assert list(parties) == [(1, None), (1, None)]


def test_the_history_tells_of_the_exchange_in_both_bookings(pair):
    mine, theirs = pair
    wish(mine, theirs.session)
    number = SwapWish.objects.get().pk
    wish(theirs, mine.session)
    why = f"swapped, wish {number}"
    told = "from_status", "to_status", "who", "why"
    assert list(mine.events.values_list(*told))[-1] == ("confirmed", "superseded", "party", why)
    now_held = Booking.objects.get(party=mine.party, status="confirmed")
    assert list(now_held.events.values_list(*told)) == [
        ("", "offered", "party", why),
        ("offered", "confirmed", "party", ""),
    ]


def test_the_oldest_wish_that_meets_wins(season, pair):
    mine, _theirs = pair
    third, fourth = full(season), full(season)
    wish(fourth, mine.session, now=NOON)
    wish(third, mine.session, now=NOON + HOUR)
    assert wish(mine, third.session, fourth.session, now=NOON + 2 * HOUR) is True
    assert holds(mine, fourth, third) == [fourth.session, mine.session, third.session]
    assert wishes() == [(third.pk, mine.session_id)], "whoever was not asked still wishes"


def test_a_wish_for_another_session_does_not_meet(season, pair):
    mine, theirs = pair
    wish(mine, make_session(season=season))
    assert wish(theirs, mine.session) is False
    assert holds(mine, theirs) == [mine.session, theirs.session]


def test_lines_of_both_parties_end_even_in_the_session_they_swap_into(season, pair):
    mine, theirs = pair
    busy = full(season, size=3)
    elsewhere = make_waiting(busy.session, party=mine.party)
    in_theirs = make_waiting(theirs.session, party=mine.party)
    behind = make_waiting(busy.session, size=1)
    wish(mine, theirs.session)
    wish(theirs, mine.session)
    assert holds(mine, theirs) == [theirs.session, mine.session]
    assert {booking.status for booking in Booking.objects.filter(pk__in=[elsewhere.pk, in_theirs.pk])} == {"superseded"}
    assert statuses(busy.session)[behind] == "waiting"
    assert ledger(theirs.session) == {"places": 2, "parties": 1, "offered": 0, "waiting": 0}


def test_whoever_stood_behind_a_party_that_swapped_is_served(season, pair):
    mine, theirs = pair
    free = make_session(season=season, capacity=1)
    make_waiting(free, party=mine.party)
    behind = make_waiting(free, size=1)
    wish(mine, theirs.session)
    wish(theirs, mine.session)
    assert statuses(free)[behind] == "offered"


# Sizes.


def test_a_smaller_party_frees_places_and_the_line_gets_them(season):
    large, small = full(season, size=3), full(season, size=2, capacity=3)
    first = make_waiting(large.session, size=1)
    wish(large, small.session)
    assert wish(small, large.session) is True
    assert holds(large, small) == [small.session, large.session]
    assert statuses(large.session)[first] == "offered"
    assert ledger(large.session) == {"places": 3, "parties": 2, "offered": 1, "waiting": 0}
    assert ledger(small.session) == {"places": 3, "parties": 1, "offered": 0, "waiting": 0}


@pytest.mark.parametrize(
    ("capacity", "given", "in_line", "fits"),
    [
        pytest.param(3, {}, 0, True, id="room"),
        pytest.param(2, {}, 0, False, id="no places"),
        pytest.param(3, {"sell_limit": 2}, 0, False, id="no more are given out"),
        pytest.param(3, {"max_parties": 1}, 0, True, id="no more parties, but this one leaves"),
        pytest.param(3, {}, 1, False, id="somebody waits for them"),
    ],
)
def test_a_larger_party_takes_more_places_only_where_they_are_free_for_newcomers(
    season, capacity, given, in_line, fits
):
    large = full(season, size=3)
    small = full(season, size=2, capacity=capacity, **given)
    for _party in range(in_line):
        make_waiting(small.session, size=3)

    wish(large, small.session)
    assert open_to(small) == ([(large.session, 3)] if fits else [])
    assert wish(small, large.session) is fits
    assert holds(large, small) == ([small.session, large.session] if fits else [large.session, small.session])


def test_a_larger_party_sees_only_wishes_with_room_for_all_of_it(season):
    large = full(season, size=3)
    with_room, awaited = full(season, size=2, capacity=3), full(season, size=2, capacity=3)
    others = [awaited, full(season, size=2), full(season, size=2, capacity=3, sell_limit=2)]
    make_waiting(with_room.session, proven=False)  # Does not stand in line, and does not count.
    make_waiting(awaited.session, size=3)
    for small in (*others, with_room):
        wish(small, large.session)
    assert open_to(large) == [(with_room.session, 2)]


def test_places_kept_for_first_call_are_no_room_for_a_larger_party_and_the_next_wish_is_exchanged(
    season, django_capture_on_commit_callbacks
):
    sought = full(season, size=3)
    session = make_session(season=season, capacity=6)
    two, three = make_booking(session, size=2), make_booking(session, size=3)
    called_off = make_session(season=season, starts_at=START + DAY)
    make_booking(called_off, size=1)
    with django_capture_on_commit_callbacks(execute=True):
        sessions.call_off(called_off.pk, reason="The line stands still.", now=NOON, who="host:lin")

    wish(two, sought.session)
    wish(three, sought.session, now=NOON + HOUR)
    assert open_to(sought) == [(session, 3)]
    assert wish(sought, session, now=NOON + 2 * HOUR) is True
    assert holds(sought, two, three) == [session, session, sought.session]


def test_parties_of_one_size_swap_whatever_the_limits_are_now(pair):
    mine, theirs = pair
    TourSession.objects.update(sell_limit=1)
    make_waiting(mine.session)
    wish(mine, theirs.session)
    assert wish(theirs, mine.session) is True


def test_wishes_that_met_without_fitting_are_exchanged_by_the_scan_once_they_fit(season):
    large, small = full(season, size=3), full(season, size=2)
    wish(large, small.session)
    assert wish(small, large.session) is False
    assert swaps.exchange_met_wishes(now=NOON) == 0

    lead, companions = people(2)
    visit.come_with_fewer(large.party_id, lead=lead, companions=companions, now=NOON)

    assert swaps.exchange_met_wishes(now=NOON) == 1
    assert holds(large, small) == [small.session, large.session]
    assert swaps.exchange_met_wishes(now=NOON) == 0


# Saying yes to a wish that one sees.


def test_open_wishes_tell_session_and_size_only_the_oldest_of_each_kind_first(season, pair):
    mine, theirs = pair
    third = full(season)
    alike = make_booking(make_session(season=season, capacity=20))
    also, single = make_booking(alike.session), make_booking(alike.session, size=1)
    for hours, booking in enumerate([theirs, also, alike, single, third]):
        wish(booking, mine.session, now=NOON + timedelta(hours=hours))
    assert open_to(mine) == [(theirs.session, 2), (alike.session, 2), (alike.session, 1), (third.session, 2)]
    oldest = swaps.open_wishes_for(mine, now=NOON)[1]
    assert SwapWish.objects.get(pk=oldest.pk).booking == also
    assert oldest._fields == ("pk", "session", "people")


def yes(booking, to, now=NOON):
    swaps.say_yes_to_swap(booking.party_id, wish_pk=to, now=now)


def test_a_yes_exchanges_with_exactly_that_wish_and_twice_is_once(season, pair):
    mine, theirs = pair
    older = full(season)
    wish(older, mine.session)
    wish(theirs, mine.session)
    wanted = SwapWish.objects.get(booking=theirs).pk

    for _press in range(2):
        yes(mine, wanted)

    assert holds(mine, theirs, older) == [theirs.session, mine.session, older.session]
    assert owed() == [("swapped", mine.party_id), ("swapped", theirs.party_id)]


def test_a_second_party_that_says_yes_hears_that_it_is_gone(season, pair):
    mine, theirs = pair
    also_here = make_booking(make_session(season=season, capacity=20))
    TourSession.objects.filter(pk=mine.session_id).update(capacity=4, sell_limit=4, max_parties=4)
    late = make_booking(TourSession.objects.get(pk=mine.session_id))
    wish(theirs, mine.session)
    wanted = SwapWish.objects.get().pk
    yes(mine, wanted)
    for party in (late, also_here):
        with pytest.raises(swaps.SwapGone):
            yes(party, wanted)
    assert holds(late, also_here) == [late.session, also_here.session]


def cancelled(booking):
    visit.cancel_places(booking.party_id, now=NOON)


def withdrawn(booking):
    swaps.withdraw_swap(booking.party_id, now=NOON)


def called_off(booking):
    booking.session.called_off_at = NOON
    booking.session.save(update_fields=["called_off_at"])


def roster_locked(booking):
    booking.session.roster_locks_at = NOON
    booking.session.save(update_fields=["roster_locks_at"])


def offered(booking):
    make_offered(make_session(season=booking.session.season), party=booking.party)


def too_young(booking):
    booking.party.members.update(age_from=0)


def grown(booking):
    Party.objects.filter(pk=booking.party_id).update(size=3)
    Booking.objects.filter(pk=booking.pk).update(places=3)
    TourSession.objects.filter(pk=booking.session_id).update(capacity=3, places_held=3)


@pytest.mark.parametrize("sees", [pytest.param(True, id="by its page"), pytest.param(False, id="by its own wish")])
@pytest.mark.parametrize(
    ("who", "happens", "refusal"),
    [
        ("theirs", cancelled, swaps.SwapGone),
        ("theirs", withdrawn, swaps.SwapGone),
        ("theirs", roster_locked, swaps.RosterIsFixed),
        ("theirs", offered, swaps.SwapNotPossible),
        ("theirs", too_young, swaps.SwapNotPossible),
        ("theirs", grown, swaps.NoRoomForThem),
        ("mine", cancelled, swaps.NothingToSwap),
        ("mine", roster_locked, swaps.RosterIsFixed),
        ("mine", offered, swaps.AnswerFirst),
        ("mine", too_young, TooYoung),
        ("mine", grown, swaps.NoRoomForYou),
    ],
)
def test_what_happened_since_the_wish_was_made_is_seen(pair, who, happens, refusal, sees):
    mine, theirs = pair
    wish(theirs, mine.session)
    wanted = SwapWish.objects.get().pk
    happens({"mine": mine, "theirs": theirs}[who])

    if sees:
        with pytest.raises(refusal) as refused:
            yes(mine, wanted)
        assert refused.type is refusal
    else:
        SwapWish.objects.bulk_create([SwapWish(booking=mine, wanted=theirs.session, made_at=NOON)])
        assert swaps.exchange_if_wishes_meet(mine.party_id, now=NOON) is False
    assert not Notice.objects.filter(kind="swapped").exists()
    if who == "theirs":
        assert open_to(mine) == [], "and the page does not show what would be refused"


@pytest.mark.parametrize(
    ("sqlstate", "seen"), [pytest.param("40P01", False, id="deadlock"), pytest.param("53100", True, id="disk full")]
)
def test_whoever_is_in_the_way_of_an_exchange_every_time_is_no_error_and_a_broken_database_is(
    pair, monkeypatch, sqlstate, seen
):
    mine, theirs = pair
    wish(theirs, mine.session)

    def lose(*args, **kwargs):
        raise OperationalError from type("Cause", (Exception,), {"sqlstate": sqlstate})()

    monkeypatch.setattr(TourSession, "hold", lose)
    if seen:
        with pytest.raises(OperationalError):
            wish(mine, theirs.session)
    else:
        assert wish(mine, theirs.session) is False
    assert wishes() == [(theirs.pk, mine.session_id), (mine.pk, theirs.session_id)]
    assert holds(mine, theirs) == [mine.session, theirs.session]


def test_a_booking_that_somebody_else_changes_every_time_is_not_exchanged_and_the_wishes_stand(pair, monkeypatch):
    mine, theirs = pair
    wish(theirs, mine.session)
    move_to = Booking.move_to

    def after_somebody_else(booking, status, **given):
        Booking.objects.filter(pk=booking.pk).update(status="cancelled")
        move_to(booking, status, **given)

    monkeypatch.setattr(Booking, "move_to", after_somebody_else)
    assert wish(mine, theirs.session) is False
    assert wishes() == [(theirs.pk, mine.session_id), (mine.pk, theirs.session_id)]
    assert holds(mine, theirs) == [mine.session, theirs.session]


def test_a_session_that_was_called_off_is_out_of_the_question(pair):
    mine, theirs = pair
    wish(theirs, mine.session)
    wanted = SwapWish.objects.get().pk
    TourSession.objects.filter(pk=theirs.session_id).update(called_off_at=NOON)
    with pytest.raises(swaps.RosterIsFixed):
        yes(mine, wanted)
    assert open_to(mine) == []
    TourSession.objects.update(called_off_at=None)


def test_a_wish_for_another_session_than_ones_own_cannot_be_answered(season, pair):
    mine, theirs = pair
    wish(theirs, make_session(season=season))
    with pytest.raises(swaps.SwapGone):
        yes(mine, SwapWish.objects.get().pk)
    with pytest.raises(swaps.SwapGone):
        yes(theirs, SwapWish.objects.get().pk)


def test_the_scan_forgets_the_wishes_of_places_that_are_gone(season, pair):
    mine, theirs = pair
    wish(mine, theirs.session)
    wish(theirs, make_session(season=season))
    visit.cancel_places(mine.party_id, now=NOON)
    assert list(swaps.wishes_of(Booking.objects.get(pk=mine.pk), now=NOON)) == []
    swaps.exchange_met_wishes(now=NOON)
    assert [booking for booking, _wanted in wishes()] == [theirs.pk]


# Scale.


@pytest.mark.parametrize("many", [2, 30])
def test_what_a_party_could_say_yes_to_costs_as_many_queries_with_many_wishes(
    season, pair, many, django_assert_num_queries
):
    mine, _theirs = pair
    other = make_session(season=season, capacity=60)
    for _party in range(many):
        wish(make_booking(other), mine.session)
        wish(full(season), mine.session)
    mine = Booking.objects.select_related("session__season", "party").get(pk=mine.pk)
    with django_assert_num_queries(3):
        assert len(swaps.open_wishes_for(mine, now=NOON)) == 1 + many
