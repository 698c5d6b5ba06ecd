"""What other mail servers report of our mails: flags are raised, and nothing else happens."""

import logging
from typing import Any

import pytest

from bookings.domain import reports, visit
from bookings.domain.reports import Meaning, offers_to_dead_addresses, take_report
from bookings.emails import build, message_id
from bookings.models import (
    LANES,
    Booking,
    BookingStatus,
    Heartbeat,
    Notice,
    NoticeKind,
    NoticeStatus,
    Party,
    TourSession,
)
from tests.factories import DAY, HOUR, NOON, make_booking, make_offered, make_session, make_sign_up
from tests.mail_reports import CALENDAR_REPLY, COMPLAINT, EXIM, NOT_ARRIVED, OUT_OF_OFFICE, POSTFIX, STATUSES

pytestmark = pytest.mark.django_db

LATER = NOON + HOUR
LIN = "lin.xiaoyun@visitors.example"
NOTHING_KNOWN = {"mail_failed_at": None, "mail_failure": "", "complained_at": None, "wants_no_news_at": None}


@pytest.fixture(autouse=True)
def our_addresses(settings):
    settings.SITE_URL = "https://visits.works.example"
    settings.MAIL_FROM = "Factory visits <visits@works.example>"
    settings.BOUNCE_ADDRESS = "Bounces@works.example"


def make_notice(booking: Booking, kind: NoticeKind = NoticeKind.OFFER, **given: Any) -> Notice:
    values = {"status": NoticeStatus.SENT, "sent_at": NOON, "created_at": NOON, "next_attempt_at": NOON, "attempts": 1}
    key = f"{kind}:{booking.pk}:{Notice.objects.count()}"
    return Notice.objects.create(
        kind=kind, party=booking.party, booking=booking, dedupe_key=key, lane=LANES[kind], **values | given
    )


def make_sent(**given: Any) -> Notice:
    """An offer to Lin whose mail has left."""
    return make_notice(make_offered(email=LIN, **given))


def return_path(notice: Notice) -> str:
    """As a mail server is told it at MAIL FROM."""
    return str(build(notice, now=NOON).from_email)


def written(template: str, notice: Notice, **given: str) -> bytes:
    values = {"to": return_path(notice), "lin": LIN, "message_id": message_id(notice)}
    return template.format(**values | given).encode()


def take(template: str, notice: Notice, **given: str) -> Meaning:
    return take_report(written(template, notice, **given), now=LATER)


def marks(notice: Notice) -> dict[str, Any]:
    """All that a report may change, of the notice and its party."""
    party = Party.objects.values(*NOTHING_KNOWN).get(pk=notice.party_id)
    return {**Notice.objects.values("status", "reported_at", "last_error").get(pk=notice.pk), **party}


UNTOUCHED = {"status": "sent", "reported_at": None, "last_error": ""} | NOTHING_KNOWN


def not_arrived(status: str) -> dict[str, Any]:
    of_party = {"mail_failed_at": LATER, "mail_failure": status}
    return UNTOUCHED | {"status": "bounced", "reported_at": LATER, "last_error": status} | of_party


def everything_else() -> list[Any]:
    """What no report may touch."""
    of_booking = ("status", "offer_expires_at", "status_since", "places")
    of_session = ("places_held", "parties_held", "parties_offered", "parties_waiting")
    return [*Booking.objects.values(*of_booking), *TourSession.objects.values(*of_session), Notice.objects.count()]


# --- mails that did not arrive


@pytest.mark.parametrize("server", NOT_ARRIVED)
def test_a_mail_that_did_not_arrive_is_marked_and_its_party_too(server):
    notice, before = make_sent(), everything_else()

    assert take(NOT_ARRIVED[server], notice) == Meaning.NOT_ARRIVED

    assert marks(notice) == not_arrived(STATUSES[server])
    assert everything_else() == before


@pytest.mark.parametrize("server", NOT_ARRIVED)
def test_without_an_address_for_reports_the_message_id_tells_which_mail_it_was(server, settings):
    settings.BOUNCE_ADDRESS = ""
    notice = make_sent()
    assert return_path(notice) == settings.MAIL_FROM

    take(NOT_ARRIVED[server], notice, to="visits@works.example")

    assert marks(notice) == not_arrived(STATUSES[server])


