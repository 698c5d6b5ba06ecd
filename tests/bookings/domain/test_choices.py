"""What a party changes in its choices: more lines, fewer, another order, and the move to a session with room."""

from datetime import datetime
from typing import Any

import pytest

from bookings.domain import check_in, choices, opening, people, sessions, visit, waitlist
from bookings.domain.errors import BookingError
from bookings.models import Booking, BookingStatus, DecisionTrigger, Party, Season, SeasonMode, TourSession
from tests.acts import ask, ledger, owed, statuses
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    make_booking,
    make_full_session,
    make_offered,
    make_party,
    make_season,
    make_session,
    make_sign_up,
    make_tour,
    make_waiting,
)

pytestmark = pytest.mark.usefixtures("promises_kept")

WAITING, OFFERED, CONFIRMED = BookingStatus.WAITING, BookingStatus.OFFERED, BookingStatus.CONFIRMED


def lines(party: Party) -> list[tuple[TourSession, int, int | None, bool]]:
    """Session, preference, number and whether it may be asked, of every line the party stands in."""
    waiting = party.bookings.filter(status=WAITING).order_by("preference", "pk")
    return [(each.session, each.preference, each.queue_number, each.in_line) for each in waiting]


def live(party: Party) -> dict[TourSession, str]:
    return {each.session: each.status for each in party.bookings.live()}


def history(booking: Booking) -> list[tuple[str, str, str]]:
    return list(booking.events.values_list("to_status", "who", "why"))


def first_called(*, season: Any = None, **given: Any) -> Party:
    """A party whose session was called off."""
    season = season or make_season()
    season.first_call_until = NOON + DAY
    season.save(update_fields=["first_call_until"])
    return make_party(season=season, first_call_until=NOON + DAY, **given)


# One more line.


@pytest.mark.parametrize("status", [WAITING, OFFERED, CONFIRMED])
def test_a_party_stands_in_one_more_line_behind_and_keeps_what_it_has(status, commits):
    season = make_season()
    own = make_booking(make_full_session(season=season, capacity=2 if status == WAITING else 4), status)
    full = make_full_session(season=season)
    ahead = make_waiting(full)

    with commits():
        choices.join_line(own.party_id, full.pk, now=NOON)

    own.refresh_from_db()
    joined = own.party.bookings.get(session=full)
    assert (own.status, joined.status) == (status, WAITING)
    assert (joined.preference, joined.queue_number, joined.places, joined.first_call) == (2, 2, 2, False)
    assert history(joined) == [("waiting", "party", "")]
    assert [booking.pk for booking in full.bookings.in_line()] == (
        [ahead.pk] if status == OFFERED else [ahead.pk, joined.pk]
    ), "while it is offered places elsewhere it is asked for nothing else"
    assert ledger(full) == {"places": 2, "parties": 1, "offered": 0, "waiting": 2}
    assert owed() == []


def test_a_line_that_can_be_served_is_served_as_the_party_joins(commits):
    season = make_season()
    held = make_booking(make_session(season=season))
    free = make_session(season=season, capacity=4)

    with commits():
        choices.join_line(held.party_id, free.pk, now=NOON)

    assert live(held.party) == {held.session: "confirmed", free: "offered"}
    assert [(each.trigger, each.reason) for each in free.decisions.all()] == [("joined", "offered")]


def test_a_party_waits_for_as_many_sessions_as_the_season_allows():
    season = make_season(choices_allowed=2)
    own = make_waiting(make_full_session(season=season))
    second, third = make_full_session(season=season), make_full_session(season=season)

    choices.join_line(own.party_id, second.pk, now=NOON)
    with pytest.raises(choices.TooManyLines):
        choices.join_line(own.party_id, third.pk, now=NOON)

    assert lines(own.party) == [(own.session, 1, 1, True), (second, 2, 1, True)]


def test_an_offer_from_the_line_may_become_a_number_again_so_it_counts_as_a_line():
    season = make_season(choices_allowed=1)
    offered = make_offered(make_session(season=season))

    with pytest.raises(choices.TooManyLines):
        choices.join_line(offered.party_id, make_full_session(season=season).pk, now=NOON)

    assert live(offered.party) == {offered.session: "offered"}


