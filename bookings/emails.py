"""What a notice says: one message in the party's language, as text and as HTML from the same words.

``templates/emails/<kind>.txt`` holds the words of a kind in blocks. It is rendered over three layouts,
``_base.subject.txt``, ``_base.txt`` and ``_base.html``, so that subject, text and HTML cannot drift apart. This module
sends nothing.
"""

import io
import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from email.mime.image import MIMEImage
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import segno
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import Max
from django.template import Context, Engine
from django.urls import reverse
from django.utils import translation
from django.utils.dateformat import format as format_date
from django.utils.translation import pgettext

from bookings.calendars import Method, invitation
from bookings.durations import time_left
from bookings.models import (
    SIGN_UP_OFFER,
    Ahead,
    Booking,
    BookingEvent,
    BookingStatus,
    House,
    Notice,
    NoticeKind,
    NoticeStatus,
    OfferSource,
    Party,
    parties_ahead,
)

# A waiting party proves its mailbox within this time after the mail that asks for it was handed over.
PROVE_WITHIN = timedelta(hours=24)
LONGEST_NAME = 60
# The name a language has for itself, for the link that leads to it.
OWN_NAMES = {"en": "English", "zh-hans": "中文"}
SHOWN_FIRST = [
    BookingStatus.CHECKED_IN,
    BookingStatus.CONFIRMED,
    BookingStatus.OFFERED,
    BookingStatus.WAITING,
    BookingStatus.ENTERED,
    BookingStatus.NO_SHOW,
]


class Sign(NamedTuple):
    """The colours of the panel at the top; its name is the class that dark mode hangs on."""

    name: str
    ground: str
    ink: str
    button: str
    on_button: str


OFFERED = Sign("offered", "#ffc93c", "#12211d", "#12211d", "#ffffff")
CONFIRMED = Sign("confirmed", "#0e3a33", "#eef5ef", "#ffc93c", "#12211d")
WAITING = Sign("waiting", "#e1e9f6", "#12211d", "#0d5c4b", "#ffffff")
ENDED = Sign("ended", "#e2e8e3", "#12211d", "#0d5c4b", "#ffffff")
SIGNS = {
    BookingStatus.OFFERED: OFFERED,
    BookingStatus.CONFIRMED: CONFIRMED,
    BookingStatus.CHECKED_IN: CONFIRMED,
    BookingStatus.WAITING: WAITING,
    BookingStatus.ENTERED: WAITING,
}


@dataclass(frozen=True)
class Visit:
    """One booking as a mail tells it: times at the venue, in the active language."""

    status: str
    places: int
    day: str
    short_day: str
    full_day: str
    time: str
    until: str
    be_there: str
    zone: str
    gate: str
    venue: str
    address: str
    getting_in: str
    days_left: int
    number: int | None
    ahead: Ahead | None
    # Of an offer: when it ends, and how long that is from now; empty otherwise.
    deadline: str
    short_deadline: str
    left: str


def build(notice: Notice, *, now: datetime) -> EmailMultiAlternatives:
    """The message as it is true at ``now``, in the language of the party, with a Message-ID that never changes."""
    party = notice.party
    with translation.override(party.language):
        house = House.objects.first()
        words = _words(notice, now=now) | {"house": house}
        message = EmailMultiAlternatives(
            subject=" ".join(_render(notice, "_base.subject.txt", words, escape=False).split()),
            body=_tidy(_render(notice, "_base.txt", words, escape=False)),
            from_email=settings.MAIL_FROM,
            to=[party.email],
            reply_to=[house.email] if house else None,
            headers={
                "Message-ID": message_id(notice),
                "Auto-Submitted": "auto-generated",
                "Content-Language": _html_language(party.language),
            },
        )
        message.attach_alternative(_render(notice, "_base.html", words, escape=True), "text/html")
        _attach_calendar(message, notice)
        if notice.kind in {NoticeKind.CONFIRMED, NoticeKind.SWAPPED}:
            message.attach(_qr_code(party))
    return message


def message_id(notice: Notice) -> str:
    """The same for every try of one notice, so that a mail sent twice can be seen to be one mail."""
    return f"<notice-{notice.pk}.{notice.party.code}@{urlsplit(settings.SITE_URL).hostname}>"


