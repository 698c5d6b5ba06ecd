"""What a host does to a session as a whole; whoever is touched hears of it."""

import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from bookings import outbox
from bookings.domain import choices, opening, sessions, sign_up, visit, waitlist
from bookings.domain.invariants import broken_promises
from bookings.domain.locks import StaleLocks
from bookings.emails import build
from bookings.models import Booking, BookingEvent, Notice, Party, TourSession
from bookings.models.tours import TourSessionQuerySet
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


def test_calling_off_many_tells_each_party_once_and_keeps_what_they_have_elsewhere(commits):
    season = make_season()
    doomed, other = make_session(season=season, capacity=200), make_session(season=season, capacity=2)
    confirmed = [make_booking(doomed) for _party in range(60)]
    offered = [make_offered(doomed, offer_expires_at=NOON + HOUR) for _party in range(3)]
    waiting = [make_waiting(doomed) for _party in range(400)]
    unproven = [make_waiting(doomed, proven=False), make_sign_up(doomed)]
    taken = make_booking(other)
    standing = [make_waiting(other, party=booking.party) for booking in (offered[0], confirmed[0], waiting[0])]

    with commits():
        sessions.call_off(doomed.pk, reason=REPAIR, now=NOON, who="host:lin")

    told = [*confirmed, *offered, *waiting]
    assert statuses(doomed) == dict.fromkeys([*told, *unproven], "called off")
    assert owed() == [("called_off", booking.party_id) for booking in told]
    assert statuses(other) == {taken: "confirmed"} | dict.fromkeys(standing, "waiting")
    assert set(other.bookings.in_line()) == set(standing), "the party whose offer ended counts again"
    assert ledger(doomed) == {"places": 0, "parties": 0, "offered": 0, "waiting": 0}
    ended = Party.objects.filter(ended_at=NOON).values_list("pk", flat=True)
    assert set(ended) == {booking.party_id for booking in [*offered[1:], *waiting[1:], *unproven]}
    events = BookingEvent.objects.filter(to_status="called off", happened_at=NOON, who="host:lin")
    assert dict(events.values_list("booking", "from_status")) == {b.pk: b.status for b in [*told, *unproven]}
    raised = Party.objects.filter(calendar_sequence=1).values_list("pk", flat=True)
    assert set(raised) == {booking.party_id for booking in confirmed}


def test_calling_off_is_started_over_if_a_party_joined_a_line_before_the_locks_were_taken(monkeypatch):
    season = make_season()
    doomed, other = make_session(season=season), make_session(season=season, capacity=2)
    offer = make_offered(doomed, offer_expires_at=NOON + HOUR)
    lock = TourSessionQuerySet.lock

    def join_and_lock(rows, pks):
        make_waiting(other, party=offer.party)
        return lock(rows, pks)

    monkeypatch.setattr(TourSessionQuerySet, "lock", join_and_lock)
    with pytest.raises(StaleLocks):
        sessions.call_off(doomed.pk, reason=REPAIR, now=NOON, who="host:lin")


def test_a_crash_while_calling_off_leaves_everything_as_it_was(monkeypatch):
    season = make_season()
    doomed, other = make_session(season=season, capacity=4), make_session(season=season, capacity=2)
    bookings = [make_booking(doomed), make_offered(doomed, offer_expires_at=NOON + HOUR), make_waiting(doomed)]
    make_booking(other), make_waiting(other, party=bookings[1].party)

    def crash(*args, **kwargs):
        raise RuntimeError("the power went")

    def rows():
        return [list(model.objects.order_by("pk").values()) for model in (Booking, Party, TourSession, BookingEvent)]

    monkeypatch.setattr(waitlist, "serve_all", crash)
    before = rows()
    with pytest.raises(RuntimeError):
        sessions.call_off(doomed.pk, reason=REPAIR, now=NOON, who="host:lin")

    assert (rows(), owed()) == (before, [])


def test_calling_off_takes_a_few_statements_for_each_thousand_waiting_parties():
    """PostgreSQL writes a thousand rows in one; SQLite takes 999 values, which is about seventy notices."""

    def statements(parties):
        session = make_session()
        make_booking(session), make_offered(session, offer_expires_at=NOON + HOUR)
        fill_line(session, parties)
        with CaptureQueriesContext(connection) as captured:
            sessions.call_off(session.pk, reason=REPAIR, now=NOON, who="host:lin")
        assert Notice.objects.filter(booking__session=session).count() == parties + 2
        return len(captured)

    few, many = statements(10), statements(1000)
    assert many - few <= (5 if connection.vendor == "postgresql" else 30)


