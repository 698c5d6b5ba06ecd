"""Two doors for reports: HTTP with a key, and a pipe of the mail server."""

import io
import logging
import os
import sys

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.test import Client

from bookings.domain.reports import LONGEST_REPORT
from bookings.emails import build
from bookings.models import LANES, Heartbeat, Notice, NoticeKind, NoticeStatus, Party
from tests.factories import NOON, make_offered
from tests.mail_reports import POSTFIX

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "house")]

KEY = "reports-come-with-this-key-0123456789-abcdefghijklmnop"
LIN = "lin@visitors.example"


@pytest.fixture(autouse=True)
def our_addresses(settings):
    settings.BOUNCE_ADDRESS = "bounces@works.example"
    settings.REPORT_KEY = KEY


def report(*, padding: int = 0) -> bytes:
    """That an offer to Lin, whose mail has left, did not arrive; ``padding`` stands where the mail is returned."""
    booking = make_offered(email=LIN)
    notice = Notice.objects.create(
        kind=NoticeKind.OFFER,
        party=booking.party,
        booking=booking,
        dedupe_key="offer:1",
        lane=LANES[NoticeKind.OFFER],
        status=NoticeStatus.SENT,
        sent_at=NOON,
        created_at=NOON,
        next_attempt_at=NOON,
    )
    raw = POSTFIX.format(to=build(notice, now=NOON).from_email, lin=LIN, message_id="<x@y>").encode()
    return raw + b"x" * padding


def hand_over(body: bytes, authorization: str = f"Bearer {KEY}") -> int:
    """As a mail server does: no cookie, no token of a form."""
    client = Client(enforce_csrf_checks=True)
    response = client.post(
        "/mail/reports", body, content_type="message/rfc822", headers={"Authorization": authorization}
    )
    assert response.cookies == {}
    return int(response.status_code)


def failures() -> list[str]:
    return list(Party.objects.exclude(mail_failed_at=None).values_list("mail_failure", flat=True))


def test_a_report_that_comes_with_the_key_is_taken():
    assert hand_over(report()) == 202
    assert failures() == ["5.1.1"]
    assert list(Heartbeat.objects.values_list("name", "seen_at")) == [("reports", NOON)]


@pytest.mark.parametrize("body", [b"", b"\xff\x00", b"Subject: hello\n\n"])
def test_whatever_comes_with_the_key_is_taken(body):
    assert hand_over(body) == 202
    assert Heartbeat.objects.filter(name="reports").exists()


@pytest.mark.parametrize("authorization", ["", KEY, "Bearer ", f"Bearer {KEY[:-1]}", "Bearer é", f"Basic {KEY}"])
def test_without_the_key_nothing_is_taken(authorization):
    assert hand_over(report(), authorization) == 401
    assert (failures(), Heartbeat.objects.exists()) == ([], False)


@pytest.mark.parametrize("authorization", ["", "Bearer ", f"Bearer {KEY}"])
def test_without_a_key_in_the_settings_there_is_no_door(authorization, settings):
    settings.REPORT_KEY = ""
    assert hand_over(report(), authorization) == 404
    assert failures() == []


def test_a_report_may_be_larger_than_a_form_and_no_page_else():
    raw = report(padding=200_000)
    assert Client().post("/en/link/", raw, content_type="message/rfc822").status_code == 413
    assert hand_over(raw) == 202
    assert failures() == ["5.1.1"]
    assert hand_over(b"x" * (LONGEST_REPORT + 1)) == 413


def test_nobody_reads_reports():
    assert Client().get("/mail/reports").status_code == 405


class _Piped:
    def __init__(self, raw: bytes) -> None:
        self.buffer = io.BytesIO(raw)


def test_a_mail_server_pipes_a_report(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", _Piped(report()))
    call_command("take_report")
    assert failures() == ["5.1.1"]
    assert capsys.readouterr() == ("", "")


def test_while_the_database_is_away_the_mail_server_is_told_to_come_again(monkeypatch, capsys):
    def away(*_arguments: object) -> None:
        raise DatabaseError(f"no route for {LIN}")

    monkeypatch.setattr(sys, "stdin", _Piped(b""))
    with connection.execute_wrapper(away), pytest.raises(SystemExit) as ended:
        call_command("take_report")

    assert ended.value.code == os.EX_TEMPFAIL
    assert capsys.readouterr() == ("", "The database does not answer (DatabaseError)\n")


def test_no_log_keeps_anything_of_a_report_or_its_key(caplog):
    caplog.set_level(logging.DEBUG)
    raw = report()
    for authorization in (f"Bearer {KEY}", "Bearer wrong-key"):
        hand_over(raw, authorization)
    told = caplog.text.lower()
    assert "did not arrive: 5.1.1" in told
    assert [canary for canary in (LIN, "user unknown", KEY, "wrong-key", "bounces+") if canary in told] == []