def party_link(party: Party, *, language: str | None = None) -> str:
    """The address of the party's page with the token that opens it, in the party's language unless another is asked."""
    with translation.override(language or party.language):
        path = reverse("visit_link", kwargs={"code": party.code, "token": party.link_token})
    return settings.SITE_URL.rstrip("/") + path


def changes_to_tell(notice: Notice) -> dict[str, Any]:
    """What a mail of a change has to tell: the facts that still differ from what the party was last told.

    Of changes that follow each other before a mail has left, only the last one's is sent; it tells for the others too.
    """
    facts = dict(notice.facts)
    for older in _never_told(notice):
        for name, was in older.facts.items():
            # Of one that may have left after all, the party may know the other time, and has to hear that it is back.
            if _is_another(name, was, notice) or _never_left(older):
                facts[name] = was
    return {name: was for name, was in facts.items() if _is_another(name, was, notice)}


def _never_told(notice: Notice) -> list[Notice]:
    """Earlier changes of the booking, the latest first, of which the party had no mail, nor any other mail since."""
    party = notice.party_id
    last = Notice.objects.filter(party=party, sent_at__lte=notice.created_at).aggregate(at=Max("sent_at"))["at"]
    older = Notice.objects.filter(kind=NoticeKind.CHANGED, booking=notice.booking_id, pk__lt=notice.pk)
    if last:
        older = older.filter(created_at__gte=last)
    return list(older.exclude(status=NoticeStatus.SENT).order_by("-pk"))


def _never_left(notice: Notice) -> bool:
    """Whether nobody tried to hand it over; that it is no longer true is found by the first claim, and ends it."""
    return notice.attempts == int(notice.status == NoticeStatus.VOID)


def _is_another(name: str, was: Any, notice: Notice) -> bool:
    """Whether a time is another one now; what is no time has changed anyway."""
    if notice.booking and name in {"starts_at", "ends_at"}:
        with suppress(ValueError):  # A broken row fails where it is built.
            return bool(datetime.fromisoformat(was) != getattr(notice.booking.session, name))
    return True