def fill_line(session, parties):
    """So many waiting parties, written at once."""
    first = session.next_queue_number
    leads = Party.objects.bulk_create(
        Party(
            season=session.season,
            code=f"{session.pk:03}{number:05}",
            submission_key=uuid.uuid4(),
            person_key=f"{session.pk}:{number}",
            email=f"line{number}@visitors.example",
            language="en",
            size=2,
            smallest_size=2,
            asked_at=NOON - DAY,
            mailbox_proven_at=NOON - DAY,
        )
        for number in range(parties)
    )
    waitlist.write_new(
        [
            Booking(
                party=lead,
                session=session,
                places=2,
                least=2,
                status="waiting",
                status_since=NOON - DAY,
                queue_number=first + number,
                in_line=True,
            )
            for number, lead in enumerate(leads)
        ],
        now=NOON - DAY,
    )
    TourSession.objects.filter(pk=session.pk).update(
        next_queue_number=first + parties, parties_waiting=F("parties_waiting") + parties
    )


# First call


def first_call(booking):
    party = Party.objects.get(pk=booking.party_id)
    return party.first_call_until, party.ended_at


def test_parties_that_were_confirmed_have_first_call_for_three_days_and_all_others_end():
    session = make_session()
    make_session(season=session.season)
    confirmed, offered = make_booking(session), make_offered(session, offer_expires_at=NOON + HOUR)
    waiting = make_waiting(session)

    sessions.call_off(session.pk, reason=REPAIR, now=NOON, who="host:lin")

    assert [first_call(booking) for booking in (confirmed, offered, waiting)] == [
        (NOON + 3 * DAY, None),
        (None, NOON),
        (None, NOON),
    ]


@pytest.mark.parametrize(
    ("season", "other", "until"),
    [
        pytest.param({}, {"roster_locks_at": NOON + 2 * DAY}, NOON + 2 * DAY, id="until the last roster locks"),
        pytest.param({"closes_at": NOON + DAY}, {}, NOON + 3 * DAY, id="whenever sign-up closes"),
        pytest.param({}, {"roster_locks_at": NOON}, None, id="the roster is locked"),
        pytest.param({}, {"called_off_at": NOON - DAY}, None, id="called off"),
        pytest.param({}, {"closed_at": NOON - DAY}, None, id="closed by a host"),
        pytest.param({"closes_at": NOON}, {}, NOON + 3 * DAY, id="sign-up is closed, which is for newcomers"),
        pytest.param({"published": False}, {}, None, id="hidden"),
    ],
)
def test_first_call_ends_no_later_than_the_rest_of_the_season_takes_anybody(season, other, until):
    session = make_session(season=make_season(**season))
    for locks_at in (NOON - DAY, NOON):
        make_session(season=session.season, roster_locks_at=locks_at)
    make_session(**{"season": session.season} | other)
    confirmed = make_booking(session)

    sessions.call_off(session.pk, reason=REPAIR, now=NOON, who="host:lin")

    assert first_call(confirmed) == (until, None if until else NOON)


def test_with_first_call_a_party_goes_before_the_line_of_another_session(commits):
    season = make_season()
    doomed, other = make_session(season=season), make_session(season=season, capacity=2)
    leaving, waiting = make_booking(other), make_waiting(other)
    called = make_booking(doomed)
    sessions.call_off(doomed.pk, reason=REPAIR, now=NOON, who="host:lin")

    choices.join_line(called.party_id, other.pk, now=NOON + DAY)
    with commits():
        visit.cancel_places(leaving.party_id, now=NOON + DAY)

    chosen = Booking.objects.get(party=called.party, session=other)
    assert statuses(other) == {leaving: "cancelled", waiting: "waiting", chosen: "offered"}


def test_the_calendar_entry_of_new_places_comes_after_the_one_that_took_the_old_away(commits):
    season = make_season()
    doomed, free = make_session(season=season), make_session(season=season)
    called = make_booking(doomed)
    sessions.call_off(doomed.pk, reason=REPAIR, now=NOON, who="host:lin")
    taken_away = Party.objects.get(pk=called.party_id).calendar_sequence

    with commits():
        choices.take_places(called.party_id, free.pk, now=NOON)

    assert Party.objects.get(pk=called.party_id).calendar_sequence > taken_away


