import re

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from bookings import outbox
from bookings.domain import announcements, waitlist
from bookings.models import Booking, BookingStatus, Notice, NoticeKind, NoticeStatus
from tests.factories import HOUR, NOON, make_announcement, make_booking, make_offered, make_session

pytestmark = pytest.mark.django_db


@pytest.fixture
def notice():
    booking = make_booking()
    outbox.post(NoticeKind.CONFIRMED, booking.party, booking=booking, key="1", now=NOON)
    return Notice.objects.get()


def test_a_host_reads_the_mail_as_it_would_be_sent(host, notice):
    page = host.get(reverse("admin:bookings_notice_preview", args=[notice.pk]))
    text = page.content.decode()
    assert "Confirmed: 2 places" in text
    assert reverse("admin:bookings_notice_html", args=[notice.pk]) in text
    assert "frame-src 'self'" in page["Content-Security-Policy"]


def test_the_mail_of_an_offer_that_is_over_still_names_its_deadline(host):
    booking = make_offered(offer_expires_at=NOON + HOUR)
    waitlist.tell_of_offer(booking, ends=NOON + HOUR, now=NOON)
    waitlist.decline_offer(booking.pk, now=NOON)
    page = host.get(reverse("admin:bookings_notice_preview", args=[Notice.objects.get().pk]))
    assert re.findall(r"2 places are yours until (.*)\.", page.content.decode()) == ["21:00 on Monday 18 January"]


def test_the_html_of_a_mail_is_framed_by_us_alone_and_runs_nothing(host, notice):
    framed = host.get(reverse("admin:bookings_notice_html", args=[notice.pk]))
    assert "<table" in framed.content.decode()
    policy = framed["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert framed["X-Frame-Options"] == "SAMEORIGIN"


def test_nobody_reads_mails_without_the_right_to(client, notice):
    client.force_login(User.objects.create_user("gate", password="x", is_staff=True))
    for name in ("preview", "html"):
        assert client.get(reverse(f"admin:bookings_notice_{name}", args=[notice.pk])).status_code in {403, 404}


def test_a_mail_is_owed_again_as_a_row_of_its_own(host, notice):
    Notice.objects.update(status=NoticeStatus.SENT, sent_at=NOON)
    host.post(
        reverse("admin:bookings_notice_changelist"),
        {"action": "send_again", "_selected_action": [notice.pk]},
        follow=True,
    )
    assert list(Notice.objects.order_by("pk").values_list("kind", "status")) == [
        ("confirmed", "sent"),
        ("confirmed", "queued"),
    ]


@pytest.mark.parametrize(
    ("values", "left_out"),
    [
        ({"status": NoticeStatus.QUEUED}, "1 mail was left out"),
        ({"status": NoticeStatus.SENT, "sent_at": NOON, "expires_at": NOON.replace(year=2020)}, "1 mail was left out"),
    ],
)
def test_a_mail_that_waits_or_came_too_late_is_not_owed_again(host, notice, values, left_out):
    Notice.objects.update(**values)
    assert left_out in send_again(host, notice)
    assert Notice.objects.count() == 1


def test_a_mail_that_is_no_longer_true_is_not_owed_again(host, notice):
    Notice.objects.update(status=NoticeStatus.SENT, sent_at=NOON)
    Booking.objects.update(status=BookingStatus.CANCELLED)
    assert "1 mail was left out" in send_again(host, notice)
    assert Notice.objects.count() == 1


def send_again(client, notice):
    data = {"action": "send_again", "_selected_action": [notice.pk]}
    return client.post(reverse("admin:bookings_notice_changelist"), data, follow=True).content.decode()


@pytest.mark.parametrize("page", ["preview", "html"])
def test_whoever_reads_a_mail_of_a_party_does_not_get_its_link(host, notice, page):
    shown = host.get(reverse(f"admin:bookings_notice_{page}", args=[notice.pk])).content.decode()
    assert f"/visit/{notice.party.code}/…/" in shown
    assert notice.party.link_token not in shown


@pytest.mark.parametrize("page", ["preview", "html"])
def test_whoever_reads_an_announcement_does_not_get_the_address_that_stops_them_for_the_party(host, page):
    announcement = make_announcement()
    party = make_booking(make_session(season=announcement.season)).party
    announcements.send(announcement.pk, now=NOON, who="host:lin")
    announcements.owe_announcements(now=NOON)
    shown = host.get(reverse(f"admin:bookings_notice_{page}", args=[Notice.objects.get().pk])).content.decode()
    assert f"/mail/stop/{party.code}/…/" in shown
    assert party.stop_token not in shown


def test_the_picture_of_the_code_is_shown_where_the_mail_names_it(host, notice):
    framed = host.get(reverse("admin:bookings_notice_html", args=[notice.pk]))
    assert 'src="data:image/png;base64,' in framed.content.decode()
    assert "cid:" not in framed.content.decode()
    assert "img-src data:;" in framed["Content-Security-Policy"] + ";"


def test_the_page_of_a_mail_names_it_in_the_language_of_the_page(host):
    booking = make_booking()
    outbox.post(NoticeKind.CONFIRMED, booking.party, booking=booking, key="1", now=NOON)
    notice = Notice.objects.get()

    page = host.get(f"/zh-hans/admin/bookings/notice/{notice.pk}/change/").content.decode()

    assert f"&rsaquo; 已确认 {notice.pk}" in " ".join(page.split())
