"""The line: who is offered what becomes free, and what becomes of the offer."""

from datetime import timedelta

import pytest

from bookings.domain import visit, waitlist
from bookings.domain.sessions import call_off, resize
from bookings.models import (
    Booking,
    BookingEvent,
    BookingStatus,
    Decision,
    DecisionTrigger,
    Notice,
    OfferSource,
    TourSession,
)
from tests.acts import ask, ledger, owed, statuses
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    make_booking,
    make_offered,
    make_season,
    make_session,
    make_sign_up,
    make_waiting,
)

pytestmark = pytest.mark.usefixtures("promises_kept")

LAST_CALL = NOON + timedelta(hours=23)
"""A roster that locks then is in its last call at NOON."""


def decisions(session):
    told = "trigger", "reason", "offered_to", "saved_for", "places_free", "parties_free"
    return list(session.decisions.order_by("pk").values_list(*told))


# Whom free places go to.


def test_a_freed_place_is_offered_to_the_first_party_in_line(commits):
    session = make_session(capacity=2)
    leaving = make_booking(session, size=2)
    first, second = make_waiting(session, size=2), make_waiting(session, size=2)

    with commits():
        visit.cancel_places(leaving.party_id, now=NOON)

    assert statuses(session) == {leaving: "cancelled", first: "offered", second: "waiting"}
    assert owed() == [("cancelled", leaving.party_id), ("offer", first.party_id)]
    assert ledger(session) == {"places": 2, "parties": 1, "offered": 1, "waiting": 1}
    assert decisions(session) == [("cancelled", "offered", first.pk, None, 2, 2)]


def test_the_offer_says_until_when_and_where_it_came_from():
    session = make_session(capacity=2)
    waiting = make_waiting(session)

    waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.SCAN)

    waiting.refresh_from_db()
    # 120 waking minutes are left of this Monday, the other 720 are Tuesday's: 20:00 in Shanghai.
    ends = NOON + DAY
    assert (waiting.offer_expires_at, waiting.offer_source, waiting.queue_number) == (ends, OfferSource.WAITLIST, 1)
    notice = Notice.objects.get()
    assert (notice.kind, notice.booking, notice.expires_at, notice.facts) == (
        "offer",
        waiting,
        ends,
        {"ends": ends.isoformat()},
    )
    assert list(waiting.events.values_list("from_status", "to_status", "who", "why"))[-1] == (
        "waiting",
        "offered",
        "line",
        "scan",
    )


def test_everything_free_is_offered_in_order_each_offer_with_its_own_decision(commits):
    session = make_session(capacity=6)
    line = [make_waiting(session, size=size) for size in (2, 3, 2, 1)]

    assert waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.SCAN) == 2

    assert statuses(session) == dict(zip(line, ["offered", "offered", "waiting", "waiting"], strict=True))
    assert decisions(session) == [
        ("scan", "offered", line[0].pk, None, 6, 6),
        ("scan", "offered", line[1].pk, None, 4, 5),
        ("scan", "saved", None, line[2].pk, 1, 4),
    ]


def test_a_serving_that_made_an_offer_goes_on_after_its_commit(commits):
    session = make_session(capacity=3)
    leaving = make_booking(session, size=3)
    line = [make_waiting(session, size=1) for _party in range(3)]

    with commits():
        visit.cancel_places(leaving.party_id, now=NOON)

    assert statuses(session) == {leaving: "cancelled", **dict.fromkeys(line, "offered")}


def test_the_order_is_the_number_in_line_not_the_age_of_the_row():
    session = make_session(capacity=2)
    late, early = make_waiting(session), make_waiting(session)
    Booking.objects.filter(pk=late.pk).update(queue_number=9)

    waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.SCAN)

    assert statuses(session) == {late: "waiting", early: "offered"}


def test_places_are_saved_for_the_head_of_the_line_before_the_last_call():
    session = make_session(capacity=4)
    make_booking(session, size=2)
    head, small = make_waiting(session, size=3), make_waiting(session, size=1)

    assert waitlist.next_in_line(session, now=NOON) == (None, head)
    assert waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.SCAN) == 0

    assert [statuses(session)[booking] for booking in (head, small)] == ["waiting", "waiting"]
    assert decisions(session) == [("scan", "saved", None, head.pk, 2, 3)]


