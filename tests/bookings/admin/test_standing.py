"""How sessions and mails stand, as hosts read it."""

from typing import Any

import pytest

from bookings import outbox
from bookings.admin.standing import bar, machinery, season_figures, tag, touched, with_places_offered
from bookings.models import Booking, Breaker, Heartbeat, Lane, Notice, NoticeKind, NoticeStatus, TourSession
from bookings.tallies import Tally
from portal.views import session_words
from tests.factories import HOUR, NOON, make_booking, make_offered, make_party, make_season, make_session

pytestmark = pytest.mark.django_db


def owe(status: str = NoticeStatus.QUEUED, **values: Any) -> None:
    party = make_party()
    outbox.post(NoticeKind.LINK, party, key=str(party.pk), now=NOON)
    Notice.objects.filter(party=party).update(status=status, **values)


@pytest.mark.parametrize(
    ("status", "values", "waits"),
    [
        ("queued", {}, True),
        ("queued", {"next_attempt_at": NOON + HOUR, "attempts": 1, "last_error": "SMTPServerDisconnected"}, True),
        ("queued", {"next_attempt_at": NOON + HOUR, "last_error": "the server takes nothing"}, True),
        ("queued", {"next_attempt_at": NOON + HOUR}, False),  # put off to the morning
        ("sending", {"lease_until": NOON + HOUR}, False),
        ("sending", {"lease_until": NOON - HOUR}, True),  # its worker was lost
        ("sent", {"sent_at": NOON}, False),
        ("dead", {}, False),
    ],
)
def test_a_mail_waits_when_due_when_a_try_failed_and_when_its_worker_was_lost(status, values, waits):
    owe(status, **values)
    assert machinery(now=NOON).waiting.number == int(waits)


@pytest.mark.parametrize(
    ("values", "since"),
    [
        pytest.param({"next_attempt_at": NOON + HOUR}, NOON + HOUR, id="planned ahead, and not tried"),
        pytest.param({"next_attempt_at": NOON + HOUR, "attempts": 2, "last_error": "450"}, NOON, id="tried"),
        pytest.param({"next_attempt_at": NOON + HOUR, "last_error": "refused"}, NOON, id="given back"),
        pytest.param({"status": "sending", "lease_until": NOON + HOUR}, NOON, id="its worker was lost"),
    ],
)
def test_the_oldest_mail_waits_since_its_turn_came(values, since):
    owe(**values)
    assert machinery(now=NOON + 2 * HOUR).waiting.oldest == since


def test_a_session_without_a_limit_of_parties_is_told_in_places():
    session = make_session(capacity=12, max_parties=12, sell_limit=12)
    make_booking(session, size=3)
    make_offered(session, size=2)

    told = with_places_offered(TourSession.objects.select_related("season__tour", "venue")).get()

    assert bar(told) == Tally(confirmed=3, offered=2, free=7, waiting=0, unit="places")
    assert tag(told, now=NOON) == ("free", "7 free")


@pytest.mark.parametrize(
    ("given", "held", "told"),
    [
        ({}, 1, ("free", "19 free")),
        ({"capacity": 6}, 1, ("few", "Only 4 left")),
        ({"capacity": 2}, 1, ("wait", "Waitlist")),
        ({"closed_at": NOON}, 1, ("out", "Closed")),
        ({"capacity": 2, "closed_at": NOON}, 1, ("out", "Full")),
        ({"called_off_at": NOON}, 0, ("out", "Called off")),
    ],
)
def test_hosts_read_of_a_session_what_visitors_read(given, held, told):
    session = make_session(**given)
    for _party in range(held):
        make_booking(session, size=2)

    annotated = with_places_offered(TourSession.objects.select_related("season__tour", "venue")).get()

    assert (tag(annotated, now=NOON), session_words.describe(session, now=NOON).tag) == (told, told)


def test_whoever_is_at_the_gate_is_touched_by_a_change_and_whoever_was_missed_is_not():
    session = make_session()
    make_booking(session, size=3), make_booking(session, "checked in", arrived=1), make_booking(session, "no-show")

    assert touched(session) == {"confirmed": 2, "people": 5, "offered": 0, "waiting": 0, "mails": 2}


def test_of_a_session_called_off_is_told_how_many_heard_and_how_many_have_places_elsewhere():
    season = make_season()
    off, other = (
        make_session(season=season, called_off_at=NOON),
        make_session(season=season, starts_at=NOON + 900 * HOUR),
    )
    moved, gone = make_booking(off, status="called off"), make_booking(off, status="called off")
    make_booking(other, party=moved.party)
    assert gone.party_id != moved.party_id

    sessions = with_places_offered(TourSession.objects.select_related("season__tour", "venue"))
    lines = {line.session: (line.told, line.elsewhere) for line in season_figures(sessions, now=NOON).lines}

    assert lines == {off: (2, 1), other: (0, 0)}
    assert Booking.objects.count() == 3


def test_every_page_of_staff_asks_the_same_few_questions_however_many_mails_there_are(
    django_assert_num_queries: Any,
):
    for _mail in range(2):
        owe()
    with django_assert_num_queries(2 + len(Lane)):
        assert machinery(now=NOON).is_in_trouble
    for _mail in range(20):
        owe()
    with django_assert_num_queries(2 + len(Lane)):
        assert machinery(now=NOON).is_in_trouble


@pytest.mark.parametrize(
    ("values", "open_since", "late", "silent"),
    [
        ({}, None, {}, False),
        ({"next_attempt_at": NOON - HOUR}, None, {Lane.OFFER: NOON - HOUR}, False),
        ({}, NOON - HOUR, {}, True),
    ],
)
def test_the_machinery_tells_of_late_mail_and_of_a_server_that_takes_nothing(values, open_since, late, silent):
    Heartbeat.objects.create(name="clock", seen_at=NOON)
    Breaker.objects.create(pk=1, opened_at=open_since, probe_at=NOON)
    owe(**values)
    told = machinery(now=NOON)
    assert (told.late_lanes, told.server_is_silent) == (late, silent)
    assert told.is_in_trouble == bool(late or silent)