@pytest.mark.parametrize("status", [WAITING, OFFERED, CONFIRMED])
def test_nobody_asks_for_the_same_session_twice(status):
    own = make_booking(make_full_session(capacity=2 if status == WAITING else 4), status)

    with pytest.raises(choices.AlreadyThere):
        choices.join_line(own.party_id, own.session_id, now=NOON)

    assert own.party.bookings.count() == 1


# First call.


def test_first_call_stands_before_the_line_with_nothing_else_in_hand(commits):
    season = make_season()
    party = first_called(season=season)
    full = make_full_session(season=season)
    ahead = make_waiting(full)
    choices.join_line(party.pk, full.pk, now=NOON)

    with commits():
        visit.cancel_places(full.bookings.get(status=CONFIRMED).party_id, now=NOON)

    assert (live(party), live(ahead.party)) == ({full: "offered"}, {full: "waiting"})


def test_a_party_has_one_first_call():
    season = make_season()
    party = first_called(season=season)
    one, other = make_full_session(season=season), make_full_session(season=season)
    first = make_waiting(one, party=party, first_call=True)

    choices.join_line(party.pk, other.pk, now=NOON)

    first.refresh_from_db()
    assert (first.first_call, party.bookings.get(session=other).first_call) == (False, True)


def test_places_saved_for_a_first_call_go_on_when_it_is_used_elsewhere(commits):
    season = make_season()
    party = first_called(season=season, size=3)
    one, other = make_full_session(season=season, capacity=4), make_session(season=season, capacity=3)
    make_booking(other)
    before = make_waiting(one)
    make_waiting(one, party=party, first_call=True)

    with commits():
        choices.join_line(party.pk, other.pk, now=NOON)

    assert (live(before.party), live(party)) == ({one: "offered"}, {one: "waiting", other: "waiting"})


def test_a_line_the_party_waits_in_already_becomes_its_first_call_without_a_new_number():
    season = make_season(choices_allowed=1)
    full = make_full_session(season=season)
    make_waiting(full)
    party = first_called(season=season)
    own = make_waiting(full, party=party)

    choices.join_line(party.pk, full.pk, now=NOON)

    own.refresh_from_db()
    assert (own.first_call, own.queue_number) == (True, 2)
    assert full.bookings.in_line().first() == own
    with pytest.raises(choices.AlreadyThere):
        choices.join_line(party.pk, full.pk, now=NOON)


def test_whoever_lets_an_offer_lapse_stands_at_the_end_and_may_use_its_first_call_there_again():
    season = make_season()
    session = make_full_session(season=season, capacity=4)
    party = first_called(season=season)
    offer = make_offered(session, party=party, first_call=True, queue_number=1)
    TourSession.objects.filter(pk=session.pk).update(next_queue_number=2)
    make_waiting(session)

    waitlist.lapse_offers(now=NOON + 2 * HOUR)
    offer.refresh_from_db()
    at_the_end = (offer.status, offer.first_call, offer.queue_number)
    choices.join_line(party.pk, session.pk, now=NOON + 3 * HOUR)
    offer.refresh_from_db()
    assert (at_the_end, (offer.status, offer.first_call, offer.queue_number)) == (
        ("waiting", False, 3),
        ("waiting", True, 3),
    )


def test_first_call_ends_at_its_time():
    season = make_season()
    full = make_full_session(season=season)
    waiting = make_waiting(make_full_session(season=season), first_call_until=NOON)

    choices.join_line(waiting.party_id, full.pk, now=NOON)
    assert waiting.party.bookings.get(session=full).first_call is False

    Season.objects.update(first_call_until=NOON + HOUR)
    Party.objects.filter(pk=waiting.party_id).update(first_call_until=NOON + HOUR)
    Season.objects.filter(pk=season.pk).update(first_call_until=NOON + HOUR)
    choices.drop_choice(waiting.pk, now=NOON)
    choices.drop_choice(waiting.party.bookings.get(session=full).pk, now=NOON)
    with pytest.raises(choices.NothingToChoose):
        choices.join_line(waiting.party_id, full.pk, now=NOON + HOUR)


# Who may choose, and what.


def join(party: Party, session: TourSession, now: datetime) -> None:
    choices.join_line(party.pk, session.pk, now=now)


def take(party: Party, session: TourSession, now: datetime) -> None:
    choices.take_places(party.pk, session.pk, now=now)


def refused(refusal: type[BookingError], act: Any, party: Party, session: TourSession, now: datetime = NOON) -> None:
    before = list(Booking.objects.values("pk", "status", "party", "session"))
    with pytest.raises(refusal):
        act(party, session, now)
    assert list(Booking.objects.values("pk", "status", "party", "session")) == before