def test_sessions_called_off_together_are_nobodys_first_call():
    season = make_season()
    together = [make_session(season=season) for _session in range(2)]
    bookings = [make_booking(session) for session in together]

    for session in together:
        pks = {session.pk for session in together}
        sessions.call_off(session.pk, reason=REPAIR, now=NOON, who="host:lin", besides=pks)

    assert [first_call(booking) for booking in bookings] == [(None, NOON)] * 2


def test_a_first_call_that_ran_out_ends_the_parties_that_did_not_use_it():
    session = make_session()
    other = make_session(season=session.season, capacity=2)
    idle, waits = make_booking(session), make_booking(session)
    sessions.call_off(session.pk, reason=REPAIR, now=NOON, who="host:lin")
    make_booking(other), make_waiting(other, party=waits.party)
    over = NOON + 3 * DAY

    early = sessions.end_first_calls(now=over - timedelta(seconds=1))
    late = [sessions.end_first_calls(now=over) for _time in range(2)]

    assert (early, late) == (0, [2, 0])
    assert [first_call(booking) for booking in (idle, waits)] == [(None, over), (None, None)]
    assert "bookings.end_first_calls" in settings.CELERY_BEAT_SCHEDULE


def test_who_chose_a_line_in_time_stands_ahead_in_it_after_the_three_days(commits):
    season = make_season()
    doomed, other = make_session(season=season), make_session(season=season, capacity=2)
    leaving, waiting, called = make_booking(other), make_waiting(other), make_booking(doomed)
    sessions.call_off(doomed.pk, reason=REPAIR, now=NOON, who="host:lin")
    choices.join_line(called.party_id, other.pk, now=NOON + 3 * DAY - HOUR)
    later = NOON + 3 * DAY

    assert sessions.end_first_calls(now=later) == 1
    with commits():
        visit.cancel_places(leaving.party_id, now=later)

    chosen = Booking.objects.get(party=called.party, session=other)
    assert statuses(other) == {leaving: "cancelled", waiting: "waiting", chosen: "offered"}


def test_a_first_call_that_nobody_ended_is_a_broken_promise():
    party = make_booking(first_call_until=NOON - timedelta(minutes=10)).party

    assert list(broken_promises(now=NOON - timedelta(seconds=1))) == []
    assert list(broken_promises(now=NOON)) == [f"party {party.pk}: its first call ran out and was never ended"]

    sessions.end_first_calls(now=NOON)


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


def test_parties_at_the_gate_are_told_as_well_and_have_first_call():
    session = make_session()
    make_session(season=session.season)
    here, expected = make_booking(session, "checked in", arrived=2), make_booking(session)

    sessions.call_off(session.pk, reason=REPAIR, now=NOON, who="host:lin")

    assert statuses(session) == {here: "called off", expected: "called off"}
    assert owed() == [("called_off", here.party_id), ("called_off", expected.party_id)]
    assert [first_call(booking) for booking in (here, expected)] == [(NOON + 3 * DAY, None)] * 2
    assert [Party.objects.get(pk=booking.party_id).calendar_sequence for booking in (here, expected)] == [1, 1]
    assert ledger(session) == {"places": 0, "parties": 0, "offered": 0, "waiting": 0}


def test_parties_at_the_gate_are_told_that_their_session_moved():
    here, missing = make_booking(status="checked in", arrived=2), make_booking(status="no-show")

    for booking in (here, missing):
        sessions.move(
            booking.session_id,
            starts_at=START + HOUR,
            ends_at=START + 3 * HOUR,
            roster_locks_at=START - DAY,
            now=START - HOUR,
            who="host:lin",
        )

    told = {notice.booking: outbox.still_true(notice, START - HOUR) for notice in Notice.objects.all()}
    assert told == {here: True, missing: False}
    message = build(Notice.objects.get(booking=here), now=START - HOUR)
    assert "Your 2 places moved with it: you keep them and need to do nothing. The calendar file" in message.body
    assert "say so on your page" not in message.body
    assert [part.get_param("method") for part in message.message().walk() if part.get_param("method")] == ["REQUEST"]


