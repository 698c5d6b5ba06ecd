"""A process dies between the release of places and the offer of them, the broker away: the next scan goes on."""

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from bookings.domain.invariants import broken_promises
from bookings.models import Booking, TourSession
from tests.acts import statuses
from tests.factories import make_booking, make_offered, make_season, make_session, make_waiting
from tests.processes import Processes
from tests.smtp import free_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

DIES = """
import os, signal
from django.db import transaction
from django.utils import timezone
from bookings.domain import visit, waitlist

def die():
    os.kill(os.getpid(), signal.SIGKILL)

with transaction.atomic():
    transaction.on_commit(die)  # Before what the domain asks for: that never runs.
    {act}
    {then}
"""
CANCELS = "visit.cancel_places({booking.party_id}, now=timezone.now())"
LAPSES = "waitlist.lapse_offers(now=timezone.now())"
SCANS = "from bookings.tasks import serve_lines; serve_lines()"


@pytest.fixture
def session() -> TourSession:
    now = timezone.now()
    season = make_season(opens_at=now - timedelta(days=1), closes_at=now + timedelta(days=60))
    return make_session(season=season, capacity=3, starts_at=now + timedelta(days=40))


def run(folder: Path, code: str) -> int:
    """In a process of its own, on the database of the test and with a broker that nobody answers for."""
    environment = Processes(folder, email_url="", redis_url=f"redis://127.0.0.1:{free_port()}/0", port=0).environment
    command = [sys.executable, "-m", "django", "shell", "--no-imports", "-c", code]
    return subprocess.run(command, env=environment, cwd=settings.BASE_DIR, capture_output=True, check=False).returncode


def leave(session: TourSession, act: str) -> Booking:
    """A party of three that is about to leave the whole session to the line."""
    if act == CANCELS:
        return make_booking(session, size=3)
    return make_offered(session, size=3, lapses=1, offer_expires_at=timezone.now())


@pytest.mark.parametrize(
    ("act", "status"), [pytest.param(CANCELS, "cancelled", id="cancel"), pytest.param(LAPSES, "lapsed", id="lapse")]
)
@pytest.mark.parametrize(
    ("size", "became", "reason"),
    [
        pytest.param(2, "offered", "offered", id="who fits is asked"),
        pytest.param(3, "waiting", "saved", id="who does not fit is told why"),
    ],
)
def test_what_a_crash_left_unserved_has_an_offer_or_a_reason_after_one_scan(
    tmp_path: Path, session: TourSession, act: str, status: str, size: int, became: str, reason: str
):
    leaving = leave(session, act)
    first, second = make_waiting(session, size=1), make_waiting(session, size=size)

    assert run(tmp_path, DIES.format(act=act.format(booking=leaving), then="")) == -signal.SIGKILL

    assert statuses(session) == {leaving: status, first: "offered", second: "waiting"}
    assert session.decisions.count() == 1, "two places are free, and nothing says why"

    assert run(tmp_path, SCANS) == 0

    assert statuses(session) == {leaving: status, first: "offered", second: became}
    decision = session.decisions.latest("pk")
    assert (decision.reason, decision.offered_to or decision.saved_for) == (reason, second)
    assert list(broken_promises(now=timezone.now())) == []


def test_a_process_that_dies_before_its_commit_has_released_nothing(tmp_path: Path, session: TourSession):
    leaving = make_booking(session, size=3)
    first = make_waiting(session, size=1)

    dies = DIES.format(act=CANCELS.format(booking=leaving), then="die()")
    assert run(tmp_path, dies) == -signal.SIGKILL

    assert statuses(session) == {leaving: "confirmed", first: "waiting"}
    assert list(broken_promises(now=timezone.now())) == []