def test_servers_may_write_addresses_in_small_letters():
    notice = make_sent()
    take(POSTFIX, notice, to=return_path(notice).lower())
    assert marks(notice) == not_arrived("5.1.1")


def test_lines_may_end_in_either_way():
    notice = make_sent()
    take_report(written(POSTFIX, notice).replace(b"\n", b"\r\n"), now=LATER)
    assert marks(notice) == not_arrived("5.1.1")


@pytest.mark.parametrize("server", NOT_ARRIVED)
def test_a_report_that_was_cut_off_after_its_status_still_tells(server):
    notice = make_sent()
    raw = written(NOT_ARRIVED[server], notice)

    take_report(raw[: raw.index(b"Return-Path: <bounces") if b"Return-Path: <bounces" in raw else -300], now=LATER)

    assert marks(notice) == not_arrived(STATUSES[server])


@pytest.mark.parametrize("server", NOT_ARRIVED)
def test_a_report_cut_off_anywhere_marks_all_or_nothing(server):
    notice = make_sent()
    raw = written(NOT_ARRIVED[server], notice)
    for length in range(0, len(raw), 37):
        take_report(raw[:length], now=LATER)
        told = marks(notice)
        assert told == UNTOUCHED or (told["status"], told["mail_failed_at"]) == ("bounced", LATER)
        Notice.objects.update(status=NoticeStatus.SENT, reported_at=None, last_error="")
        Party.objects.update(**NOTHING_KNOWN)


@pytest.mark.parametrize("status", [NoticeStatus.QUEUED, NoticeStatus.SENDING])
def test_a_mail_in_the_hands_of_a_worker_is_marked_by_it_alone(status):
    notice = make_sent()
    lease = LATER if status == NoticeStatus.SENDING else None
    Notice.objects.update(status=status, lease_until=lease, sent_at=None)

    take(POSTFIX, notice)

    assert marks(notice) == not_arrived("5.1.1") | {"status": status, "last_error": ""}


def test_a_mail_of_which_nobody_knew_is_known_to_have_failed():
    notice = make_sent()
    Notice.objects.update(status=NoticeStatus.UNKNOWN, sent_at=None)
    take(EXIM, notice)
    assert marks(notice) == not_arrived("5.2.2")


# --- what is no such report


def changed(old: str, new: str) -> str:
    assert old in POSTFIX
    return POSTFIX.replace(old, new)


IGNORED = {
    "delayed": changed("Action: failed\nStatus: 5.1.1", "Action: delayed\nStatus: 4.4.1"),
    "relayed": changed("Action: failed\nStatus: 5.1.1", "Action: relayed\nStatus: 2.1.9"),
    "delivered": changed("Action: failed\nStatus: 5.1.1", "Action: delivered\nStatus: 2.0.0"),
    "expanded": changed("Action: failed\nStatus: 5.1.1", "Action: expanded\nStatus: 2.0.0"),
    "failed, and yet well": changed("Status: 5.1.1", "Status: 2.0.0"),
    "no action": changed("Action: failed\n", ""),
    "away": OUT_OF_OFFICE,
    "a calendar's answer": CALENDAR_REPLY,
    "not-spam": COMPLAINT.replace("Feedback-Type: abuse", "Feedback-Type: not-spam"),
    "a report that was forwarded": "To: {to}\nContent-Type: message/rfc822\n\n" + POSTFIX,
    "empty": "",
    "no mail": "\x00\xff {to} Action: failed",
    "a multipart of nothing": "To: {to}\nContent-Type: multipart/report; boundary=x\n\nAction: failed\n",
    "a status without blocks": "To: {to}\nContent-Type: message/delivery-status; charset=x-none\n\n",
    "a broken encoding": "To: =?x-none?q?=ff?= <{to}>\nContent-Type: text/rfc822-headers\n"
    "Content-Transfer-Encoding: base64\n\n!!!\n",
}


@pytest.mark.parametrize("template", IGNORED.values(), ids=IGNORED)
def test_anything_else_changes_nothing(template):
    notice = make_sent()
    assert take(template, notice) == Meaning.NOTHING
    assert marks(notice) == UNTOUCHED


