"""The message itself, put together of words, layouts, calendar entry and picture."""

import io
import re
from datetime import datetime
from email.mime.image import MIMEImage
from urllib.parse import urlsplit

import segno
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template import Context, Engine
from django.utils import translation

from bookings.emails.entry import attach_calendar
from bookings.emails.words import html_language, words_of
from bookings.models import House, Notice, NoticeKind, Party


def build(notice: Notice, *, now: datetime, house: House | None = None) -> EmailMultiAlternatives:
    """The message as it is true at ``now``, in the language of the party, with a Message-ID that never changes.

    Whoever builds many hands in the house, to be read once.
    """
    party = notice.party
    with translation.override(party.language):
        house = house or House.objects.first()
        words = words_of(notice, now=now) | {"house": house}
        message = EmailMultiAlternatives(
            subject=" ".join(_render(notice, "_base.subject.txt", words, escape=False).split()),
            body=_tidy(_render(notice, "_base.txt", words, escape=False)),
            from_email=settings.MAIL_FROM,
            to=[party.email],
            reply_to=[house.email] if house else None,
            headers={
                "Message-ID": message_id(notice),
                "Auto-Submitted": "auto-generated",
                "Content-Language": html_language(party.language),
            },
        )
        message.attach_alternative(_render(notice, "_base.html", words, escape=True), "text/html")
        attach_calendar(message, notice)
        if notice.kind in {NoticeKind.CONFIRMED, NoticeKind.SWAPPED}:
            message.attach(_qr_code(party))
    return message


def message_id(notice: Notice) -> str:
    """The same for every try of one notice, so that a mail sent twice can be seen to be one mail."""
    return f"<notice-{notice.pk}.{notice.party.code}@{urlsplit(settings.SITE_URL).hostname}>"


def _render(notice: Notice, layout: str, words: dict[str, object], *, escape: bool) -> str:
    template = Engine.get_default().get_template(f"emails/{notice.kind}.txt")
    return template.render(Context({**words, "layout": f"emails/{layout}"}, autoescape=escape))


def _tidy(text: str) -> str:
    """Conditions in templates leave gaps: at most one empty line, none at the ends."""
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip() + "\n"


def _qr_code(party: Party) -> MIMEImage:
    """The party's code for the desk. The mail has it in letters as well: pictures may be off."""
    picture = io.BytesIO()
    segno.make(party.code, micro=False).save(picture, kind="png", scale=5, border=4)
    image = MIMEImage(picture.getvalue(), "png")
    image.add_header("Content-ID", "<code>")
    image.add_header("Content-Disposition", "inline", filename=f"{party.code}.png")
    return image
