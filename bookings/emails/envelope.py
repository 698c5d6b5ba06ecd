"""What stands outside a mail's words: who hears of it when it does not arrive, and how it is stopped for good."""

import re
from email.utils import formataddr, parseaddr

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from bookings.emails.links import stop_link
from bookings.models import House, Notice, NoticeKind

# Mails no visit depends on. All others are owed to whoever asked for places, and nobody can stop them unseen.
STOPPABLE = frozenset({NoticeKind.ANNOUNCEMENT})
# As it stands in an address: the notice, and a proof that we wrote this to the address which the party has now.
RETURN_PATH = re.compile(r"\+(?P<notice>[1-9][0-9]{0,18})\.(?P<proof>[0-9a-f]{20})$")


def return_path(notice: Notice) -> str:
    """Where other mail servers send their reports: an address for each mail, so that a report tells which one.

    Without BOUNCE_ADDRESS it is the sender's, and a report is known by the Message-ID that it returns.
    """
    local, _at, domain = settings.BOUNCE_ADDRESS.rpartition("@")
    return f"{local}+{notice.pk}.{_proof(notice)}@{domain}" if local else settings.MAIL_FROM


def notice_of_return_path(address: str) -> Notice | None:
    """The notice whose return path this is, if it is one of ours and the party has the same address still."""
    told = _told_by(address)
    notice = Notice.objects.select_related("party").filter(pk=int(told["notice"])).first() if told else None
    return notice if told and notice and constant_time_compare(told["proof"], _proof(notice)) else None


def is_return_path(address: str) -> bool:
    """Whether it looks like one of ours, be it forged or that of an address which the party had before."""
    return _told_by(address) is not None


def sender(house: House | None) -> str:
    """MAIL_FROM; where that names nobody, with the name of the house in the language that is active."""
    name, address = parseaddr(settings.MAIL_FROM)
    called = " ".join(str(house or "").split())
    return settings.MAIL_FROM if name or not called else formataddr((called, address))


def headers_of(notice: Notice, *, house: House | None) -> dict[str, str]:
    """The sender as people see it, and for mails that can be stopped the address that stops them (RFC 8058).

    That address needs TLS: without it no mail program offers the button.
    """
    headers = {"From": sender(house)}
    if notice.kind in STOPPABLE and settings.SITE_URL.startswith("https://"):
        headers |= {
            "List-Unsubscribe": f"<{stop_link(notice.party)}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
    return headers


def _told_by(address: str) -> re.Match[str] | None:
    local, _at, domain = address.strip().lower().rpartition("@")
    own_local, _at, own_domain = settings.BOUNCE_ADDRESS.lower().rpartition("@")
    if not own_local or domain != own_domain or not local.startswith(own_local):
        return None
    return RETURN_PATH.fullmatch(local.removeprefix(own_local))


def _proof(notice: Notice) -> str:
    """A link is changed by its version; this by the address, so that what befell an old one is not held against the
    new one."""
    signed = f"{notice.pk}:{notice.party.email}"
    return salted_hmac("bookings.notice.return-path", signed, algorithm="sha256").hexdigest()[:20]
