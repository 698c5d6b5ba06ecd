"""How a mail stands, in words."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from bookings import outbox
from bookings.admin.mail_states import in_words
from bookings.models import Notice, NoticeKind, NoticeStatus
from tests.factories import DAY, NOON, make_booking

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"status": "sent", "sent_at": NOON + 3 * MINUTE}, "handed over 12:03"),
        ({"status": "sent", "sent_at": NOON - DAY}, "handed over 2027-01-17 12:00"),
        ({"next_attempt_at": NOON + 90 * MINUTE}, "planned for 13:30"),
        ({"next_attempt_at": NOON + DAY}, "planned for 2027-01-19 12:00"),
        ({"next_attempt_at": NOON - MINUTE}, "waits for its turn since 11:59"),
        (
            {"next_attempt_at": NOON + MINUTE, "last_error": "ConnectionRefusedError"},
            "waits: the mail server takes nothing, next try 12:01",
        ),
        (
            {"next_attempt_at": NOON, "last_error": "ConnectionRefusedError"},
            "waits: the mail server takes nothing, next try now",
        ),
        (
            {"next_attempt_at": NOON + 5 * MINUTE, "attempts": 2, "last_error": "SMTPDataError 451"},
            "waits: 2 tries failed (451), next try 12:05",
        ),
        (
            {"next_attempt_at": NOON + MINUTE, "attempts": 1, "last_error": "SMTPServerDisconnected"},
            "waits: 1 try failed, next try 12:01",
        ),
        ({"status": "sending", "lease_until": NOON + MINUTE}, "is being handed over"),
        ({"status": "sending", "lease_until": NOON}, "waits: its sender was lost, the next one sees to it"),
        ({"status": "unknown", "begun_at": NOON + 3 * MINUTE}, "perhaps handed over 12:03, not sent again"),
        ({"status": "unknown", "begun_at": NOON - DAY}, "perhaps handed over 2027-01-17 12:00, not sent again"),
        ({"status": "unknown"}, "perhaps handed over, not sent again"),
        ({"status": "bounced", "last_error": "SMTPRecipientsRefused 550"}, "refused for this address (550)"),
        ({"status": "bounced", "last_error": "5.1.1"}, "refused for this address (5.1.1: no such address)"),
        ({"status": "bounced", "last_error": "5.2.2"}, "refused for this address (5.2.2: its mailbox is full)"),
        (
            {"status": "bounced", "last_error": "5.7.26"},
            "refused for this address (5.7.26: its server takes no mail from us)",
        ),
        ({"status": "bounced", "last_error": "5.4.6"}, "refused for this address (5.4.6)"),
        ({"status": "bounced"}, "refused for this address"),
        ({"status": "dead", "attempts": 8, "last_error": "SMTPDataError 451"}, "set aside after 8 tries (451)"),
        ({"status": "dead", "attempts": 1, "last_error": "KeyError"}, "set aside after 1 try"),
        ({"status": "expired"}, "too late, not sent"),
        ({"status": "void"}, "no longer true, not sent"),
    ],
)
def test_every_state_is_told_in_words(values: dict[str, Any], told: str):
    notice = Notice(**{"status": NoticeStatus.QUEUED, "next_attempt_at": NOON} | values)
    assert in_words(notice, now=NOON) == told


@pytest.mark.django_db
def test_the_page_of_a_party_has_every_mail_with_its_state_in_words(host):
    booking = make_booking()
    outbox.post(NoticeKind.CONFIRMED, booking.party, booking=booking, key="1", now=NOON)
    Notice.objects.update(status=NoticeStatus.BOUNCED, last_error="SMTPRecipientsRefused 550")

    page = host.get(reverse("admin:bookings_party_change", args=[booking.party.pk])).content.decode()

    assert "refused for this address (550)" in page
    assert "SMTPRecipientsRefused" not in page
    assert "2027-01-18 20:00</td>" in page