def neutral_name(name: str) -> str:
    """A name as it may stand in a mail to a stranger: one short line without link, markup or turned direction."""
    kept = "".join(" " if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"} else char for char in name)
    kept = re.sub(r"[<>@/\\:|\[\]{}()\"]+", " ", kept)
    kept = re.sub(r"[.。．｡․](?=\S)", ". ", kept)
    kept = " ".join(kept.split())
    if len(kept) > LONGEST_NAME:
        kept = kept[: LONGEST_NAME - 1].rstrip() + "…"
    if any(unicodedata.bidirectional(char) in {"R", "AL"} for char in kept):
        return f"\u2068{kept}\u2069"
    return kept


def _render(notice: Notice, layout: str, words: dict[str, object], *, escape: bool) -> str:
    template = Engine.get_default().get_template(f"emails/{notice.kind}.txt")
    return template.render(Context({**words, "layout": f"emails/{layout}"}, autoescape=escape))


def _tidy(text: str) -> str:
    """Conditions in templates leave gaps: at most one empty line, none at the ends."""
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip() + "\n"


def _words(notice: Notice, *, now: datetime) -> dict[str, object]:
    """What the templates speak of. The booking that the notice is about, or else the party's first, is spread out."""
    party = notice.party
    facts = notice.facts
    if notice.kind == NoticeKind.CHANGED:
        facts = changes_to_tell(notice) or facts
    live = _live_bookings(party)
    main = notice.booking or next(iter(live), None)
    other = next(code for code, _name in settings.LANGUAGES if code != party.language)
    words: dict[str, object] = {
        "kind": str(notice.kind),
        "sign": _sign(notice, main),
        "tour": str(party.season.tour),
        "bring": _one_line(party.season.tour.identification),
        "wear": _one_line(party.season.tour.clothing),
        "names": _names(party),
        "people": party.size,
        "code": party.code_in_words,
        "proven": party.is_proven,
        "ended": party.ended_at is not None,
        "visits": [_visit(booking, now=now) for booking in live],
        "link": party_link(party),
        "language_code": _html_language(party.language),
        "other_link": party_link(party, language=other),
        "other_language": OWN_NAMES.get(other, other),
        "other_language_code": _html_language(other),
        "recalled": "recalled" in facts,
        "changed_names": "names" in facts,
        "changed_size": "size" in facts,
        "visit": None,
    }
    if main is None:
        return words | {"asked_on": _day(party.asked_at, zone=ZoneInfo("UTC"))}
    zone = main.session.venue.zone
    visit = _visit(main, now=now, offered_until=_offered_until(notice, main, now=now))
    words |= asdict(visit) | _ending(main)
    words |= {
        "visit": visit,
        "others": [_visit(booking, now=now) for booking in live if booking.pk != main.pk],
        "asked_on": _day(party.asked_at, zone=zone),
        "reason": str(main.session.call_off_reason),
    }
    if party.first_call_until and party.first_call_until > now:
        first_call = _to_the_minute(party.first_call_until)
        words |= {
            "first_call": _moment(first_call, now=now, zone=zone),
            "first_call_left": time_left(first_call, now=now),
        }
    if not party.is_proven:
        prove_by = _to_the_minute(min(party.prove_by or now + PROVE_WITHIN, now + PROVE_WITHIN))
        words |= {
            "prove_by": _moment(prove_by, now=now, zone=zone),
            "prove_by_short": _short_moment(prove_by, now=now, zone=zone),
            "prove_left": time_left(prove_by, now=now),
        }
    if "ends_at" in facts:
        before = datetime.fromisoformat(facts["ends_at"]).astimezone(zone)
        words |= {"ended_before": f"{before:%H:%M}", "ends": f"{main.session.local_end:%H:%M}"}
    if "starts_at" in facts:
        before = datetime.fromisoformat(facts["starts_at"]).astimezone(zone)
        words["before"] = pgettext("a day and a time", "%(day)s, %(time)s") % {
            "day": format_date(before, pgettext("date format: Saturday 13 February 2027", "l j F Y")),
            "time": f"{before:%H:%M}",
        }
    return words


def _live_bookings(party: Party) -> list[Booking]:
    """What the party has now: held places first, then its lines in the order of its wishes."""
    live = party.bookings.live().select_related("session__venue", "session__season__tour")
    return sorted(live, key=lambda booking: (SHOWN_FIRST.index(BookingStatus(booking.status)), booking.preference))


def _offered_until(notice: Notice, booking: Booking, *, now: datetime) -> datetime | None:
    """A mail about an offer that is over, as hosts see it, still names the deadline that it had."""
    spoke_of_offer = notice.kind in {NoticeKind.PROVE, NoticeKind.OFFER}
    return offer_shown_until(booking, now=now) or (notice.expires_at if spoke_of_offer else None)


def _visit(booking: Booking, *, now: datetime, offered_until: datetime | None = None) -> Visit:
    session, venue = booking.session, booking.session.venue
    start, today = session.local_start, now.astimezone(venue.zone).date()
    ends = offered_until or offer_shown_until(booking, now=now)
    waiting = booking.status == BookingStatus.WAITING
    return Visit(
        status=booking.status,
        places=booking.places,
        day=format_date(start, pgettext("date format: Saturday 13 February", "l j F")),
        short_day=format_date(start, pgettext("date format: Sat 13 Feb", "D j M")),
        full_day=format_date(start, pgettext("date format: Saturday 13 February 2027", "l j F Y")),
        time=f"{start:%H:%M}",
        until=f"{session.local_end:%H:%M}",
        be_there=f"{session.be_there_at:%H:%M}",
        zone=str(venue.time_zone_name) or venue.time_zone,
        gate=str(venue.gate),
        venue=str(venue.name),
        address=_one_line(venue.address),
        getting_in=_one_line(venue.getting_in),
        days_left=(start.date() - today).days,
        number=booking.queue_number if waiting else None,
        ahead=parties_ahead(booking, now=now) if waiting else None,
        deadline=_moment(ends, now=now, zone=venue.zone) if ends else "",
        short_deadline=_short_moment(ends, now=now, zone=venue.zone) if ends else "",
        left=time_left(ends, now=now) if ends else "",
    )


def offer_shown_until(booking: Booking, *, now: datetime) -> datetime | None:
    """The deadline a mail names: whole minutes, never later than the one enforced.

    An offer from sign-up ends 30 minutes after the proof mail was handed over, which is no earlier than now.
    """
    if booking.offer_expires_at is None:
        return None
    ends = booking.offer_expires_at
    if booking.offer_source == OfferSource.SIGN_UP:
        ends = min(ends, now + SIGN_UP_OFFER)
    return _to_the_minute(ends)


def _ending(booking: Booking) -> dict[str, object]:
    """Who ended the booking and what it was before: the row alone does not tell."""
    event = BookingEvent.objects.filter(booking=booking, to_status=booking.status).last()
    return {
        "by_host": bool(event and event.who.startswith("host")),
        "why": event.why if event else "",
        "was": event.from_status if event else "",
    }


def _sign(notice: Notice, booking: Booking | None) -> Sign:
    if notice.kind == NoticeKind.IN_LINE and not notice.party.is_proven:
        return OFFERED  # It asks for an answer.
    return SIGNS.get(BookingStatus(booking.status), ENDED) if booking else ENDED


def _names(party: Party) -> str:
    """Everybody by name; to a mailbox nobody has proven only the lead, who is the one who should know the mail."""
    people: Sequence[str] = [name for name, _from, _to in party.people()] if party.is_proven else [party.lead_name]
    return pgettext("between names", ", ").join(filter(None, map(neutral_name, people)))


def _moment(at: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    """A moment near in time as people say it: 17:40 today."""
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    words = {"time": f"{local:%H:%M}"}
    if local.date() == today:
        return pgettext("a moment", "%(time)s today") % words
    if local.date() == today + timedelta(days=1):
        return pgettext("a moment", "%(time)s tomorrow") % words
    day = format_date(local, pgettext("date format: Saturday 13 February", "l j F"))
    return pgettext("a moment", "%(time)s on %(day)s") % {**words, "day": day}


def _short_moment(at: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    if local.date() == now.astimezone(zone).date():
        return f"{local:%H:%M}"
    day = format_date(local, pgettext("date format: Sat 13 Feb", "D j M"))
    return pgettext("a moment", "%(time)s on %(day)s") % {"time": f"{local:%H:%M}", "day": day}


def _day(at: datetime, *, zone: ZoneInfo) -> str:
    return format_date(at.astimezone(zone), pgettext("date format: 13 February", "j F"))


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _to_the_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _html_language(code: str) -> str:
    return translation.to_locale(code).replace("_", "-")


def _attach_calendar(message: EmailMultiAlternatives, notice: Notice) -> None:
    """As an alternative, which calendars take in by themselves, and as a file for all others."""
    method = _calendar_method(notice)
    if method is None or notice.booking is None:
        return
    file = invitation(notice.booking, method)
    message.attach_alternative(file.decode(), f"text/calendar; method={method}")
    message.attach("visit.ics", file, "application/ics")


def _calendar_method(notice: Notice) -> Method | None:
    booking = notice.booking
    if booking is None:
        return None
    if notice.kind in {NoticeKind.CONFIRMED, NoticeKind.SWAPPED, NoticeKind.CHANGED} and booking.status in {
        BookingStatus.CONFIRMED,
        BookingStatus.CHECKED_IN,
    }:
        return Method.REQUEST
    if notice.kind in {NoticeKind.CANCELLED, NoticeKind.CALLED_OFF}:
        if _ending(booking)["was"] not in {BookingStatus.CONFIRMED, BookingStatus.CHECKED_IN}:
            return None
        # A party has one entry: a mail that comes late must not take the places out of it that it has by now.
        has_others = booking.party.bookings.filter(status=BookingStatus.CONFIRMED).exists()
        return None if has_others else Method.CANCEL
    return None


def _qr_code(party: Party) -> MIMEImage:
    """The party's code for the desk. The mail has it in letters as well: pictures may be off."""
    picture = io.BytesIO()
    segno.make(party.code, micro=False).save(picture, kind="png", scale=5, border=4)
    image = MIMEImage(picture.getvalue(), "png")
    image.add_header("Content-ID", "<code>")
    image.add_header("Content-Disposition", "inline", filename=f"{party.code}.png")
    return image
