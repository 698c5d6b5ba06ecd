"""Broker, worker, clock or mail server away: sign-up goes on, mail is late, nothing is lost and nothing comes twice."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from bookings.domain.invariants import broken_promises
from bookings.models import Breaker, Party, TourSession
from portal.services import Broker, find_broker
from tests.factories import make_house, make_season, make_session, make_tour
from tests.processes import Processes, processes, wait_until
from tests.smtp import MailServer
from tests.visitor import Visitor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def session() -> TourSession:
    make_house()
    now = timezone.now()
    season = make_season(tour=make_tour(), opens_at=now - timedelta(days=1), closes_at=now + timedelta(days=60))
    return make_session(season=season, starts_at=now + timedelta(days=40))


def ask(running: Processes, session: TourSession, number: int) -> None:
    visitor = Visitor(running.address)
    visitor.open(f"/en/sessions/{session.pk}/sign-up/")
    visitor.submit(size="1", lead_name="Lin Xiaoyun", email=f"lead{number}@visitors.example")
    assert (visitor.status, visitor.url.rsplit("/", 2)[1]) == (200, "asked"), visitor.page


def test_with_broker_and_worker_killed_sign_up_goes_on_and_the_mails_follow(
    tmp_path: Path, session: TourSession, mail_server: MailServer
):
    broker = find_broker(tmp_path / "broker")
    with (
        broker,
        processes(tmp_path, "web", "worker", "beat", email_url=mail_server.url, redis_url=broker.url) as running,
    ):
        running.wait_for_web()
        ask(running, session, 1)
        wait_until(lambda: mail_server.one_for_each(1), what="a mail while all is well")

        running.kill("worker")
        kill(broker)
        for number in (2, 3, 4):
            ask(running, session, number)
        assert Party.objects.count() == 4
        assert len(mail_server.taken) == 1

        broker.start()
        running.start("worker")
        wait_until(lambda: mail_server.one_for_each(4), what="one mail for each of four")
        assert list(broken_promises(now=timezone.now())) == []
    assert set(mail_server.handed_over().values()) == {1}


def kill(broker: Broker) -> None:
    assert broker.child
    broker.child.kill()
    wait_until(lambda: not broker.answers(), what="the broker's end")


def test_with_the_mail_server_away_the_places_wait_for_their_mail(
    tmp_path: Path, session: TourSession, mail_server: MailServer
):
    mail_server.stop()
    with processes(tmp_path, "web", "worker", "beat", email_url=mail_server.url) as running:
        running.wait_for_web()
        ask(running, session, 1)
        notice = Party.objects.get().notices.get()
        wait_until(lambda: refreshed(notice).last_error, what="a try that failed")
        assert (notice.status, notice.attempts) == ("queued", 0)
        booking = Party.objects.get().bookings.get()
        assert booking.offer_expires_at
        assert booking.offer_expires_at - timezone.now() > timedelta(hours=5)

        mail_server.start()
        Breaker.objects.update(probe_at=timezone.now())  # As if the minute to the next try had passed.
        wait_until(lambda: mail_server.one_for_each(1), what="the mail, once the server is back")
        wait_until(lambda: refreshed(notice).status == "sent", what="the mark")
        booking.refresh_from_db()
        assert booking.offer_expires_at - refreshed(notice).sent_at <= timedelta(minutes=30)


def refreshed(row):
    row.refresh_from_db()
    return row