def test_whoever_was_checked_in_is_expected_again_on_the_day_its_session_moved_to():
    session = make_session()
    here, missing = make_booking(session, "checked in", arrived=2), make_booking(session, "no-show")
    later, now = START + 7 * DAY, START - HOUR

    sessions.move(
        session.pk, starts_at=later, ends_at=later + 2 * HOUR, roster_locks_at=later - DAY, now=now, who="host:lin"
    )

    assert statuses(session) == {here: "confirmed", missing: "no-show"}
    here = Booking.objects.get(pk=here.pk)
    assert (here.arrived, here.status_since) == (None, now)
    event = here.events.latest("pk")
    assert (event.from_status, event.to_status, event.who, event.why) == (
        "checked in",
        "confirmed",
        "host:lin",
        sessions.MOVED_AWAY,
    )
    assert owed(here.party) == [("changed", here.party_id)]
    message = build(here.party.notices.get(), now=now)
    assert "say so on your page" in message.body
    visit.cancel_places(here.party_id, now=now + DAY)
    assert ledger(session) == {"places": 0, "parties": 0, "offered": 0, "waiting": 0}


def test_whoever_was_missed_before_the_session_got_a_later_time_stays_so_and_is_not_told():
    session = make_session()
    missing, expected = make_booking(session, "no-show"), make_booking(session)

    sessions.call_off(session.pk, reason=REPAIR, now=NOON, who="host:lin")

    assert statuses(session) == {missing: "no-show", expected: "called off"}
    assert owed() == [("called_off", expected.party_id)]


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


# Offers beyond the new limits


def resize(session, places, max_parties=None, sell_limit=None, **given):
    limits = {"capacity": places, "max_parties": max_parties or places, "sell_limit": sell_limit or places}
    sessions.resize(session.pk, **limits | {"now": NOON, "who": "host:lin"} | given)


def standing(*bookings):
    """Status, number, places and deadline of each, as they are now."""
    rows = Booking.objects.in_bulk([booking.pk for booking in bookings])
    return [
        (row.status, row.queue_number, row.places, row.offer_expires_at)
        for row in (rows[booking.pk] for booking in bookings)
    ]


def make_offer_from_line(session, *, hours_ago, **given):
    number = session.next_queue_number
    TourSession.objects.filter(pk=session.pk).update(next_queue_number=number + 1)
    since = NOON - hours_ago * HOUR
    offer = make_offered(session, queue_number=number, offer_expires_at=NOON + HOUR, status_since=since, **given)
    session.refresh_from_db()
    return offer


def test_offers_beyond_the_new_limits_are_honoured_unless_the_host_says_otherwise():
    session = make_session(capacity=10)
    held, offer = make_booking(session, size=3), make_offer_from_line(session, hours_ago=1)
    before = standing(held, offer)

    with pytest.raises(sessions.OffersBeyondLimits):
        resize(session, 4)
    with pytest.raises(sessions.OffersBeyondLimits):
        resize(session, 10, max_parties=1)
    resize(session, 10, sell_limit=3)

    assert (standing(held, offer), owed()) == (before, [])
    assert (session.decisions.count(), TourSession.objects.get(pk=session.pk).sell_limit) == (0, 3)


@pytest.mark.parametrize("limits", [{"places": 5}, {"places": 9, "max_parties": 2}, {"places": 9, "sell_limit": 5}])
def test_recalled_offers_are_taken_back_newest_first_and_keep_their_number(limits):
    session = make_session(capacity=9)
    held = make_booking(session, size=3)
    old, new = (make_offer_from_line(session, hours_ago=hours) for hours in (5, 1))
    middle = make_offer_from_line(session, hours_ago=3)

    resize(session, **limits, offers=sessions.OffersOut.RECALL)

    assert standing(held, old, middle, new) == [
        ("confirmed", None, 3, None),
        ("offered", 1, 2, NOON + HOUR),
        ("waiting", 3, 2, None),
        ("waiting", 2, 2, None),
    ]
    assert owed() == [("recalled", new.party_id), ("recalled", middle.party_id)]
    assert ledger(session) == {"places": 5, "parties": 2, "offered": 1, "waiting": 2}
    assert [booking.pk for booking in session.bookings.in_line()] == [new.pk, middle.pk]
    last = new.events.latest("pk")
    assert (last.from_status, last.to_status, last.who, last.why) == ("offered", "waiting", "host:lin", "recalled")
    assert Party.objects.filter(lapses__gt=0).count() == 0


