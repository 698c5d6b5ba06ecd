"""Each promise that can be read from the rows: kept by good rows, and seen to catch a row broken on purpose."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from bookings.domain.invariants import PATIENCE, broken_promises
from bookings.domain.reconfirming import SILENT
from bookings.models import Booking, BookingEvent, Notice, NoticeKind, NoticeStatus, Party, TourSession
from tests.factories import DAY, HOUR, NOON, make_booking, make_offered, make_session, make_sign_up, make_waiting


@pytest.fixture
def house(db: None) -> dict[str, Any]:
    """A little of everything, and every promise kept."""
    session = make_session(capacity=9)
    made: dict[str, Any] = {
        "session": session,
        "confirmed": make_booking(session, size=3),
        "checked in": make_booking(session, "checked in", arrived=2),
        "offered": make_offered(session, offer_expires_at=NOON + HOUR),
        "cancelled": make_booking(session, "cancelled", ended_at=NOON),
        "unproven": make_waiting(session, proven=False),
        "waiting": make_waiting(session, size=3),
    }
    made["notice"] = Notice.objects.create(
        kind=NoticeKind.CONFIRMED,
        party=made["confirmed"].party,
        dedupe_key="confirmed:1",
        lane=2,
        created_at=NOON,
        next_attempt_at=NOON,
    )
    return made


def test_good_rows_keep_every_promise(house):
    assert list(broken_promises(now=NOON)) == []


def update(row: Any, **values: Any) -> None:
    type(row).objects.filter(pk=row.pk).update(**values)


def call_off_but_leave(house: dict[str, Any], left: str) -> None:
    ledger = {"places_held": house[left].places, "parties_held": 1, "parties_offered": 0, "parties_waiting": 0}
    update(house["session"], called_off_at=NOON, **ledger)
    Booking.objects.live().exclude(pk=house[left].pk).delete()
    Party.objects.filter(bookings=None).delete()


BREAKS: dict[str, tuple[Callable[..., object], str]] = {
    "the ledger counts a place too many": (
        lambda house: update(house["session"], places_held=8),
        "session {session}: the ledger (places, parties, offers, waiting) says [8, 3, 1, 1], the rows say [7, 3, 1, 1]",
    ),
    "the ledger counts a party too few": (
        lambda house: update(house["session"], parties_held=2),
        "session {session}: the ledger (places, parties, offers, waiting) says [7, 2, 1, 1], the rows say [7, 3, 1, 1]",
    ),
    "the ledger forgets an offer": (
        lambda house: update(house["session"], parties_offered=0),
        "session {session}: the ledger (places, parties, offers, waiting) says [7, 3, 0, 1], the rows say [7, 3, 1, 1]",
    ),
    "the ledger counts an unproven party as waiting": (
        lambda house: update(house["session"], parties_waiting=2),
        "session {session}: the ledger (places, parties, offers, waiting) says [7, 3, 1, 2], the rows say [7, 3, 1, 1]",
    ),
    "a party with a booking is ended": (
        lambda house: update(house["confirmed"].party, ended_at=NOON),
        "party {confirmed.party}: 1 live bookings, but ended",
    ),
    "a party without a booking is not ended": (
        lambda house: update(house["cancelled"].party, ended_at=None),
        "party {cancelled.party}: 0 live bookings, but not ended",
    ),
    "a proven party has a hold of its network": (
        lambda house: update(house["confirmed"].party, network_hold="network:0"),
        "party {confirmed.party}: has a hold of its network, but needs none",
    ),
    "a party for which no places are kept has a hold of its network": (
        lambda house: update(house["unproven"].party, network_hold="network:0"),
        "party {unproven.party}: has a hold of its network, but no places are kept for it",
    ),
    "a history ends with another status": (
        lambda house: house["confirmed"].events.update(to_status="offered"),
        "booking {confirmed}: is confirmed, but its history ends with offered",
    ),
    "a booking has no history": (
        lambda house: house["confirmed"].events.all().delete(),
        "booking {confirmed}: has no history",
    ),
    "an offer ran out and nobody took it back": (
        lambda house: update(house["offered"], offer_expires_at=NOON - PATIENCE),
        "booking {offered}: its offer ran out and was never taken back",
    ),
    "places lie idle while the head of the line fits": (
        lambda house: update(house["session"], capacity=10, sell_limit=10, max_parties=10),
        "session {session}: 3 places lie idle while booking {waiting} waits",
    ),
    "a booking lives in a session that was called off": (
        lambda house: call_off_but_leave(house, "confirmed"),
        "booking {confirmed}: is confirmed in a session that was called off",
    ),
    "a party stands at the gate of a session that was called off": (
        lambda house: call_off_but_leave(house, "checked in"),
        "booking {checked in}: is checked in in a session that was called off",
    ),
    "places were given up for silence without two mails": (
        lambda house: house["cancelled"].events.update(who="clock", why=SILENT),
        "booking {cancelled}: was given up for silence without two mails that asked",
    ),
    "a notice was claimed and never settled": (
        lambda house: update(house["notice"], status=NoticeStatus.SENDING, lease_until=NOON - PATIENCE),
        "notice {notice}: was claimed and never settled",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_row_is_caught_and_only_that(house, name):
    break_it, sentence = BREAKS[name]

    break_it(house)

    named = {key: row.pk for key, row in house.items()}
    expected = sentence.replace(".party}", "_party}").format(
        **named,
        confirmed_party=house["confirmed"].party_id,
        cancelled_party=house["cancelled"].party_id,
        unproven_party=house["unproven"].party_id,
    )
    assert list(broken_promises(now=NOON)) == [expected]


def test_the_clock_is_given_its_time(house):
    update(house["offered"], offer_expires_at=NOON - PATIENCE + timedelta(seconds=1))
    update(house["notice"], status=NoticeStatus.SENDING, lease_until=NOON - PATIENCE + timedelta(seconds=1))

    assert list(broken_promises(now=NOON)) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("size", "given"),
    [
        pytest.param(3, {}, id="saved for the head of the line"),
        pytest.param(1, {"roster_locks_at": NOON + timedelta(minutes=20)}, id="too late for an offer"),
        pytest.param(1, {"roster_locks_at": NOON}, id="the roster has locked"),
    ],
)
def test_places_that_lie_idle_for_a_reason_break_no_promise(size, given):
    session = make_session(capacity=4, **given)
    make_booking(session, size=2)
    make_waiting(session, size=size)

    assert list(broken_promises(now=NOON)) == []


@pytest.mark.django_db
def test_an_erased_party_is_over_whatever_its_booking_says():
    booking = make_booking(make_session(), erased_at=NOON + 60 * DAY, ended_at=NOON + 60 * DAY)

    assert booking.status == "confirmed"
    assert list(broken_promises(now=NOON + 60 * DAY)) == []


@pytest.mark.django_db
def test_the_command_prints_each_sentence_and_fails(capsys):
    call_command("check_invariants")
    assert capsys.readouterr().out == "All promises are kept.\n"

    session = make_sign_up(make_session(), offer_expires_at=NOON + 9000 * DAY).session
    TourSession.objects.filter(pk=session.pk).update(places_held=3)
    BookingEvent.objects.all().delete()
    with pytest.raises(CommandError, match=r"2 promises are broken\."):
        call_command("check_invariants")
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.django_db
def test_the_sentences_carry_no_personal_data(house):
    for row in Booking.objects.all():
        update(row.party, lead_name="Lin Xiaoyun", email=f"lin{row.pk}@example.com")
    for break_it, _sentence in list(BREAKS.values())[:-3]:
        break_it(house)

    told = " ".join(broken_promises(now=NOON))
    assert told
    assert "Lin" not in told
    assert "@" not in told