def test_nothing_is_saved_for_a_party_larger_than_what_the_session_gives_out():
    session = make_session(capacity=4, sell_limit=2)
    large, called = make_waiting(session, size=3), make_waiting(session, size=3, first_call=True)
    ready, some = make_waiting(session, size=1, short_notice=True), make_waiting(session, size=3, smallest_size=2)

    assert waitlist.next_in_line(session, now=NOON) == (ready, None)
    waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.SCAN)

    assert statuses(session) == {large: "waiting", called: "waiting", ready: "offered", some: "waiting"}
    assert decisions(session) == [
        ("scan", "offered", ready.pk, None, 2, 4),
        ("scan", "saved", None, some.pk, 1, 3),
    ]


def test_of_those_who_can_come_at_all_first_call_and_then_the_number_decides_before_the_last_call():
    session = make_session(capacity=9, sell_limit=2)
    make_waiting(session, size=3)
    first, ready = make_waiting(session, size=2), make_waiting(session, size=1, short_notice=True)
    assert waitlist.next_in_line(session, now=NOON) == (first, None)
    called = make_waiting(session, size=1, first_call=True)
    assert waitlist.next_in_line(session, now=NOON) == (called, None)
    assert statuses(session)[ready] == "waiting"
    waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.SCAN)


def test_a_line_in_which_nobody_can_come_at_all_keeps_nothing_from_newcomers():
    session = make_session(capacity=4, sell_limit=2)
    large = make_waiting(session, size=3)

    party = ask(session, size=2)

    assert statuses(session) == {large: "waiting", party.bookings.get(): "offered"}
    assert decisions(session) == [("sign-up", "no fit", None, None, 2, 4)]


def test_a_higher_limit_makes_a_large_party_the_head_again():
    session = make_session(capacity=4, sell_limit=2)
    held = make_booking(session, size=2)
    large, small = make_waiting(session, size=3), make_waiting(session, size=1)

    resize(session.pk, capacity=4, max_parties=4, sell_limit=3, now=NOON)

    assert statuses(session) == {held: "confirmed", large: "waiting", small: "waiting"}
    assert decisions(session) == [("capacity", "saved", None, large.pk, 1, 3)]


def test_in_the_last_call_the_first_in_line_that_fits_gets_them():
    session = make_session(capacity=4, roster_locks_at=LAST_CALL)
    held = make_booking(session, size=2)
    head, small, smaller = (make_waiting(session, size=size) for size in (3, 2, 1))

    waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.SCAN)

    assert statuses(session) == {held: "confirmed", head: "waiting", small: "offered", smaller: "waiting"}
    assert decisions(session) == [("scan", "offered", small.pk, None, 2, 3)]


def test_in_the_last_call_those_who_can_come_at_short_notice_go_first():
    session = make_session(capacity=2, roster_locks_at=LAST_CALL)
    head, ready, ready_too = (make_waiting(session, short_notice=ready) for ready in (False, True, True))

    waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.SCAN)

    assert statuses(session) == {head: "waiting", ready: "offered", ready_too: "waiting"}


def test_before_the_last_call_short_notice_is_no_advantage():
    session = make_session(capacity=2)
    head, ready = make_waiting(session), make_waiting(session, short_notice=True)

    waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.SCAN)

    assert statuses(session) == {head: "offered", ready: "waiting"}


def test_the_fit_rule_turns_24_hours_before_the_roster_locks():
    session = make_session(capacity=3, roster_locks_at=NOON + 24 * HOUR)
    held = make_booking(session, size=1)
    head, small = make_waiting(session, size=3), make_waiting(session, size=2)

    assert waitlist.next_in_line(session, now=NOON - timedelta(seconds=1)) == (None, head)
    assert waitlist.next_in_line(session, now=NOON) == (small, None)
    waitlist.serve_waiting_lines(now=NOON)
    assert statuses(session) == {held: "confirmed", head: "waiting", small: "offered"}


def test_a_decision_says_when_nobody_in_line_fits():
    session = make_session(capacity=3, roster_locks_at=LAST_CALL)
    make_booking(session, size=2)
    make_waiting(session, size=2)

    waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.LEFT)

    assert decisions(session) == [("left", "no fit", None, None, 1, 2)]


def test_the_limit_of_parties_stops_the_line_where_places_are_left():
    session = make_session(capacity=10, max_parties=2)
    make_booking(session, size=1), make_booking(session, size=1)
    waiting = make_waiting(session, size=1)

    assert waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.SCAN) == 0
    assert (waitlist.fits(waiting, session), decisions(session)) == (False, [])