def test_a_mail_of_a_thousand_boxes_is_read_as_nothing():
    notice = make_sent()
    boxes = "".join(f'Content-Type: multipart/mixed; boundary="{depth}"\n\n--{depth}\n' for depth in range(8000))
    assert take_report(f"To: {return_path(notice)}\n{boxes}".encode(), now=LATER) == Meaning.NOTHING
    assert marks(notice) == UNTOUCHED


# --- forged, replayed, about an old address


def test_no_report_without_the_right_proof_marks_anything():
    notice, other = make_sent(), make_notice(make_offered(email="other@visitors.example"))
    local, _at, domain = return_path(notice).partition("@")
    head, _dot, proof = local.partition(".")
    forged = [
        f"{head}.{'0' * len(proof)}@{domain}",
        f"{head}.{proof[:-1]}@{domain}",
        f"{head}@{domain}",
        f"bounces+{other.pk}.{proof}@{domain}",
        f"{local}@elsewhere.example",
        f"other+{notice.pk}.{proof}@{domain}",
        f"bounces+{'9' * 40}.{proof}@{domain}",
        "Bounces@works.example",
    ]
    guessed = [
        message_id(notice).replace(notice.party.code, "22222222"),
        message_id(notice).replace("works", "elsewhere"),
        f"<notice-{'9' * 18}.22222222@visits.works.example>",
        f"<notice-{other.pk}.{notice.party.code}@visits.works.example>",
    ]
    for address in forged:
        assert take(POSTFIX, notice, to=address, message_id="<x@y>") == Meaning.NOTHING, address
    for identity in guessed:
        assert take(POSTFIX, notice, to="visits@works.example", message_id=identity) == Meaning.NOTHING, identity
    assert (marks(notice), marks(other)) == (UNTOUCHED, UNTOUCHED)


def test_a_report_counts_once():
    notice = make_sent()
    take(POSTFIX, notice)
    Party.objects.update(**NOTHING_KNOWN)

    assert take_report(written(EXIM, notice), now=LATER + DAY) == Meaning.NOTHING

    assert marks(notice) == not_arrived("5.1.1") | NOTHING_KNOWN


@pytest.mark.parametrize("has_return_path", [True, False])
@pytest.mark.parametrize("template", [POSTFIX, COMPLAINT])
def test_what_befell_the_old_address_is_not_held_against_the_new_one(template, has_return_path, settings):
    if not has_return_path:
        settings.BOUNCE_ADDRESS = ""
    notice = make_sent()
    raw = written(template, notice)
    visit.change_contact(notice.party_id, email="new@visitors.example", phone="", language="en")

    assert take_report(raw, now=LATER) == Meaning.NOTHING

    assert marks(notice) == UNTOUCHED


def test_a_complaint_that_hides_the_address_is_known_by_the_return_path_not_to_be_about_the_new_one():
    notice = make_sent()
    raw = written(COMPLAINT, notice, lin="redacted")
    visit.change_contact(notice.party_id, email="new@visitors.example", phone="", language="en")
    assert take_report(raw, now=LATER) == Meaning.NOTHING
    assert marks(notice) == UNTOUCHED


def test_of_an_erased_party_nothing_is_marked():
    notice = make_sent()
    raw = written(POSTFIX, notice)
    Party.objects.update(email="", erased_at=NOON)
    assert take_report(raw, now=LATER) == Meaning.NOTHING
    assert marks(notice) == UNTOUCHED


# --- complaints


@pytest.mark.parametrize("rcpt", [LIN, "redacted"])
@pytest.mark.parametrize("has_return_path", [True, False])
def test_who_calls_our_mail_unwanted_gets_no_announcements(rcpt, has_return_path, settings):
    if not has_return_path:
        settings.BOUNCE_ADDRESS = ""
    notice = make_sent()

    assert take(COMPLAINT, notice, lin=rcpt) == Meaning.UNWANTED

    assert marks(notice) == UNTOUCHED | {"reported_at": LATER, "complained_at": LATER, "wants_no_news_at": LATER}