both_acts = pytest.mark.parametrize("act", [pytest.param(join, id="join"), pytest.param(take, id="take")])


@both_acts
@pytest.mark.parametrize(
    ("refusal", "given", "now"),
    [
        pytest.param(opening.SignUpClosed, {"roster_locks_at": NOON}, NOON, id="the roster has locked"),
        pytest.param(opening.SignUpClosed, {"closed_at": NOON - HOUR}, NOON, id="closed by a host"),
        pytest.param(opening.SessionCalledOff, {"called_off_at": NOON - HOUR}, NOON, id="called off"),
        pytest.param(opening.SignUpNotYetOpen, {}, NOON - 2 * DAY, id="not yet open"),
        pytest.param(opening.TooLargeForSession, {"capacity": 1}, NOON, id="a session of fewer places"),
    ],
)
def test_a_session_that_takes_nobody_is_refused(act, refusal, given, now):
    season = make_season()
    refused(refusal, act, make_booking(make_session(season=season)).party, make_session(season=season, **given), now)


@both_acts
def test_sign_up_closes_for_newcomers_and_not_for_a_party_that_is_in(act, commits):
    season = make_season(closes_at=NOON)
    held, called = make_booking(make_session(season=season)), first_called(season=season)
    free = make_session(season=season)

    with commits():
        act(held.party, free, NOON)
        act(called, free, NOON)

    assert [party.bookings.filter(session=free).count() for party in (held.party, called)] == [1, 1]
    with pytest.raises(opening.SignUpClosed):
        ask(free)


@both_acts
def test_sessions_of_another_season_unknown_ones_and_those_not_published_are_refused(act):
    party = make_booking().party
    refused(opening.SessionUnknown, act, party, make_session())
    refused(opening.SessionUnknown, act, party, TourSession(pk=10**9))
    hidden = make_season(published=False)
    refused(opening.SessionUnknown, act, make_booking(make_session(season=hidden)).party, make_session(season=hidden))


@both_acts
def test_the_sessions_of_a_ballot_are_not_chosen_one_by_one(act):
    ballot = make_season(mode=SeasonMode.BALLOT)
    refused(opening.SignUpClosed, act, make_booking(make_session(season=ballot)).party, make_session(season=ballot))


@both_acts
def test_a_party_of_a_size_the_tour_no_longer_takes_is_refused(act):
    season = make_season(tour=make_tour(smallest_party=2, largest_party=3))
    held = make_session(season=season)
    refused(people.PartyTooSmall, act, make_booking(held, size=1).party, make_session(season=season))
    refused(people.PartyTooLarge, act, make_booking(held, size=4).party, make_session(season=season))


@both_acts
def test_a_mailbox_is_proven_first(act):
    sign_up = make_sign_up()
    refused(choices.MailboxNotProven, act, sign_up.party, make_session(season=sign_up.session.season))


@both_acts
@pytest.mark.parametrize("status", [BookingStatus.CHECKED_IN, BookingStatus.NO_SHOW, BookingStatus.ENTERED])
def test_who_came_was_missed_or_is_in_a_draw_chooses_nothing(act, status):
    own = make_booking(status=status)
    refused(choices.NothingToChoose, act, own.party, make_session(season=own.session.season))


@both_acts
def test_a_party_that_has_ended_chooses_nothing(act):
    own = make_waiting(make_full_session())
    waitlist.leave_lines(own.party_id, now=NOON)
    refused(choices.NothingToChoose, act, own.party, make_session(season=own.session.season))


@both_acts
def test_a_confirmed_party_chooses_until_its_own_tour_begins(act):
    season = make_season()
    held = make_booking(make_session(season=season))
    later = make_session(season=season, starts_at=START + 7 * DAY)
    refused(waitlist.TooLateToMove, act, held.party, later, START)

    act(held.party, later, START - HOUR)


# Places of another session, now.