def test_no_offer_is_made_when_too_little_time_is_left_and_the_reason_is_stored():
    session = make_session(capacity=2, roster_locks_at=NOON + timedelta(minutes=29))
    waiting = make_waiting(session)

    assert waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.CANCELLED) == 0

    assert statuses(session) == {waiting: "waiting"}
    assert decisions(session) == [("cancelled", "too late", None, None, 2, 2)]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"roster_locks_at": NOON}, id="the roster has locked"),
        pytest.param({"called_off_at": NOON - HOUR}, id="called off"),
    ],
)
def test_from_the_roster_lock_on_and_after_calling_off_nothing_is_offered(given):
    session = make_session(capacity=2, **given)
    waiting = make_waiting(session)

    assert waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.SCAN) == 0
    assert statuses(session) == {waiting: "waiting"}
    session.bookings.filter(session__called_off_at=NOON - HOUR).end_all(BookingStatus.CALLED_OFF, now=NOON, who="clock")


def test_closing_sign_up_does_not_close_the_line_that_stands():
    session = make_session(capacity=2, closed_at=NOON - HOUR)
    waiting = make_waiting(session)

    assert waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.SCAN) == 1
    assert statuses(session) == {waiting: "offered"}


def test_unproven_parties_and_parties_with_an_offer_elsewhere_are_not_in_the_line():
    session = make_session(capacity=2)
    elsewhere = make_session(season=session.season)
    unproven = make_waiting(session, proven=False)
    answering = make_waiting(session)
    offer = make_offered(elsewhere, party=answering.party, offer_expires_at=NOON + DAY)
    third = make_waiting(session)

    waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.SCAN)

    assert statuses(session) == {unproven: "waiting", answering: "waiting", third: "offered"}
    assert statuses(elsewhere) == {offer: "offered"}


def test_the_scan_serves_every_session_with_idle_places_and_repeats_no_decision():
    roomy, full = make_session(capacity=3), make_session(capacity=2)
    held = make_booking(full)
    head = make_waiting(roomy, size=2)
    next_one = make_waiting(roomy, size=2)
    waiting = make_waiting(full)

    assert waitlist.serve_waiting_lines(now=NOON) == 1
    for minutes in range(1, 4):
        assert waitlist.serve_waiting_lines(now=NOON + timedelta(minutes=minutes)) == 0

    assert statuses(roomy) == {head: "offered", next_one: "waiting"}
    assert statuses(full) == {held: "confirmed", waiting: "waiting"}
    assert decisions(roomy) == [("scan", "offered", head.pk, None, 3, 3), ("scan", "saved", None, next_one.pk, 1, 2)]
    assert decisions(full) == []


# What becomes of an offer.


def test_the_first_yes_supersedes_the_rest_and_those_lines_move_on(commits):
    season = make_season()
    chosen, other = make_session(season=season, capacity=2), make_session(season=season, capacity=2)
    offer = make_offered(chosen, offer_expires_at=NOON + HOUR)
    also = make_waiting(other, party=offer.party)
    behind = make_waiting(other)

    with commits():
        waitlist.accept_offer(offer.pk, now=NOON)

    assert statuses(chosen, other) == {offer: "confirmed", also: "superseded", behind: "offered"}
    assert decisions(other) == [("left", "offered", behind.pk, None, 2, 2)]
    assert owed() == [("confirmed", offer.party_id), ("offer", behind.party_id)]


def test_a_confirmed_party_may_wait_elsewhere_and_taking_that_offer_frees_its_old_places(commits):
    season = make_season()
    old, new = make_session(season=season, capacity=2), make_session(season=season, capacity=2)
    held = make_booking(old)
    offer = make_offered(new, party=held.party, offer_expires_at=NOON + HOUR)
    behind = make_waiting(old)

    with commits():
        waitlist.accept_offer(offer.pk, now=NOON)

    assert statuses(old, new) == {held: "superseded", offer: "confirmed", behind: "offered"}
    assert decisions(old) == [("moved", "offered", behind.pk, None, 2, 2)]
    notice = Notice.objects.get(party=held.party)
    assert (notice.kind, notice.facts) == ("confirmed", {"starts_at": old.starts_at.isoformat()})


def test_saying_yes_twice_is_one_yes():
    offer = make_offered(make_session(), offer_expires_at=NOON + HOUR)

    waitlist.accept_offer(offer.pk, now=NOON)
    waitlist.accept_offer(offer.pk, now=NOON + 2 * HOUR)

    assert owed() == [("confirmed", offer.party_id)]
    assert BookingEvent.objects.filter(booking=offer).count() == 2