def test_no_offer_is_recalled_that_the_new_limits_hold():
    session = make_session(capacity=9)
    offers = [make_offer_from_line(session, hours_ago=hours) for hours in (5, 1)]

    resize(session, 4, offers=sessions.OffersOut.RECALL)

    assert [booking.status for booking in Booking.objects.filter(pk__in=[o.pk for o in offers])] == ["offered"] * 2
    assert owed() == []


def test_confirmed_places_are_not_recalled():
    session = make_session(capacity=10)
    make_booking(session, size=3), make_offer_from_line(session, hours_ago=1)

    with pytest.raises(sessions.CapacityBelowHeld):
        resize(session, 2, offers=sessions.OffersOut.RECALL)
    resize(session, 10, sell_limit=1, offers=sessions.OffersOut.RECALL)

    assert ledger(session) == {"places": 3, "parties": 1, "offered": 0, "waiting": 1}


def test_a_recalled_offer_of_fewer_places_waits_for_the_whole_party_again():
    session = make_session(capacity=4)
    offer = make_offer_from_line(session, hours_ago=1, size=3, smallest_size=1, places=2)

    resize(session, 4, sell_limit=1, offers=sessions.OffersOut.RECALL)

    assert standing(offer) == [("offered", 1, 1, Booking.objects.get(pk=offer.pk).offer_expires_at)]
    events = offer.events.order_by("pk").values_list("to_status", flat=True)
    assert list(events) == ["offered", "waiting", "offered"], "it is first in line and takes what is left"


def test_sign_ups_that_nobody_proved_are_recalled_last_and_get_a_number_to_prove_for():
    session = make_session(capacity=10)
    sign_up = make_sign_up(session, status_since=NOON)
    offer = make_offer_from_line(session, hours_ago=5)
    waiting = make_waiting(session, size=3)

    resize(session, 2, offers=sessions.OffersOut.RECALL)
    assert (statuses(session)[sign_up], statuses(session)[offer]) == ("offered", "waiting")
    resize(session, 1, offers=sessions.OffersOut.RECALL)

    assert standing(sign_up, offer, waiting) == [
        ("waiting", 3, 2, None),
        ("waiting", 1, 2, None),
        ("waiting", 2, 3, None),
    ]
    assert owed() == [("recalled", offer.party_id), ("in_line", sign_up.party_id)]
    assert ledger(session) == {"places": 0, "parties": 0, "offered": 0, "waiting": 2}
    notice = sign_up.party.notices.get()
    sign_up.party.refresh_from_db()
    assert (sign_up.party.prove_by, notice.expires_at) == (NOON + 2 * DAY, NOON + 2 * DAY)
    assert "We are sorry" in build(notice, now=NOON).body


def test_whoever_is_recalled_stands_in_its_other_lines_again(commits):
    season = make_season()
    shrinking, other = make_session(season=season, capacity=4), make_session(season=season, capacity=2)
    offer = make_offer_from_line(shrinking, hours_ago=1)
    elsewhere = make_waiting(other, party=offer.party)

    with commits():
        resize(shrinking, 4, sell_limit=1, offers=sessions.OffersOut.RECALL)

    assert statuses(shrinking, other) == {offer: "waiting", elsewhere: "offered"}
    assert other.decisions.get().trigger == "recalled"


def test_a_crash_while_recalling_leaves_everything_as_it_was(monkeypatch):
    session = make_session(capacity=4)
    offers = [make_offer_from_line(session, hours_ago=hours) for hours in (1, 2)]
    before = standing(*offers), ledger(session)

    def crash(*args, **kwargs):
        raise RuntimeError("the power went")

    monkeypatch.setattr(waitlist, "serve", crash)
    with pytest.raises(RuntimeError):
        resize(session, 1, offers=sessions.OffersOut.RECALL)

    assert ((standing(*offers), ledger(session)), owed()) == (before, [])
    assert TourSession.objects.get(pk=session.pk).capacity == 4


# Another time


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