def test_a_confirmed_party_moves_to_free_places_and_its_old_ones_go_to_the_line(commits):
    season = make_season()
    old, new = make_session(season=season, capacity=2), make_session(season=season, capacity=2)
    held, waits = make_booking(old), make_waiting(old)
    line = make_waiting(make_full_session(season=season), party=held.party, preference=2)

    with commits():
        choices.take_places(held.party_id, new.pk, now=NOON)
        choices.take_places(held.party_id, new.pk, now=NOON)

    moved = held.party.bookings.get(session=new)
    assert statuses(old, new, line.session) == {
        held: "superseded",
        moved: "confirmed",
        waits: "offered",
        line: "superseded",
        line.session.bookings.get(status=CONFIRMED): "confirmed",
    }
    assert ledger(old) == {"places": 2, "parties": 1, "offered": 1, "waiting": 0}
    assert ledger(new) == {"places": 2, "parties": 1, "offered": 0, "waiting": 0}
    assert ledger(line.session) == {"places": 2, "parties": 1, "offered": 0, "waiting": 0}
    assert old.decisions.get().trigger == "moved"
    assert history(held)[1:] == [("superseded", "party", "said yes elsewhere")]
    assert owed() == [("confirmed", held.party_id), ("offer", waits.party_id)]
    held.party.refresh_from_db()
    assert (held.party.calendar_sequence, held.party.ended_at) == (1, None)


def test_a_waiting_party_takes_free_places_and_its_lines_go_on(commits):
    season = make_season()
    full, free = make_full_session(season=season, capacity=4), make_session(season=season)
    head, second = make_waiting(full, size=3), make_waiting(full)
    waitlist.offer_free_places(full.pk, now=NOON, trigger=DecisionTrigger.SCAN)

    with commits():
        choices.take_places(head.party_id, free.pk, now=NOON)

    assert (live(head.party), live(second.party)) == ({free: "confirmed"}, {full: "offered"})
    head.party.refresh_from_db()
    assert head.party.calendar_sequence == 0, "nothing was in its calendar yet"


def test_an_offer_for_another_session_is_given_back_first(commits):
    season = make_season()
    offer = make_offered(make_session(season=season, capacity=2))
    behind = make_waiting(offer.session)
    free = make_session(season=season)

    with commits():
        choices.take_places(offer.party_id, free.pk, now=NOON)

    assert (live(offer.party), live(behind.party)) == ({free: "confirmed"}, {offer.session: "offered"})
    assert history(offer)[1:] == [("withdrawn", "party", "said yes elsewhere")]
    offer.party.refresh_from_db()
    assert offer.party.ended_at is None


def test_taking_places_uses_the_first_call(commits):
    party = first_called()
    free = make_session(season=party.season)

    with commits():
        choices.take_places(party.pk, free.pk, now=NOON)

    party.refresh_from_db()
    assert (live(party), party.first_call_until) == ({free: "confirmed"}, None)


def test_what_a_line_wants_is_offered_to_it_and_not_taken(commits):
    season = make_season()
    held = make_booking(make_session(season=season))
    wanted = make_session(season=season, capacity=2)
    waits = make_waiting(wanted)

    with commits(), pytest.raises(choices.NoRoomNow):
        choices.take_places(held.party_id, wanted.pk, now=NOON)

    assert (live(held.party), live(waits.party)) == ({held.session: "confirmed"}, {wanted: "offered"})


def test_what_the_line_leaves_over_can_be_taken(commits):
    season = make_season()
    held = make_booking(make_session(season=season))
    wanted = make_session(season=season, capacity=4)
    waits = make_waiting(wanted)

    with commits():
        choices.take_places(held.party_id, wanted.pk, now=NOON)

    assert (live(held.party), live(waits.party)) == ({wanted: "confirmed"}, {wanted: "offered"})
    assert ledger(wanted) == {"places": 4, "parties": 2, "offered": 1, "waiting": 0}


def test_places_saved_for_the_head_of_a_line_are_not_free():
    season = make_season()
    held = make_booking(make_session(season=season))
    saved = make_full_session(season=season, capacity=4)
    make_waiting(saved, size=3)

    refused(choices.NoRoomNow, take, held.party, saved)


@pytest.mark.parametrize(
    "limits", [{"capacity": 2}, {"capacity": 9, "max_parties": 1}, {"capacity": 9, "sell_limit": 3}]
)
def test_both_limits_of_a_session_hold_for_who_moves(limits):
    season = make_season()
    held = make_booking(make_session(season=season))
    full = make_session(season=season, **limits)
    make_booking(full)

    refused(choices.NoRoomNow, take, held.party, full)


def test_a_refused_move_leaves_the_offer_that_it_would_have_ended():
    season = make_season()
    offer = make_offered(make_session(season=season))

    refused(choices.NoRoomNow, take, offer.party, make_full_session(season=season))