def test_taking_an_offer_proves_the_mailbox():
    offer = make_sign_up(make_session())

    waitlist.accept_offer(offer.pk, now=NOON)

    offer.party.refresh_from_db()
    assert offer.party.mailbox_proven_at == NOON


def test_an_offer_can_be_taken_until_its_deadline_and_not_at_it():
    early, late = (make_offered(make_session(), offer_expires_at=NOON + HOUR) for _offer in range(2))

    waitlist.accept_offer(early.pk, now=NOON + HOUR - timedelta(microseconds=1))
    with pytest.raises(waitlist.OfferGone):
        waitlist.accept_offer(late.pk, now=NOON + HOUR)

    assert statuses(early.session, late.session) == {early: "confirmed", late: "offered"}


def test_an_offer_can_be_refused_until_its_deadline_and_what_ran_out_is_a_lapse():
    early, late = (make_offered(make_session(), offer_expires_at=NOON + HOUR) for _offer in range(2))

    waitlist.decline_offer(early.pk, now=NOON + HOUR - timedelta(microseconds=1))
    with pytest.raises(waitlist.OfferGone):
        waitlist.decline_offer(late.pk, now=NOON + HOUR)
    waitlist.lapse_offers(now=NOON + HOUR)

    assert (statuses(early.session)[early], late.events.latest("pk").why) == ("declined", "lapsed")


def test_what_was_never_offered_cannot_be_taken_nor_refused():
    waiting = make_waiting(make_session(capacity=2))
    make_booking(waiting.session)

    for answer in (waitlist.accept_offer, waitlist.decline_offer):
        with pytest.raises(waitlist.NothingOffered):
            answer(waiting.pk, now=NOON)


def test_not_this_date_ends_this_booking_keeps_the_others_and_serves_the_next(commits):
    season = make_season()
    refused, kept = make_session(season=season, capacity=2), make_session(season=season, capacity=2)
    make_booking(kept)
    offer = make_offered(refused, offer_expires_at=NOON + HOUR)
    other = make_waiting(kept, party=offer.party)
    behind = make_waiting(refused)

    with commits():
        waitlist.decline_offer(offer.pk, now=NOON)
        waitlist.decline_offer(offer.pk, now=NOON)

    assert statuses(refused) == {offer: "declined", behind: "offered"}
    assert statuses(kept)[other] == "waiting"
    offer.party.refresh_from_db()
    assert (offer.party.ended_at, offer.party.lapses) == (None, 0)


def test_a_declined_party_counts_again_in_the_other_lines_it_stands_in(commits):
    season = make_season()
    refused, kept = make_session(season=season, capacity=2), make_session(season=season, capacity=2)
    offer = make_offered(refused, offer_expires_at=NOON + HOUR)
    other = make_waiting(kept, party=offer.party)

    with commits():
        waitlist.decline_offer(offer.pk, now=NOON)

    assert statuses(refused, kept) == {offer: "declined", other: "offered"}


def test_refusing_the_only_booking_ends_the_party():
    offer = make_offered(make_session(), offer_expires_at=NOON + HOUR)

    waitlist.decline_offer(offer.pk, now=NOON)

    offer.party.refresh_from_db()
    assert offer.party.ended_at == NOON


def test_the_first_lapse_gives_the_party_a_new_number_at_the_end_of_the_line(commits):
    session = make_session(capacity=2)
    lapsing = make_offered(session, offer_expires_at=NOON, queue_number=1)
    TourSession.objects.filter(pk=session.pk).update(next_queue_number=2)
    behind, last = make_waiting(session), make_waiting(session)

    with commits():
        assert waitlist.lapse_offers(now=NOON) == 1

    assert statuses(session) == {lapsing: "waiting", behind: "offered", last: "waiting"}
    lapsing.refresh_from_db()
    assert (lapsing.queue_number, lapsing.offer_expires_at, lapsing.party.lapses) == (4, None, 1)
    assert owed() == [("offer_lapsed", lapsing.party_id), ("offer", behind.party_id)]


def test_the_second_lapse_of_a_party_ends_all_its_waiting(commits):
    season = make_season()
    session, other = make_session(season=season, capacity=2), make_session(season=season, capacity=2)
    make_booking(other)
    lapsing = make_offered(session, offer_expires_at=NOON, lapses=1)
    waiting = make_waiting(other, party=lapsing.party)
    behind = make_waiting(session)

    with commits():
        waitlist.lapse_offers(now=NOON)

    assert statuses(session) == {lapsing: "lapsed", behind: "offered"}
    assert statuses(other)[waiting] == "lapsed"
    lapsing.party.refresh_from_db()
    assert (lapsing.party.lapses, lapsing.party.ended_at) == (2, NOON)
    assert owed(lapsing.party) == [("offer_lapsed", lapsing.party_id)]


