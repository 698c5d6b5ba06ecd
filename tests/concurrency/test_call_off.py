"""A session is called off while its parties accept, cancel and leave: whoever was first counts, all others are told."""

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from django.db import connection, transaction

from bookings.domain import choices, first_call, sessions, visit, waitlist
from bookings.domain.errors import BookingError
from bookings.models import Booking, BookingEvent, Notice, Party, Season, TourSession
from bookings.models.parties import PartyQuerySet
from tests.acts import ask, ledger
from tests.concurrency.threads import PATIENCE, at_once, spread
from tests.factories import HOUR, NOON, make_booking, make_offered, make_season, make_session, make_waiting

pytestmark = pytest.mark.postgres


@pytest.mark.usefixtures("postgres")
@pytest.mark.parametrize("_time", range(3))
def test_everybody_is_told_once_when_a_session_is_called_off_under_their_hands(_time):
    season = make_season()
    other, doomed, third = (make_session(season=season, capacity=capacity) for capacity in (12, 80, 12))
    held = [make_booking(doomed) for _party in range(10)]
    offered = [make_offered(doomed, offer_expires_at=NOON + HOUR) for _party in range(10)]
    line = [make_waiting(doomed) for _party in range(30)]
    for number, booking in enumerate([*offered, *held, *line[:10]]):
        make_waiting((other, third)[number % 2], party=booking.party)
    acts: list[Callable[[], object]] = [
        *(partial(visit.cancel_places, booking.party_id, now=NOON) for booking in held[:5]),
        *(partial(waitlist.accept_offer, booking.pk, now=NOON) for booking in offered[:5]),
        *(partial(waitlist.decline_offer, booking.pk, now=NOON) for booking in offered[5:]),
        *(partial(waitlist.leave_lines, booking.party_id, now=NOON) for booking in line[:5]),
        *(partial(ask, doomed, size=1) for _newcomer in range(5)),
    ]
    acts.insert(len(acts) // 2, partial(sessions.call_off, doomed.pk, reason="Repairs.", now=NOON, who="host:lin"))

    outcomes = spread(acts, threads=8)

    failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert [failure for failure in failures if not isinstance(failure, BookingError)] == []
    assert not Booking.objects.live().filter(session=doomed).exists()
    assert ledger(doomed) == {"places": 0, "parties": 0, "offered": 0, "waiting": 0}
    called_off = Booking.objects.filter(session=doomed, status="called off", party__mailbox_proven_at__isnull=False)
    told = Counter(Notice.objects.filter(kind="called_off").values_list("booking", flat=True))
    assert told == Counter(called_off.values_list("pk", flat=True))
    confirmed = BookingEvent.objects.filter(to_status="called off", from_status="confirmed").values("booking__party")
    assert set(Party.objects.exclude(first_call_until=None)) == set(Party.objects.filter(pk__in=confirmed))


@pytest.mark.usefixtures("postgres")
def test_sessions_that_share_their_parties_are_called_off_at_once():
    season = make_season()
    doomed = [make_session(season=season, capacity=80) for _session in range(4)]
    for number in range(40):
        booking = make_offered(doomed[number % 4], offer_expires_at=NOON + HOUR)
        for other in (1, 2, 3):
            make_waiting(doomed[(number + other) % 4], party=booking.party)

    outcomes = spread(
        [partial(sessions.call_off, session.pk, reason="A flood.", now=NOON, who="host:lin") for session in doomed],
        threads=4,
    )

    assert outcomes == [None] * 4
    assert Counter(Booking.objects.values_list("status", flat=True)) == {"called off": 160}
    assert Notice.objects.filter(kind="called_off").count() == 160
    assert [ledger(session)["places"] for session in doomed] == [0] * 4
    assert not Party.objects.live().exists()


def until_another_waits(*, or_else: threading.Event) -> None:
    """Another connection waits for what this transaction holds, or ``or_else`` came first."""
    while not or_else.wait(0.01):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
            if cursor.fetchone() != (0,):
                return


def call_off_while_a_first_call_ends(session: TourSession, party: Party) -> None:
    """The clock has ended the first call of a party that waits here, and commits once calling off waits or is over."""
    holds_the_party, is_over = threading.Event(), threading.Event()

    @transaction.atomic
    def end_first_call() -> None:
        sessions.end_first_calls(now=NOON)
        holds_the_party.set()
        until_another_waits(or_else=is_over)

    def call_off() -> None:
        holds_the_party.wait(PATIENCE)
        sessions.call_off(session.pk, reason="Repairs.", now=NOON, who="host:lin")
        is_over.set()

    assert at_once(end_first_call, call_off) == [None, None]
    party.refresh_from_db()


@pytest.mark.usefixtures("postgres")
def test_a_party_ends_whose_first_call_ends_while_its_session_is_called_off():
    booking = make_waiting(first_call_until=NOON)

    call_off_while_a_first_call_ends(booking.session, booking.party)

    assert (booking.party.first_call_until, booking.party.ended_at) == (None, NOON)


@pytest.mark.usefixtures("postgres")
def test_twin_without_the_locks_of_the_parties_such_a_party_never_ends(monkeypatch):
    booking = make_waiting(first_call_until=NOON)
    monkeypatch.setattr(PartyQuerySet, "lock_all", lambda parties: [])

    call_off_while_a_first_call_ends(booking.session, booking.party)

    assert (booking.party.first_call_until, booking.party.ended_at) == (None, None)
    Party.objects.update(ended_at=NOON)


@pytest.mark.usefixtures("postgres")
def test_a_season_keeps_places_for_a_session_called_off_while_the_clock_notes_its_last_first_call():
    season = make_season(proves_mailbox=False)
    one, two, other = (make_session(season=season, roster_locks_at=NOON + 60 * HOUR) for _session in range(3))
    first, second = make_booking(one).party, make_booking(two).party
    sessions.call_off(one.pk, reason="Repairs.", now=NOON, who="host:lin")
    choices.give_up_first_call(first.pk, now=NOON)
    has_called_off, is_noted = threading.Event(), threading.Event()

    @transaction.atomic
    def call_off() -> None:
        sessions.call_off(two.pk, reason="Repairs.", now=NOON, who="host:lin")
        has_called_off.set()
        until_another_waits(or_else=is_noted)

    def note_the_last() -> None:
        has_called_off.wait(PATIENCE)
        with transaction.atomic():
            first_call.note_the_last(season.pk, now=NOON)
        is_noted.set()

    assert at_once(call_off, note_the_last) == [None, None]

    until = Season.objects.get().first_call_until
    kept = TourSession.objects.values_list("places_kept", flat=True).get(pk=other.pk)
    assert (until, kept) == (Party.objects.get(pk=second.pk).first_call_until, 2)