def test_a_party_held_up_by_an_offer_takes_the_places_of_a_line_it_stands_in():
    season = make_season()
    offer = make_offered(make_session(season=season))
    free = make_session(season=season)
    own = make_waiting(free, party=offer.party, preference=2)

    choices.take_places(offer.party_id, free.pk, now=NOON)

    assert statuses(offer.session, free) == {offer: "withdrawn", own: "confirmed"}
    assert ledger(free) == {"places": 2, "parties": 1, "offered": 0, "waiting": 0}


def test_a_party_whose_turn_comes_as_it_asks_has_its_places():
    own = make_waiting(make_session(capacity=2))

    choices.take_places(own.party_id, own.session_id, now=NOON)

    assert live(own.party) == {own.session: "confirmed"}


def test_a_party_that_is_next_takes_places_in_the_hours_in_which_nobody_is_asked():
    session = make_session(capacity=2, roster_locks_at=NOON + HOUR, starts_at=NOON + 2 * HOUR)
    late = NOON + HOUR / 2 + HOUR / 4
    own, behind = make_waiting(session), make_waiting(session)

    refused(choices.NoRoomNow, take, behind.party, session, late)
    choices.take_places(own.party_id, session.pk, now=late)

    assert statuses(session) == {own: "confirmed", behind: "waiting"}


def test_an_offer_of_fewer_places_is_answered_and_not_taken():
    offer = make_offered(make_session(capacity=2), size=3, smallest_size=2, places=2)

    refused(choices.AlreadyThere, take, offer.party, offer.session)


# One line less.


def test_a_line_is_left_and_the_others_stay():
    season = make_season()
    one = make_waiting(make_full_session(season=season))
    other = make_waiting(make_full_session(season=season), party=one.party, preference=2)

    choices.drop_choice(one.pk, now=NOON)
    choices.drop_choice(one.pk, now=NOON)

    assert lines(one.party) == [(other.session, 2, 1, True)]
    assert history(one)[1:] == [("withdrawn", "party", "")]
    assert ledger(one.session)["waiting"] == 0


def test_with_its_last_line_the_party_has_left_and_may_ask_again():
    own = make_waiting(make_full_session())

    choices.drop_choice(own.pk, now=NOON)

    own.party.refresh_from_db()
    assert own.party.ended_at == NOON


def test_a_confirmed_party_that_leaves_its_last_line_keeps_its_places():
    season = make_season()
    held = make_booking(make_session(season=season))
    line = make_waiting(make_full_session(season=season), party=held.party)

    choices.drop_choice(line.pk, now=NOON)

    held.party.refresh_from_db()
    assert (live(held.party), held.party.ended_at) == ({held.session: "confirmed"}, None)


def test_what_was_saved_for_it_goes_to_the_next(commits):
    session = make_full_session(capacity=4)
    head, second = make_waiting(session, size=3), make_waiting(session)

    with commits():
        choices.drop_choice(head.pk, now=NOON)

    assert live(second.party) == {session: "offered"}
    assert session.decisions.get().trigger == "left"


@pytest.mark.parametrize("status", [OFFERED, CONFIRMED, BookingStatus.LAPSED])
def test_only_a_line_is_left_in_this_way(status):
    own = make_booking(status=status, ended_at=NOON if status == BookingStatus.LAPSED else None)

    with pytest.raises(choices.NotInThisLine):
        choices.drop_choice(own.pk, now=NOON)

    assert statuses(own.session) == {own: status}


# Another order.


def test_choices_are_put_in_another_order():
    season = make_season()
    one = make_waiting(make_full_session(season=season))
    two = make_waiting(make_full_session(season=season), party=one.party, preference=2)
    three = make_waiting(make_full_session(season=season), party=one.party, preference=3)

    choices.order_choices(one.party_id, [three.pk, one.pk, two.pk])

    assert lines(one.party) == [(three.session, 1, 1, True), (one.session, 2, 1, True), (two.session, 3, 1, True)]


def test_an_order_names_every_line_of_the_party_once():
    season = make_season()
    one = make_waiting(make_full_session(season=season))
    two = make_waiting(make_full_session(season=season), party=one.party, preference=2)
    stranger = make_waiting(one.session)

    for order in ([], [one.pk], [one.pk, one.pk], [one.pk, stranger.pk], [one.pk, two.pk, stranger.pk]):
        with pytest.raises(choices.ChoicesChanged):
            choices.order_choices(one.party_id, order)

    assert lines(one.party) == [(one.session, 1, 1, True), (two.session, 2, 1, True)]