def test_a_second_lapse_leaves_what_is_confirmed():
    season = make_season()
    held = make_booking(make_session(season=season))
    lapsing = make_offered(make_session(season=season), party=held.party, offer_expires_at=NOON)
    held.party.lapses = 1
    held.party.save()

    waitlist.lapse_offers(now=NOON)

    assert statuses(held.session, lapsing.session) == {held: "confirmed", lapsing: "lapsed"}


def test_the_lapse_of_a_sign_up_offer_ends_the_party_and_the_next_is_served(commits):
    session = make_session(capacity=2)
    lapsing = make_sign_up(session, offer_expires_at=NOON)
    behind = make_waiting(session)

    with commits():
        assert waitlist.lapse_offers(now=NOON) == 1

    assert statuses(session) == {lapsing: "lapsed", behind: "offered"}
    lapsing.party.refresh_from_db()
    assert (lapsing.party.ended_at, lapsing.party.lapses) == (NOON, 0)
    assert owed(lapsing.party) == []


def test_an_offer_that_lapses_at_the_roster_lock_does_not_go_back_into_a_closed_line():
    lapsing = make_offered(make_session(roster_locks_at=NOON), offer_expires_at=NOON)

    waitlist.lapse_offers(now=NOON)

    assert statuses(lapsing.session) == {lapsing: "lapsed"}


def test_nothing_lapses_before_its_deadline_and_nothing_twice():
    offer = make_sign_up(make_session(), offer_expires_at=NOON)

    assert waitlist.lapse_offers(now=NOON - timedelta(microseconds=1)) == 0
    assert (waitlist.lapse_offers(now=NOON), waitlist.lapse_offers(now=NOON + DAY)) == (1, 0)
    assert BookingEvent.objects.filter(booking=offer).count() == 2


def test_a_party_that_lapses_with_nobody_behind_it_is_offered_the_places_once_more(commits):
    session = make_session(capacity=2)
    lapsing = make_offered(session, offer_expires_at=NOON)

    with commits():
        waitlist.lapse_offers(now=NOON)
    assert statuses(session) == {lapsing: "offered"}

    with commits():
        waitlist.lapse_offers(now=NOON + DAY)
    assert statuses(session) == {lapsing: "lapsed"}
    assert owed() == [(kind, lapsing.party_id) for kind in ("offer_lapsed", "offer", "offer_lapsed")]


def test_a_lapsed_offer_cannot_be_taken_and_a_taken_one_does_not_lapse():
    lapsed, taken = make_sign_up(make_session(), offer_expires_at=NOON), make_offered(make_session())
    waitlist.accept_offer(taken.pk, now=NOON)
    waitlist.lapse_offers(now=NOON + DAY)

    with pytest.raises(waitlist.OfferGone):
        waitlist.accept_offer(lapsed.pk, now=NOON)

    assert statuses(lapsed.session, taken.session) == {lapsed: "lapsed", taken: "confirmed"}


def test_one_party_is_never_offered_two_sessions_at_a_time(commits):
    season = make_season()
    one, other = make_session(season=season, capacity=2), make_session(season=season, capacity=2)
    here = make_waiting(one)
    there = make_waiting(other, party=here.party)

    with commits():
        waitlist.serve_waiting_lines(now=NOON)

    assert statuses(one, other) == {here: "offered", there: "waiting"}


# Leaving, closing, dropping.


def test_what_was_saved_for_a_party_that_is_asked_elsewhere_goes_to_the_next_in_line(commits):
    season = make_season()
    other = make_session(season=season, capacity=2)
    head = make_waiting(other, size=3)
    behind = make_waiting(other, size=2)
    session = make_session(season=season, capacity=3)
    leaving = make_booking(session, size=3)
    asked = make_waiting(session, party=head.party, preference=2)

    with commits():
        visit.cancel_places(leaving.party_id, now=NOON)

    assert statuses(other, session) == {head: "waiting", behind: "offered", leaving: "cancelled", asked: "offered"}
    assert decisions(other) == [("left", "offered", behind.pk, None, 2, 2)]


