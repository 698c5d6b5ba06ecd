"""Whatever a mail server does, and wherever a worker is killed: nothing is lost. A mail comes twice only where nobody
can know whether it came, and only if it is of a kind that somebody waits for with a clock running."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from bookings import outbox
from bookings.emails import message_id
from bookings.models import Notice, NoticeKind
from tests.factories import DAY, NOON, make_booking, make_house, make_offered, make_session
from tests.faulty_smtp import POINTS, Fault, FaultyServer, faulty_server
from tests.owed import MINUTE, owe, use
from tests.processes import processes, wait_until

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def server(settings: Settings) -> Iterator[FaultyServer]:
    with faulty_server() as server:
        use(settings, server.port)
        yield server


def owe_both(number: int, *, now: datetime) -> list[Notice]:
    """As many offers, which are sent again when in doubt, and reminders, which are held."""
    make_house()
    session = make_session(starts_at=now + 20 * DAY)
    offers = [make_offered(session, size=1, offer_expires_at=now + 2 * DAY) for _ in range(number)]
    coming = [make_booking(session, size=1) for _ in range(number)]
    when: dict[str, Any] = {"created_at": now, "next_attempt_at": now}
    return [owe(NoticeKind.OFFER, booking, **when) for booking in offers] + [
        owe(NoticeKind.REMINDER, booking, **when) for booking in coming
    ]


def outcome(server: FaultyServer, notices: list[Notice]) -> set[tuple[str, str, int]]:
    """Kind, status and the number of copies that arrived of each."""
    arrived = server.arrived()
    rows = Notice.objects.select_related("party").in_bulk([notice.pk for notice in notices])
    return {(row.kind, row.status, arrived[message_id(row)]) for row in rows.values()}


SENT_ONCE = {("offer", "sent", 1), ("reminder", "sent", 1)}
# Three mails whose fate is unknown open the breaker: the offers; the reminders are not begun before all is well again.
IN_DOUBT = {("offer", "sent", 2), ("reminder", "sent", 1)}
FAULTS = {
    "refuses for a while": Fault(answer="451 4.3.0 later"),
    "closes": Fault(answer="421 closing"),
    "hangs": Fault(hangs=True),
    "drops": Fault(drops=True),
    "is slow": Fault(slow=0.05),
}


@pytest.mark.any_database
@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("point", [point for point in POINTS if point not in {"text", "taken"}])
def test_after_a_fault_every_mail_has_left_once(
    server: FaultyServer, settings: Settings, point: str, name: str
) -> None:
    notices = owe_both(3, now=NOON)
    server.faults[point] = FAULTS[name]
    patience = settings.EMAIL_TIMEOUT
    settings.EMAIL_TIMEOUT = 0.5 if FAULTS[name].hangs else patience
    outbox.deliver_due(NOON)
    settings.EMAIL_TIMEOUT = patience
    server.recover()
    for minutes in range(1, 20):
        outbox.deliver_due(NOON + minutes * MINUTE)

    in_doubt = point == "dot" and name in {"hangs", "drops"}
    assert outcome(server, notices) == (IN_DOUBT if in_doubt else SENT_ONCE)


@pytest.mark.parametrize("point", ["rcpt", "dot"])
def test_what_is_refused_for_good_is_not_sent_again(server: FaultyServer, point: str) -> None:
    notices = owe_both(3, now=NOON)
    server.faults[point] = Fault(answer="550 5.1.1 unknown")
    outbox.deliver_due(NOON)
    server.recover()
    for minutes in range(1, 20):
        outbox.deliver_due(NOON + minutes * MINUTE)

    assert outcome(server, notices) == {("offer", "bounced", 0), ("reminder", "bounced", 0)}


# --- workers killed at a point of the dialogue

KILLED = {
    "connect": SENT_ONCE,
    "rcpt": SENT_ONCE,
    "data": SENT_ONCE,
    "text": {("offer", "sent", 1), ("reminder", "unknown", 0)},
    "dot": {("offer", "sent", 2), ("reminder", "unknown", 1)},
    "taken": {("offer", "sent", 2), ("reminder", "unknown", 1)},
}


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["offer", "reminder"])
@pytest.mark.parametrize("point", KILLED)
def test_a_worker_killed_at_a_point_loses_nothing(
    tmp_path: Path, server: FaultyServer, settings: Settings, point: str, kind: str
) -> None:
    now = timezone.now()
    others = [notice for notice in owe_both(2, now=now) if notice.kind == kind]
    Notice.objects.exclude(kind=kind).delete()
    first = others[0]
    # Of a text that is on its way the rest may lie in buffers already: here it is lost.
    server.faults[point] = Fault(hangs=True, drops=point == "text")
    if point == "taken":
        # The server says that it has the mail, and the mark cannot be written.
        server.faults = {"dot": Fault(hangs=True)}
    outbox.nudge()
    with processes(tmp_path, "worker", email_url=server.url) as running:
        wait_until(server.reached["dot" if point == "taken" else point].is_set, what=f"the point {point}")
        if point == "taken":
            with transaction.atomic():
                Notice.objects.select_for_update().get(pk=first.pk)
                server.recover()
                wait_until(waits_for_a_lock, what="the mark")
                running.kill("worker")
                end_whoever_waits_for_a_lock()
        else:
            running.kill("worker")
    server.recover()

    for minutes in range(3, 10):
        outbox.deliver_due(now + timedelta(minutes=minutes))

    assert outcome(server, [first]) == {each for each in KILLED[point] if each[0] == kind}
    assert outcome(server, others[1:]) == {(kind, "sent", 1)}


WAITING = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def waits_for_a_lock() -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) {WAITING}")
        return cursor.fetchone()[0]


def end_whoever_waits_for_a_lock() -> None:
    """Its worker is dead; the server of the database would find out only when it answers, and carry the mark out."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_terminate_backend(pid) {WAITING}")
