"""The broker only makes mail quick: without it, and with all of it forgotten, every mail leaves once."""

from pathlib import Path

import pytest
import redis
from django.utils import timezone

from bookings.domain.invariants import broken_promises
from bookings.models import Notice, Party
from portal.services import find_broker
from tests.factories import DAY, make_house, make_offered, make_session
from tests.faulty_smtp import Fault, FaultyServer, faulty_server
from tests.owed import owe_confirmation, owe_reminders
from tests.processes import processes, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
DELIVERIES = 2_000


def test_with_the_broker_flushed_stopped_and_started_again_two_thousand_mails_leave_once(tmp_path: Path) -> None:
    now = timezone.now()
    make_house()
    owe_reminders(DELIVERIES, session=make_session(starts_at=now + 20 * DAY, capacity=2 * DELIVERIES), at=now)
    broker = find_broker(tmp_path / "broker")
    with (
        faulty_server() as server,
        broker,
        processes(tmp_path, "worker", "beat", email_url=server.url, redis_url=broker.url),
    ):
        wait_for(server, 300)
        with redis.Redis.from_url(broker.url) as client:
            client.flushall()
        wait_for(server, 700)
        broker.stop()
        wait_until(lambda: not broker.answers(), what="the broker's end")
        broker.start()
        wait_until(lambda: not Notice.objects.unsettled().exists(), seconds=120, what="the last mark")

        assert set(Notice.objects.values_list("status", "attempts")) == {("sent", 1)}
        assert (len(server.arrived()), set(server.arrived().values())) == (DELIVERIES, {1})
        assert list(broken_promises(now=timezone.now())) == []


def wait_for(server: FaultyServer, copies: int) -> None:
    wait_until(lambda: len(server.copies) >= copies, seconds=90, what=f"{copies} mails")


def test_a_mail_server_that_hangs_does_not_hold_up_the_clock(tmp_path: Path) -> None:
    for _ in range(40):
        owe_confirmation(next_attempt_at=timezone.now(), created_at=timezone.now())
    with faulty_server() as server:
        server.faults["mail"] = Fault(hangs=True)
        with processes(tmp_path, "worker", "beat", email_url=server.url) as running:
            wait_until(server.reached["mail"].is_set, what="a worker that hangs")
            offer = make_offered(offer_expires_at=timezone.now())
            lapsed = Party.objects.filter(pk=offer.party_id, lapses=1)
            wait_until(lapsed.exists, what="the clock's next round")
            assert server.connections == 1
            running.kill("worker")  # Asked to stop, it would wait for the server.