def test_a_complaint_keeps_the_first_time():
    notice = make_sent()
    again = make_notice(notice.booking or make_offered(), NoticeKind.OFFER_LAPSED)
    Party.objects.update(wants_no_news_at=NOON)
    take(COMPLAINT, notice)
    take_report(written(COMPLAINT, again), now=LATER + DAY)
    assert Party.objects.values_list("complained_at", "wants_no_news_at").get() == (LATER, NOON)


# --- whether we would hear of it


def test_any_mail_that_comes_shows_that_reports_are_heard():
    assert not reports.are_heard(since=NOON - DAY)
    take_report(b"Subject: a daily sign of life\n\n", now=NOON)
    assert list(Heartbeat.objects.values_list("name", "seen_at")) == [("reports", NOON)]
    assert (reports.are_heard(since=NOON - DAY), reports.are_heard(since=NOON)) == (True, False)


def test_no_log_keeps_anything_of_a_report(caplog):
    caplog.set_level(logging.DEBUG)
    notice = make_sent()
    for template in (*IGNORED.values(), *NOT_ARRIVED.values(), COMPLAINT):
        take(template, notice)
        Notice.objects.update(reported_at=None)

    text = caplog.text
    assert f"Notice {notice.pk} (offer) did not arrive: 5.1.10" in text
    personal = [LIN, "lin.", "Lin ", "visitors.example", notice.party.code, "User unknown", "Offered:", "bounces+"]
    assert [canary for canary in personal if canary.lower() in text.lower()] == []


# --- offers that nobody hears of


def test_an_offer_to_an_address_that_takes_no_mail_is_told_at_once(caplog):
    notice = make_sent()
    session = notice.booking and notice.booking.session
    assert session
    assert list(offers_to_dead_addresses(session.season)) == []

    take(POSTFIX, notice)

    assert list(offers_to_dead_addresses(session.season)) == [notice.booking]
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        f"Booking {notice.booking_id}: its offer stands and its party cannot be reached by mail"
    ]


def test_an_offer_is_heard_of_once_the_right_address_was_sent_its_link():
    notice = make_sent()
    assert notice.booking
    season = notice.booking.session.season
    take(POSTFIX, notice)

    visit.change_contact(notice.party_id, email="new@visitors.example", phone="", language="en")
    assert list(offers_to_dead_addresses(season)) == [notice.booking]
    link = make_notice(notice.booking, NoticeKind.LINK, status=NoticeStatus.QUEUED)
    assert list(offers_to_dead_addresses(season)) == [notice.booking]
    Notice.objects.filter(pk=link.pk).update(status=NoticeStatus.SENT)
    assert list(offers_to_dead_addresses(season)) == []


def test_offers_that_nobody_has_heard_of_are_listed_the_first_to_end_first():
    session = make_session()

    def offered(hours: int, **party: Any) -> Booking:
        return make_offered(session, offer_expires_at=NOON + hours * HOUR, status_since=NOON, **party)

    def told(booking: Booking, *mails: NoticeStatus, kind: NoticeKind = NoticeKind.OFFER, **given: Any) -> Booking:
        for status in mails:
            make_notice(booking, kind, status=status, **given)
        return booking

    dead, bounced = offered(5, mail_failed_at=NOON - DAY), told(offered(3), NoticeStatus.BOUNCED)
    set_aside = told(offered(4), NoticeStatus.DEAD)
    of_sign_up = make_sign_up(session, offer_expires_at=NOON + HOUR, status_since=NOON)
    told(of_sign_up, NoticeStatus.BOUNCED, kind=NoticeKind.PROVE)
    told(offered(2), NoticeStatus.SENT)
    told(offered(2), NoticeStatus.QUEUED)
    told(offered(2), NoticeStatus.BOUNCED, NoticeStatus.SENT)  # sent again, which arrived
    told(offered(2), NoticeStatus.BOUNCED, created_at=NOON - DAY)  # of an offer it had before
    told(offered(2), NoticeStatus.DEAD, kind=NoticeKind.LINK)
    make_booking(session, BookingStatus.CONFIRMED, mail_failed_at=NOON)
    make_offered(mail_failed_at=NOON)  # of another season

    assert list(offers_to_dead_addresses(session.season)) == [of_sign_up, bounced, set_aside, dead]
