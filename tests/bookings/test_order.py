"""The mails of one party that speak of its calendar entry leave in the order in which they were owed."""

import asyncio
import threading
from datetime import datetime, timedelta
from email.message import EmailMessage

import icalendar
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.db import connection
from pytest_django import Settings

from bookings import outbox
from bookings.domain import sessions, visit, waitlist
from bookings.models import Booking, Notice, NoticeKind, NoticeStatus, Party, TourSession
from bookings.outbox.order import WAITS_AT_MOST, in_turn
from tests.factories import DAY, HOUR, NOON, START, make_offered, make_session, make_waiting
from tests.smtp import MailServer

pytestmark = pytest.mark.django_db(transaction=True)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture
def office(mail_server: MailServer, settings: Settings) -> MailServer:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", mail_server.port, 60
    return mail_server


def move(session: TourSession, to: datetime, *, now: datetime) -> None:
    sessions.move(
        session.pk, starts_at=to, ends_at=to + 2 * HOUR, roster_locks_at=to - 2 * DAY, now=now, who="host:lin"
    )


class HoldingServer(MailServer):
    """Has the text of the first mail and does not answer before it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.has_the_first, self.let_go = threading.Event(), threading.Event()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if not self.has_the_first.is_set():
            self.has_the_first.set()
            await asyncio.to_thread(self.let_go.wait, 20)
        return await super().handle_DATA(server, session, envelope)


def numbers(party: Party) -> list[tuple[str, int | None]]:
    """What was owed to the party, in order, with the number of the calendar entry."""
    return list(party.notices.order_by("pk").values_list("kind", "calendar_sequence"))


def states(party: Party) -> list[tuple[str, str]]:
    return list(party.notices.order_by("pk").values_list("kind", "status"))


def entry_of(message: EmailMessage) -> tuple[str, int]:
    """METHOD and SEQUENCE of the entry that came with this mail."""
    [part] = [part for part in message.walk() if part.get_content_type() == "text/calendar"]
    calendar = icalendar.Calendar.from_ical(part.get_content())
    [event] = calendar.walk("VEVENT")
    return str(calendar["METHOD"]), int(str(event["SEQUENCE"]))


def confirmed_by_offer(session: TourSession | None = None) -> Booking:
    booking = make_offered(session)
    waitlist.accept_offer(booking.pk, now=NOON)
    return booking


def test_what_changes_an_entry_notes_its_number() -> None:
    booking = confirmed_by_offer()
    move(booking.session, START + DAY, now=NOON + HOUR)
    move(booking.session, START + 2 * DAY, now=NOON + 2 * HOUR)
    sessions.call_off(booking.session_id, reason="The lift.", now=NOON + 3 * HOUR, who="host:lin")

    assert numbers(booking.party) == [("confirmed", 0), ("changed", 1), ("changed", 2), ("called_off", 3)]


def test_giving_places_up_and_coming_with_other_places_count_on() -> None:
    booking = confirmed_by_offer()
    other = make_waiting(make_session(season=booking.session.season), party=booking.party)
    visit.cancel_places(booking.party_id, now=NOON + HOUR)
    waitlist.serve_waiting_lines(now=NOON + HOUR)
    waitlist.accept_offer(other.pk, now=NOON + 2 * HOUR)

    calendar = [(kind, number) for kind, number in numbers(booking.party) if number is not None]
    assert calendar == [("confirmed", 0), ("cancelled", 1), ("confirmed", 2)]


def test_a_mail_that_speaks_of_no_entry_has_no_number() -> None:
    booking = make_waiting()
    outbox.post(NoticeKind.LINK, booking.party, key="link", now=NOON)

    assert numbers(booking.party) == [("link", None)]


def two_owed() -> tuple[Notice, Notice]:
    """A confirmation and the change that followed it, neither handed over."""
    booking = confirmed_by_offer()
    move(booking.session, START + DAY, now=NOON + SECOND)
    older, newer = booking.party.notices.order_by("pk")
    return older, newer


def in_turn_at(now: datetime) -> list[Notice]:
    """What a worker may claim."""
    return list(in_turn(Notice.objects.due(now), now=now))


def let_a_worker_have(notice: Notice, *, until: datetime) -> None:
    Notice.objects.filter(pk=notice.pk).update(
        status=NoticeStatus.SENDING, lease_until=until, next_attempt_at=until, attempts=1
    )


def test_nobody_claims_the_newer_one_while_another_worker_has_the_older_one() -> None:
    older, newer = two_owed()
    assert in_turn_at(NOON + MINUTE) == [older]

    let_a_worker_have(older, until=NOON + HOUR)
    assert in_turn_at(NOON + MINUTE) == []

    Notice.objects.filter(pk=older.pk).update(status=NoticeStatus.SENT, sent_at=NOON + MINUTE, lease_until=None)
    assert in_turn_at(NOON + MINUTE) == [newer]


def test_the_newer_one_waits_also_for_an_older_one_whose_worker_was_lost() -> None:
    older, _newer = two_owed()
    let_a_worker_have(older, until=NOON + MINUTE)

    assert in_turn_at(NOON + HOUR) == [older]


@pytest.mark.parametrize("status", [NoticeStatus.BOUNCED, NoticeStatus.DEAD, NoticeStatus.UNKNOWN, NoticeStatus.VOID])
def test_an_older_one_that_never_left_holds_up_nothing(status: NoticeStatus) -> None:
    older, newer = two_owed()
    Notice.objects.filter(pk=older.pk).update(status=status)

    assert in_turn_at(NOON + MINUTE) == [newer]


def test_an_older_one_that_failed_goes_first_if_its_next_try_is_near(office: MailServer) -> None:
    older, newer = two_owed()
    Notice.objects.filter(pk=older.pk).update(next_attempt_at=NOON + MINUTE + WAITS_AT_MOST, attempts=3)

    assert outbox.deliver_due(NOON + MINUTE) == 0
    assert outbox.deliver_due(NOON + MINUTE + WAITS_AT_MOST) == 2

    assert [message["Subject"].partition(":")[0] for message in office.taken] == ["Confirmed", "Moved"]
    assert [entry_of(message) for message in office.taken] == [("REQUEST", 1), ("REQUEST", 1)]
    assert states(newer.party) == [("confirmed", "sent"), ("changed", "sent")]


def test_an_older_one_that_rests_for_long_lets_the_newer_one_pass_and_then_tells_the_same(office: MailServer) -> None:
    older, _newer = two_owed()
    Notice.objects.filter(pk=older.pk).update(next_attempt_at=NOON + HOUR, attempts=5)

    assert outbox.deliver_due(NOON + MINUTE) == 1
    assert outbox.deliver_due(NOON + HOUR) == 1

    assert [message["Subject"].partition(":")[0] for message in office.taken] == ["Moved", "Confirmed"]
    assert [entry_of(message) for message in office.taken] == [("REQUEST", 1), ("REQUEST", 1)]


def test_an_entry_is_taken_away_only_after_the_mail_that_would_have_brought_it_is_out_of_the_way(
    office: MailServer,
) -> None:
    booking = confirmed_by_offer()
    [brings] = booking.party.notices.all()
    Notice.objects.filter(pk=brings.pk).update(next_attempt_at=NOON + 2 * MINUTE, attempts=1)
    visit.cancel_places(booking.party_id, now=NOON + MINUTE)

    assert outbox.deliver_due(NOON + MINUTE) == 0
    assert outbox.deliver_due(NOON + 2 * MINUTE) == 1

    assert states(booking.party) == [("confirmed", "void"), ("cancelled", "sent")]
    assert [entry_of(message) for message in office.taken] == [("CANCEL", 1)]


def test_parties_do_not_wait_for_each_other_nor_a_link_for_an_entry() -> None:
    older, _newer = two_owed()
    outbox.post(NoticeKind.LINK, older.party, key="link", now=NOON)
    another = confirmed_by_offer().party.notices.get()
    let_a_worker_have(older, until=NOON + HOUR)

    assert in_turn_at(NOON + MINUTE) == [older.party.notices.get(kind=NoticeKind.LINK), another]


def test_two_workers_and_a_slow_server_do_not_turn_the_order_round(settings: Settings) -> None:
    older, newer = two_owed()
    office = HoldingServer()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", office.port, 60

    def work() -> None:
        try:
            outbox.deliver_due(NOON + MINUTE)
        finally:
            connection.close()

    office.start()
    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert office.has_the_first.wait(60)
        outbox.deliver_due(NOON + MINUTE)
        assert states(older.party) == [("confirmed", "sending"), ("changed", "queued")]
    finally:
        office.let_go.set()
        worker.join()
        outbox.deliver_due(NOON + MINUTE)
        office.stop()

    assert [message["Subject"].partition(":")[0] for message in office.taken] == ["Confirmed", "Moved"]
    assert states(newer.party) == [("confirmed", "sent"), ("changed", "sent")]
