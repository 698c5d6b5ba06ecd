"""Five processes plan at once, their clocks differ and some are put back: the same rows, the same mails."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings

from bookings.domain.reminders import AHEAD, GRACE
from bookings.models import Booking, Notice, PlannedReminder
from tests.factories import DAY, HOUR, NOON, START, make_booking, make_house, make_season, make_session
from tests.processes import Processes
from tests.smtp import MailServer

pytestmark = pytest.mark.django_db(transaction=True)

PARTIES, PLANNERS = 20, 5
# The sessions lie so near each other that their reminders are planned in one go.
STARTS = [START, START + timedelta(minutes=7), START + timedelta(minutes=7)]
MINUTE = timedelta(minutes=1)
DUE = START - DAY

WORKS = """
import json, sys
from datetime import datetime
from bookings.domain import reminders
from bookings.outbox import deliver_due
{guard}
print("ready", flush=True)
for now in map(datetime.fromisoformat, json.loads(sys.stdin.readline())):
    {work}
print("done", flush=True)
"""
PLANS, DELIVERS = "reminders.plan_reminders(now=now)", "deliver_due(now=now, limit=1000)"
LOOKS_BEFORE_IT_WRITES = """
from bookings.models import Notice

def naive(notices):
    new = [one for one in notices if not Notice.objects.filter(booking=one.booking_id, facts=one.facts).exists()]
    print("looked", flush=True)
    sys.stdin.readline()
    for one in new:
        Notice.objects.create(**{field.attname: getattr(one, field.attname) for field in one._meta.fields
                                 if field.attname not in {"id", "dedupe_key"}},
                              dedupe_key=f"{one.dedupe_key} {__import__('os').getpid()}")
    return len(new)

reminders._write = naive
"""


def in_processes(
    folder: Path,
    work: str,
    clocks: Sequence[Sequence[datetime]],
    *,
    guard: str = "",
    meet_at: str = "",
    email_url: str = "",
) -> None:
    """One process for each clock, released together once all are ready; each works once at each of its times.

    Where the guard says ``meet_at`` it waits for a line, which comes once all have said so.
    """
    environment = Processes(folder, email_url=email_url, redis_url="", port=0).environment
    command = [sys.executable, "-m", "django", "shell", "--no-imports", "-c", WORKS.format(work=work, guard=guard)]
    running = [
        subprocess.Popen(
            command,
            env=environment,
            cwd=settings.BASE_DIR,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _clock in clocks
    ]
    times = [json.dumps([now.isoformat() for now in clock]) for clock in clocks]
    meetings = [("ready", times)] + ([(meet_at, [""] * len(clocks))] if meet_at else [])
    for word, answers in meetings:
        assert [said_by(process) for process in running] == [word] * len(running)
        for process, answer in zip(running, answers, strict=True):
            assert process.stdin
            process.stdin.write(answer + "\n")
            process.stdin.flush()
    told = [process.communicate(timeout=180) for process in running]
    assert [output for output, _errors in told] == ["done\n"] * len(running), told


def said_by(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().rstrip()


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
    tmp_path: Path, bookings: list[Booking], mail_server: MailServer
):
    steady = [DUE + minutes * MINUTE for minutes in (-15, -10, 0, 5, 12, 13)]
    put_back = [now + back for back in (timedelta(0), -2 * HOUR, timedelta(0)) for now in steady]
    clocks = [steady, steady, put_back, put_back, [now + 3 * MINUTE for now in steady]]
    assert len(clocks) == PLANNERS

    in_processes(tmp_path, PLANS, clocks)

    assert rows() == owed(bookings)
    planned = PlannedReminder.objects.values_list("session", "which", "is_complete")
    assert len(planned) == 2 * len(STARTS)

    now = DUE + AHEAD + GRACE
    two_beats = [[now, now - 2 * HOUR, now]] * 2
    in_processes(tmp_path, f"{PLANS}; {DELIVERS}", two_beats, email_url=mail_server.url)

    assert Counter(mail_server.recipients) == Counter(booking.party.email for booking in bookings)
    assert Counter(Notice.objects.values_list("status", flat=True)) == {
        "sent": len(bookings),
        "expired": len(bookings),
    }


def test_twin_planners_that_look_before_they_write_owe_a_reminder_several_times(
    tmp_path: Path, bookings: list[Booking]
):
    in_processes(tmp_path, PLANS, [[DUE]] * PLANNERS, guard=LOOKS_BEFORE_IT_WRITES, meet_at="looked")

    assert sum(rows().values()) == PLANNERS * sum(owed(bookings).values())
