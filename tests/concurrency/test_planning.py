"""Five processes plan at once, their clocks differ and some are put back: the same rows, the same mails."""

import os
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import pytest
from django.conf import settings

from bookings.domain import reminders
from bookings.domain.reminders import AHEAD, GRACE
from bookings.models import Booking, Notice, PlannedReminder
from bookings.outbox import deliver_due
from tests.concurrency.processes import in_processes, meet
from tests.factories import DAY, HOUR, NOON, START, make_booking, make_house, make_season, make_session
from tests.owed import use
from tests.smtp import MailServer

pytestmark = pytest.mark.django_db(transaction=True)

PARTIES, PLANNERS = 20, 5
# The sessions lie so near each other that their reminders are planned in one go.
STARTS = [START, START + timedelta(minutes=7), START + timedelta(minutes=7)]
MINUTE = timedelta(minutes=1)
DUE = START - DAY


def plan(clock: Sequence[datetime], port: int = 0) -> None:
    """A process of its own: plan at each of these times, and with a mail server there hand over too."""
    if port:
        use(settings, port)
    for now in clock:
        reminders.plan_reminders(now=now)
        if port:
            deliver_due(now=now, limit=1000)


def plan_by_looking_before_writing() -> None:
    """A process of its own: all look, then all write, and no key is the same."""
    reminders._write = write_what_is_new_to_us
    reminders.plan_reminders(now=DUE)


def write_what_is_new_to_us(notices: Sequence[Notice]) -> int:
    new = [one for one in notices if not Notice.objects.filter(booking=one.booking_id, facts=one.facts).exists()]
    meet()
    for one in new:
        one.dedupe_key += f" {os.getpid()}"
    return len(Notice.objects.bulk_create(new))


@pytest.fixture
def bookings() -> list[Booking]:
    make_house()
    season = make_season()
    sessions = [make_session(season=season, starts_at=starts_at, capacity=2 * PARTIES) for starts_at in STARTS]
    return [make_booking(session, status_since=NOON) for session in sessions for _party in range(PARTIES)]


def rows() -> Counter[tuple[object, ...]]:
    """What each notice says; not when it was written."""
    notices = Notice.objects.values_list("party", "booking", "facts", "status", "next_attempt_at", "expires_at")
    return Counter(
        (party, booking, facts["starts_at"], facts["reminder"], *rest) for party, booking, facts, *rest in notices
    )


def owed(bookings: Sequence[Booking]) -> Counter[tuple[object, ...]]:
    return Counter(
        (booking.party_id, booking.pk, starts_at.isoformat(), which, status, due, due + window)
        for booking in bookings
        for starts_at in [booking.session.starts_at]
        for which, status, days, window in [("7", "expired", 7, DAY), ("1", "queued", 1, 6 * HOUR)]
        for due in [starts_at - days * DAY]
    )


def test_five_planners_two_clocks_and_a_clock_that_is_put_back_owe_each_reminder_once(
    bookings: list[Booking], mail_server: MailServer
):
    steady = [DUE + minutes * MINUTE for minutes in (-15, -10, 0, 5, 12, 13)]
    put_back = [now + back for back in (timedelta(0), -2 * HOUR, timedelta(0)) for now in steady]
    clocks = [steady, steady, put_back, put_back, [now + 3 * MINUTE for now in steady]]
    assert len(clocks) == PLANNERS

    in_processes(*(partial(plan, clock) for clock in clocks))

    assert rows() == owed(bookings)
    planned = PlannedReminder.objects.values_list("session", "which", "is_complete")
    assert len(planned) == 2 * len(STARTS)

    now = DUE + AHEAD + GRACE
    in_processes(*[partial(plan, [now, now - 2 * HOUR, now], port=mail_server.port)] * 2)

    assert Counter(mail_server.recipients) == Counter(booking.party.email for booking in bookings)
    assert Counter(Notice.objects.values_list("status", flat=True)) == {
        "sent": len(bookings),
        "expired": len(bookings),
    }


def test_twin_planners_that_look_before_they_write_owe_a_reminder_several_times(bookings: list[Booking]):
    in_processes(*[plan_by_looking_before_writing] * PLANNERS)

    assert sum(rows().values()) == PLANNERS * sum(owed(bookings).values())