def test_leaving_lets_go_of_every_line_and_offer_but_not_of_confirmed_places(commits):
    season = make_season()
    held = make_booking(make_session(season=season))
    waited = make_session(season=season, capacity=2)
    make_booking(waited)
    waiting = make_waiting(waited, party=held.party)
    offered = make_offered(make_session(season=season, capacity=2), party=held.party, offer_expires_at=NOON + HOUR)
    behind = make_waiting(offered.session)

    with commits():
        waitlist.leave_lines(held.party_id, now=NOON)

    after = statuses(held.session, waited, offered.session)
    assert {booking: after[booking] for booking in (held, waiting, offered, behind)} == {
        held: "confirmed",
        waiting: "withdrawn",
        offered: "withdrawn",
        behind: "offered",
    }


def test_when_the_head_leaves_the_saved_places_go_to_the_next(commits):
    session = make_session(capacity=4)
    make_booking(session, size=2)
    head, small = make_waiting(session, size=3), make_waiting(session, size=2)

    with commits():
        waitlist.leave_lines(head.party_id, now=NOON)

    assert [statuses(session)[booking] for booking in (head, small)] == ["withdrawn", "offered"]


def test_when_the_roster_locks_whoever_still_waits_is_told_that_the_line_has_closed():
    session = make_session(capacity=2, roster_locks_at=NOON)
    held, waiting, unproven = make_booking(session), make_waiting(session), make_waiting(session, proven=False)

    assert waitlist.close_lines(now=NOON - timedelta(seconds=1)) == 0
    assert (waitlist.close_lines(now=NOON), waitlist.close_lines(now=NOON)) == (2, 0)

    assert statuses(session) == {held: "confirmed", waiting: "closed", unproven: "closed"}
    assert owed() == [("line_closed", waiting.party_id)]
    assert ledger(session)["waiting"] == 0


def test_a_party_that_never_proved_its_mailbox_is_dropped_on_time_from_every_line():
    season = make_season()
    one, other = make_session(season=season, capacity=2), make_session(season=season, capacity=2)
    make_booking(one), make_booking(other)
    party = ask(one, other)

    assert waitlist.drop_unproven(now=NOON + 48 * HOUR - timedelta(seconds=1)) == 0
    assert waitlist.drop_unproven(now=NOON + 48 * HOUR) == 1

    assert {booking.status for booking in party.bookings.all()} == {"dropped"}
    party.refresh_from_db()
    assert party.ended_at == NOON + 48 * HOUR


def test_a_proven_party_is_not_dropped():
    waiting = make_waiting(make_session(capacity=2), prove_by=NOON)
    make_booking(waiting.session)

    assert waitlist.drop_unproven(now=NOON + DAY) == 0


def test_one_row_that_fails_does_not_stop_a_scan(monkeypatch, caplog):
    broken, healthy = (make_sign_up(make_session(), offer_expires_at=NOON) for _offer in range(2))
    move_to = Booking.move_to

    def fail_for_one(self, status, **given):
        if self.pk == broken.pk:
            raise RuntimeError("a row that cannot be moved")
        move_to(self, status, **given)

    monkeypatch.setattr(Booking, "move_to", fail_for_one)

    assert waitlist.lapse_offers(now=NOON) == 1
    assert statuses(broken.session, healthy.session) == {broken: "offered", healthy: "lapsed"}
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_the_statuses_that_hold_places_are_those_of_the_table():
    assert {status.value for status in BookingStatus if Booking(status=status).holds_places} == {
        "offered",
        "confirmed",
        "checked in",
    }


def test_a_decision_is_written_whenever_something_became_free_and_not_for_the_scan():
    session = make_session(capacity=4)
    make_booking(session, size=2)
    head = make_waiting(session, size=3)

    for _serving in range(2):
        waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.CANCELLED)
    waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.SCAN)

    assert decisions(session) == [("cancelled", "saved", None, head.pk, 2, 3)] * 2
    assert Decision.objects.count() == 2


def test_nobody_says_yes_to_a_session_that_was_called_off():
    session = make_session()
    offer, kept = make_offered(session), make_sign_up(session)
    call_off(session.pk, reason="Repairs.", now=NOON, who="host:lin")

    with pytest.raises(waitlist.NothingOffered):
        waitlist.accept_offer(offer.pk, now=NOON)
    with pytest.raises(waitlist.OfferGone):
        visit.prove_mailbox(kept.party_id, now=NOON)
    assert statuses(session) == {offer: "called off", kept: "called off"}
