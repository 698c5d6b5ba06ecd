"""What stands outside a mail's words, as a mail server gets it."""

import pytest

from bookings import outbox
from bookings.domain import announcements
from bookings.domain.reports import take_report
from bookings.emails.envelope import notice_of_return_path
from bookings.models import Notice, NoticeKind, NoticeStatus
from tests.factories import NOON, both, make_announcement, make_booking, make_house
from tests.mail_reports import EXIM

pytestmark = pytest.mark.django_db(transaction=True)

SENDER = "Factory visits <visits@works.example>"


@pytest.fixture(autouse=True)
def our_addresses(settings, mail_server):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mail_server.port
    settings.SITE_URL = "https://visits.works.example"
    settings.MAIL_FROM = SENDER
    settings.BOUNCE_ADDRESS = "bounces@works.example"


def make_sent(kind: NoticeKind = NoticeKind.CONFIRMED) -> Notice:
    booking = make_booking(email="lin@visitors.example")
    outbox.post(kind, booking.party, booking=booking, key=f"{booking.pk}", now=NOON)
    assert outbox.deliver_due(NOON) == 1
    return Notice.objects.latest("pk")


def test_each_mail_has_a_return_path_of_its_own_and_the_sender_people_know(mail_server):
    first, second = make_sent(), make_sent(NoticeKind.REMINDER)

    assert [notice_of_return_path(address) for address in mail_server.return_paths] == [first, second]
    assert all(address.startswith("bounces+") and len(address) <= 64 for address in mail_server.return_paths)
    assert [mail["From"] for mail in mail_server.taken] == [SENDER, SENDER]


@pytest.mark.parametrize(
    ("language", "name", "told"),
    [
        ("en", both("Northgate Car Works", "北门汽车厂"), "Northgate Car Works"),
        ("zh-hans", both("Northgate Car Works", "北门汽车厂"), "北门汽车厂"),
        ("en", both("Smith, Sons <& Co>\n", ""), "Smith, Sons <& Co>"),
    ],
)
def test_an_address_without_a_name_has_that_of_the_house(mail_server, settings, language, name, told):
    settings.MAIL_FROM = "visits@works.example"
    make_house(name=name)
    booking = make_booking(email="lin@visitors.example", language=language)
    outbox.post(NoticeKind.CONFIRMED, booking.party, booking=booking, key=f"{booking.pk}", now=NOON)
    outbox.deliver_due(NOON)

    [mail] = mail_server.taken
    [sender] = mail["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (told, "visits@works.example")


def test_without_a_house_there_is_the_address_alone(mail_server, settings):
    settings.MAIL_FROM = "visits@works.example"
    make_sent()
    assert [mail["From"] for mail in mail_server.taken] == ["visits@works.example"]


def test_a_resent_mail_has_the_return_path_it_had(mail_server):
    notice = make_sent()
    Notice.objects.update(status=NoticeStatus.QUEUED, sent_at=None, next_attempt_at=NOON)
    outbox.deliver_due(NOON)
    assert mail_server.return_paths == [mail_server.return_paths[0]] * 2
    assert mail_server.handed_over().total() == 2
    assert notice_of_return_path(mail_server.return_paths[0]) == notice


def test_without_an_address_for_reports_they_go_to_the_sender(mail_server, settings):
    settings.BOUNCE_ADDRESS = ""
    make_sent()
    assert mail_server.return_paths == ["visits@works.example"]
    assert [mail["From"] for mail in mail_server.taken] == [SENDER]


def test_from_the_mail_that_left_to_the_report_that_came_back(mail_server):
    notice = make_sent()
    values = {"to": mail_server.return_paths[0], "lin": "lin@visitors.example", "message_id": "<lost@on.the.way>"}

    take_report(EXIM.format(**values).encode(), now=NOON)

    notice.refresh_from_db()
    assert (notice.status, notice.last_error, notice.sent_at is not None) == ("bounced", "5.2.2", True)


def test_an_announcement_leaves_after_everything_else(mail_server):
    booking = make_booking(email="lin@visitors.example")
    announcements.send(make_announcement(booking.session.season).pk, now=NOON, who="host:lin")
    announcements.owe_announcements(now=NOON)
    outbox.post(NoticeKind.REMINDER, booking.party, booking=booking, key="1", now=NOON)

    assert outbox.deliver_due(NOON) == 2

    assert [mail["Subject"].partition(":")[0] for mail in mail_server.taken] == ["Reminder", "The car park is closed"]
    stops = [mail["List-Unsubscribe-Post"] for mail in mail_server.taken]
    assert stops == [None, "List-Unsubscribe=One-Click"]