# Wishes.


def test_a_party_that_would_come_with_fewer_is_asked_at_once(commits):
    own = make_waiting(make_full_session(capacity=4), size=3)

    with commits():
        choices.change_wishes(own.party_id, smallest_size=2, short_notice=True, now=NOON)

    own.refresh_from_db()
    assert (own.status, own.places, own.least, own.short_notice) == ("offered", 2, 2, True)
    assert (own.party.smallest_size, own.party.short_notice) == (2, True)
    assert own.session.decisions.get().trigger == "fewer"


def test_a_party_that_no_longer_comes_with_fewer_is_not_asked(commits):
    own = make_waiting(make_full_session(capacity=4), size=3, smallest_size=2, short_notice=True)

    with commits():
        choices.change_wishes(own.party_id, smallest_size=3, short_notice=False, now=NOON)

    own.refresh_from_db()
    assert (own.status, own.least, own.short_notice) == ("waiting", 3, False)


def test_fewer_places_refused_stay_refused_when_another_wish_changes(commits):
    offer = make_offered(make_full_session(capacity=4), size=3, smallest_size=2, places=2, queue_number=1)
    waitlist.wait_for_all(offer.pk, now=NOON)

    with commits():
        choices.change_wishes(offer.party_id, smallest_size=2, short_notice=True, now=NOON)

    offer.refresh_from_db()
    assert (offer.status, offer.least, offer.short_notice) == ("waiting", 3, True)


def test_an_offer_of_fewer_places_stands_whatever_the_party_wishes_now():
    offer = make_offered(make_session(), size=3, smallest_size=1, places=2, queue_number=1)

    choices.change_wishes(offer.party_id, smallest_size=3, short_notice=False, now=NOON)

    offer.refresh_from_db()
    assert (offer.status, offer.places, offer.least, offer.party.smallest_size) == ("offered", 2, 2, 3)


def lapse(offer: Booking) -> None:
    waitlist.lapse_offers(now=NOON + 2 * HOUR)


def recall(offer: Booking) -> None:
    recalled = sessions.OffersOut.RECALL
    sessions.resize(offer.session_id, capacity=2, max_parties=1, sell_limit=0, offers=recalled, now=NOON)


def wait(offer: Booking) -> None:
    waitlist.wait_for_all(offer.pk, now=NOON)


@pytest.mark.parametrize("act", [lapse, recall, wait])
def test_once_such_an_offer_is_over_the_new_wish_counts(act, commits):
    offer = make_offered(make_session(capacity=1), size=3, smallest_size=1, places=1, queue_number=1)
    TourSession.objects.filter(pk=offer.session_id).update(next_queue_number=2, capacity=2)
    choices.change_wishes(offer.party_id, smallest_size=3, short_notice=False, now=NOON)

    with commits():
        act(offer)

    offer.refresh_from_db()
    assert (offer.status, offer.places, offer.least) == ("waiting", 3, 3)


def test_a_smallest_size_lies_between_what_the_tour_takes_and_the_party():
    season = make_season(tour=make_tour(smallest_party=2))
    own = make_waiting(make_full_session(season=season), size=3)

    for size in (0, 1, 4):
        with pytest.raises(choices.SmallestSizeOutside):
            choices.change_wishes(own.party_id, smallest_size=size, short_notice=False, now=NOON)

    own.party.refresh_from_db()
    assert own.party.smallest_size == 3


def test_a_party_that_has_ended_wishes_nothing():
    own = make_waiting(make_full_session())
    waitlist.leave_lines(own.party_id, now=NOON)

    with pytest.raises(choices.NothingToChoose):
        choices.change_wishes(own.party_id, smallest_size=1, short_notice=True, now=NOON)


# The day of the visit.


def test_who_is_checked_in_waits_for_no_other_session(commits):
    season = make_season()
    held = make_booking(make_session(season=season))
    offer = make_offered(make_session(season=season, starts_at=START + 7 * DAY, capacity=2), party=held.party)
    behind = make_waiting(offer.session)

    with commits():
        check_in.check_in_party(held.pk, now=START, who="host:mei")

    assert (live(held.party), live(behind.party)) == ({held.session: "checked in"}, {offer.session: "offered"})
