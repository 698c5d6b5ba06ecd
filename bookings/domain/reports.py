"""What other mail servers report of our mails: that one did not arrive (RFC 3464), that one is unwanted (RFC 5965).

A report can be forged by whoever finds out how. So it only raises a flag, on a notice it can name, of a party that has
the same address still: it ends no booking, shortens no offer and sends nothing.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, message_from_string, policy
from email.message import Message
from email.utils import getaddresses
from enum import StrEnum
from typing import Any, TypeAlias

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from bookings.emails import is_return_path, message_id, notice_of_return_path
from bookings.models import Booking, BookingStatus, Heartbeat, Notice, NoticeKind, NoticeStatus, Party, Season

logger = logging.getLogger(__name__)

HEARTBEAT = "reports"
# A report returns at most the whole mail, and ours are small.
LONGEST_REPORT = 512 * 1024
MOST_PARTS = 50
# Where the address stands to which a report was sent.
ADDRESSED = ("To", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To")
# A mail server may call a mail many things; these are what people say of one they do not want.
UNWANTED = frozenset({"abuse", "opt-out"})
MESSAGE_ID = re.compile(r"<notice-(?P<notice>[1-9][0-9]{0,17})\.[^@\s<>]+@[^@\s<>]+>")
STATUS = re.compile(r"\b[45]\.[0-9]{1,3}\.[0-9]{1,3}\b")
# Mails that tell a party of places kept for it.
OF_OFFERS = (NoticeKind.OFFER, NoticeKind.PROVE)

Part: TypeAlias = "Message[str, str]"


class Meaning(StrEnum):
    NOT_ARRIVED = "did not arrive"
    UNWANTED = "is unwanted"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Report:
    meaning: Meaning
    status: str  # as RFC 3463 numbers it: 5.1.1
    sent_to: frozenset[str]  # addresses to which it was sent, or from which our mail came
    about: frozenset[str]  # addresses to which our mail went
    message_ids: tuple[str, ...]


def take_report(raw: bytes, *, now: datetime) -> Meaning:
    """Mark what the report tells of; returns what that was. Anything that is no such report changes nothing, and so
    does a report that came already. Whatever comes is a sign that reports reach us."""
    Heartbeat.objects.update_or_create(name=HEARTBEAT, defaults={"seen_at": now})
    report = _read(raw[:LONGEST_REPORT])
    notice = _notice_of(report) if report.meaning != Meaning.NOTHING else None
    if notice is None:
        logger.info("A mail to the address of reports %s", "names no mail of ours" if report.sent_to else "is none")
        return Meaning.NOTHING
    return report.meaning if _mark(notice, report, now=now) else Meaning.NOTHING


def are_heard(*, since: datetime) -> bool:
    """Whether a mail that did not arrive would have been reported to us: the way was used since then."""
    return Heartbeat.objects.filter(name=HEARTBEAT, seen_at__gt=since).exists()


def offers_to_dead_addresses(season: Season) -> QuerySet[Booking]:
    """Offers that stand and whose party has most likely not heard of them, the first to end first.

    Either its address is known to take no mail, or the mail about the offer failed and none has left since, which
    would lead to the same page.
    """
    since = Notice.objects.filter(party=OuterRef("party"), status=NoticeStatus.SENT, pk__gt=OuterRef("pk"))
    failed = Notice.objects.filter(
        booking=OuterRef("pk"),
        kind__in=OF_OFFERS,
        created_at__gte=OuterRef("status_since"),
        status__in=[NoticeStatus.BOUNCED, NoticeStatus.DEAD, NoticeStatus.UNKNOWN],
    ).exclude(Exists(since))
    unheard = Q(party__mail_failed_at__isnull=False) | Exists(failed)
    offered = Booking.objects.filter(unheard, session__season=season, status=BookingStatus.OFFERED)
    return offered.select_related("party", "session__venue").order_by("offer_expires_at", "pk")


# --- reading


def _read(raw: bytes) -> Report:
    """Everything in it was written by a stranger: what cannot be read is nothing."""
    try:
        message: Part = message_from_bytes(raw, policy=policy.compat32)
        parts = list(_parts(message))
        return _report(message, parts)
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError) as error:
        logger.info("A mail to the address of reports cannot be read (%s)", type(error).__name__)
        return Report(Meaning.NOTHING, "", frozenset(), frozenset(), ())


def _parts(message: Part) -> Iterator[Part]:
    """The parts of the report itself: not those of the mail it returns, which may be a report as well."""
    waiting = [message]
    for _number in range(MOST_PARTS):
        if not waiting:
            return
        part = waiting.pop(0)
        yield part
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            waiting += _inside(part)


def _inside(part: Part) -> list[Part]:
    payload: Any = part.get_payload()
    return [inner for inner in payload if isinstance(inner, Message)] if isinstance(payload, list) else []


def _report(message: Part, parts: list[Part]) -> Report:
    meaning, status, about = Meaning.NOTHING, "", set[str]()
    sent_to = {address for name in ADDRESSED for address in _addresses(message, name)}
    message_ids: list[str] = []
    for part in parts:
        match part.get_content_type():
            case "message/delivery-status":
                for block in _inside(part):
                    if _text(block, "Action").lower() == "failed" and not _text(block, "Status").startswith("2."):
                        found = STATUS.search(_text(block, "Status"))
                        meaning, status = Meaning.NOT_ARRIVED, found[0] if found else ""
                        about |= _recipients(block, "Final-Recipient", "Original-Recipient")
            case "message/feedback-report":
                for block in _inside(part):
                    if _text(block, "Feedback-Type").lower() in UNWANTED:
                        meaning = Meaning.UNWANTED
                    sent_to |= set(_addresses(block, "Original-Mail-From"))
                    about |= set(_addresses(block, "Original-Rcpt-To"))
            case "message/rfc822" | "text/rfc822-headers" | "message/rfc822-headers":
                for returned in _returned(part):
                    sent_to |= set(_addresses(returned, "Return-Path"))
                    about |= set(_addresses(returned, "To"))
                    message_ids.append(_text(returned, "Message-ID"))
    return Report(meaning, status, frozenset(sent_to), frozenset(about), tuple(message_ids))


def _returned(part: Part) -> list[Part]:
    if part.get_content_maintype() == "message":
        return _inside(part)
    payload = part.get_payload(decode=True)
    return [message_from_string(payload.decode("ascii", "replace"))] if isinstance(payload, bytes) else []


def _text(part: Part, name: str) -> str:
    return " ".join(str(part.get(name, "")).split())


def _addresses(part: Part, name: str) -> list[str]:
    written = [str(value) for value in part.get_all(name, [])]
    return [address.lower() for _name, address in getaddresses(written) if "@" in address]


def _recipients(block: Part, *names: str) -> set[str]:
    """``rfc822; lin@visitors.example``: what stands before the semicolon is the kind of address."""
    written = (_text(block, name).rpartition(";")[2].strip(" <>").lower() for name in names)
    return {address for address in written if "@" in address}


# --- marking


def _notice_of(report: Report) -> Notice | None:
    """By the return path, which is signed; else by the Message-ID, whose code cannot be guessed, unless the report
    names addresses and the party's is not among them: then it is about one that the party had before."""
    for address in report.sent_to:
        if notice := notice_of_return_path(address):
            return notice
    if any(map(is_return_path, report.sent_to)):
        return None  # Forged, or about an address that the party had before.
    for written in report.message_ids:
        named = MESSAGE_ID.fullmatch(written)
        notice = Notice.objects.select_related("party").filter(pk=int(named["notice"])).first() if named else None
        if notice is None or message_id(notice) != written or not notice.party.email:
            continue
        if not report.about or notice.party.email.lower() in report.about:
            return notice
    return None


@transaction.atomic
def _mark(notice: Notice, report: Report, *, now: datetime) -> bool:
    """Once a notice. The address is asked for again, lest it changed a moment ago."""
    party = Party.objects.filter(pk=notice.party_id, email=notice.party.email, erased_at=None)
    if not party.exists() or not Notice.objects.filter(pk=notice.pk, reported_at=None).update(reported_at=now):
        return False
    logger.warning("Notice %s (%s) %s: %s", notice.pk, notice.kind, report.meaning, report.status or "no status")
    if report.meaning == Meaning.UNWANTED:
        party.filter(complained_at=None).update(complained_at=now)
        party.filter(wants_no_news_at=None).update(wants_no_news_at=now)
        return True
    # One that is being sent, or will be once more, is its worker's to mark.
    left = Notice.objects.filter(pk=notice.pk, status__in=[NoticeStatus.SENT, NoticeStatus.UNKNOWN])
    left.update(status=NoticeStatus.BOUNCED, last_error=report.status)
    party.update(mail_failed_at=now, mail_failure=report.status)
    for booking in Booking.objects.filter(party=notice.party_id, status=BookingStatus.OFFERED):
        logger.error("Booking %s: its offer stands and its party cannot be reached by mail", booking.pk)
    return True