def move_to_next_day(session):
    later = session.starts_at + DAY
    sessions.move(
        session.pk,
        starts_at=later,
        ends_at=later + 2 * HOUR,
        roster_locks_at=later - 2 * DAY,
        now=NOON,
        who="host:lin",
    )


def test_moving_takes_a_few_statements_for_each_thousand_waiting_parties():
    def statements(parties):
        session = make_session()
        make_booking(session, size=2), make_offered(session, offer_expires_at=NOON + HOUR)
        fill_line(session, parties)
        TourSession.objects.filter(pk=session.pk).update(sell_limit=4)
        with CaptureQueriesContext(connection) as captured:
            move_to_next_day(session)
        assert Notice.objects.filter(kind="changed", booking__session=session).count() == parties + 2
        assert set(session.season.parties.values_list("calendar_sequence", flat=True)) == {1}
        return len(captured)

    few, many = statements(10), statements(1000)
    # SQLite takes 999 values a statement, so the columns of a notice count.
    assert many - few <= (2 if connection.vendor == "postgresql" else 25)


def test_a_crash_while_moving_leaves_everything_as_it_was_and_tells_nobody(monkeypatch):
    session = make_session()
    held, offer = make_booking(session), make_offered(session, offer_expires_at=NOON + 26 * DAY)

    def crash(*args, **kwargs):
        raise RuntimeError("the power went")

    monkeypatch.setattr(waitlist, "serve", crash)
    with pytest.raises(RuntimeError):
        move_to_next_day(session)

    assert (TourSession.objects.get(pk=session.pk).starts_at, owed()) == (START, [])
    assert standing(held, offer) == [("confirmed", None, 2, None), ("offered", None, 2, NOON + 26 * DAY)]
    assert Party.objects.get(pk=held.party_id).calendar_sequence == 0


def test_the_line_is_served_after_a_move_that_leaves_it_time_again(commits):
    session = make_session(capacity=2, roster_locks_at=NOON + timedelta(minutes=20))
    waiting = make_waiting(session)

    with commits():
        move_to_next_day(session)

    assert statuses(session) == {waiting: "offered"}
    assert owed() == [("changed", waiting.party_id), ("offer", waiting.party_id)]


def test_each_move_is_told_by_a_mail_of_its_own():
    session = make_session(capacity=2)
    held, waiting = make_booking(session), make_waiting(session)

    for _time in range(2):
        move_to_next_day(session)
        session.refresh_from_db()

    assert owed() == [("changed", held.party_id), ("changed", waiting.party_id)] * 2


def test_no_offer_stands_past_an_earlier_roster_lock():
    session = make_session()
    offer = make_offered(session, offer_expires_at=NOON + 3 * DAY)

    sooner = NOON + 4 * DAY
    sessions.move(
        session.pk, starts_at=sooner, ends_at=sooner + HOUR, roster_locks_at=NOON + 2 * DAY, now=NOON, who="host:lin"
    )

    assert Booking.objects.get(pk=offer.pk).offer_expires_at == NOON + 2 * DAY


def test_an_offer_that_an_earlier_lock_ends_at_once_is_taken_back_and_is_no_lapse(commits):
    session = make_session(capacity=2)
    offer = make_offered(session, queue_number=1)
    elsewhere = make_session(season=session.season, capacity=4)
    make_booking(elsewhere)
    waiting = make_waiting(elsewhere, party=offer.party)

    with commits():
        sessions.move(
            session.pk, starts_at=START, ends_at=START + 2 * HOUR, roster_locks_at=NOON, now=NOON, who="host:lin"
        )
        waitlist.lapse_offers(now=NOON)

    assert statuses(session, elsewhere)[offer] == "waiting"
    waiting.refresh_from_db()
    assert (waiting.status, owed(offer.party)) == ("offered", [("recalled", offer.party_id), ("offer", offer.party_id)])
    assert Party.objects.get(pk=offer.party_id).lapses == 0
    assert waitlist.close_lines(now=NOON) == 1


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
    choose = sign_up._chosen

    def choose_and_be_slow(choices, found, *, now):
        chosen = choose(choices, found, now=now)
        sessions.call_off(session.pk, reason=REPAIR, now=now, who="host:lin")
        return chosen

    monkeypatch.setattr(sign_up, "_chosen", choose_and_be_slow)

    with pytest.raises(opening.SessionCalledOff):
        ask(session)
