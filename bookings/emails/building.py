"""The message itself, put together of words, layouts, calendar entry and picture."""

import io
import logging
import re
from collections.abc import Callable
from datetime import datetime
from email.mime.image import MIMEImage
from functools import partial
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template import Context, Engine
from django.utils import translation

from bookings.drawn_codes import drawn_code
from bookings.emails.entry import attach_calendar
from bookings.emails.envelope import headers_of, return_path
from bookings.emails.news import news_of
from bookings.emails.own_words import BrokenText, fill, placeholders_of, text_in_use
from bookings.emails.words import html_language, words_of
from bookings.models import House, MailText, Notice, NoticeKind, Party

logger = logging.getLogger(__name__)


def build(
    notice: Notice, *, now: datetime, house: House | None = None, tried: MailText | None = None
) -> EmailMultiAlternatives:
    """The message as it is true at ``now``, in the language of the party, with a Message-ID that never changes.

    With the hosts' own words, if they wrote any for this kind and language; ``tried`` is a text not in use yet. Whoever
    builds many hands in the house, to be read once.
    """
    party = notice.party
    with translation.override(party.language):
        house = house or House.objects.first()
        words = words_of(notice, now=now) | news_of(notice) | {"house": house}
        words |= _own_words(notice, words, tried or text_in_use(notice))
        text = _tidy(_render(notice, "_base.txt", words, escape=False))
        words["preheader"] = _first_lines(text)
        message = EmailMultiAlternatives(
            subject=" ".join(_render(notice, "_base.subject.txt", words, escape=False).split()),
            body=text,
            from_email=return_path(notice),
            to=[party.email],
            reply_to=[house.email] if house else None,
            headers=headers_of(notice, house=house)
            | {
                "Message-ID": message_id(notice),
                "Auto-Submitted": "auto-generated",
                "Content-Language": html_language(party.language),
            },
        )
        message.attach_alternative(_render(notice, "_base.html", words, escape=True), "text/html")
        attach_calendar(message, notice, now=now, house=house)
        if notice.kind in {NoticeKind.CONFIRMED, NoticeKind.SWAPPED}:
            message.attach(_qr_code(party))
    return message


def _own_words(notice: Notice, words: dict[str, object], text: MailText | None) -> dict[str, object]:
    """What hosts wrote, filled in. A text that a later release can no longer fill must not hold up the mail."""
    if text is None:
        return {}
    values = _values(notice, words)
    try:
        return {"own_subject": fill(text.subject, values), "own_words": fill(text.words, values)}
    except BrokenText as broken:
        logger.error("Mail text %s: nothing stands for %s; the usual words are sent", text.pk, broken.found)
        return {}


def _values(notice: Notice, words: dict[str, object]) -> dict[str, Callable[[], str]]:
    """What stands for each name, as plain strings; sentences are put together only where a text has them."""
    sentences: dict[str, Callable[[], str]] = {
        "our_words": lambda: _render(notice, "_base.words.txt", words, escape=False).strip(),
        "standing": lambda: _sentences("_standing.txt", words | {"items": words["visits"]}),
        "to_do": lambda: _sentences("_to_do.txt", words),
        "reason": lambda: _sentences("_reason.txt", words),
    }
    plain = {name: partial(_plain, words.get(name)) for name in placeholders_of(notice.kind)}
    return plain | sentences


def _plain(value: object) -> str:
    return "" if value is None else str(value)


def _sentences(name: str, words: dict[str, object]) -> str:
    return Engine.get_default().get_template(f"emails/{name}").render(Context(words, autoescape=False)).strip()


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


def _first_lines(text: str) -> str:
    """The fact and what follows it at once: what a list of mails shows beside the subject."""
    return " ".join(text.partition("\n\n")[0].splitlines())


def _qr_code(party: Party) -> MIMEImage:
    """The party's code for the desk. The mail has it in letters as well: pictures may be off."""
    picture = io.BytesIO()
    drawn_code(party.code).save(picture, kind="png", scale=5, border=4)
    image = MIMEImage(picture.getvalue(), "png")
    image.add_header("Content-ID", "<code>")
    image.add_header("Content-Disposition", "inline", filename=f"{party.code}.png")
    return image
