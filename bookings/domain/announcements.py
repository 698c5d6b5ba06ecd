"""Announcements: one mail to every party of a season that may be sent news, and how a party stops them."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from bookings import outbox
from bookings.domain.errors import BookingError
from bookings.models import Announcement, NoticeKind, Party

# News that could not leave for so long is none any more.
STAYS_NEWS = timedelta(days=3)


class AlreadySent(BookingError):
    message = _("This announcement has been sent already.")


class NobodyToTell(BookingError):
    message = _("No party of this season can be sent announcements now.")


class LanguageMissing(BookingError):
    message = _("Parties read it in %(languages)s too: write the subject and the words in that language first.")

    def __init__(self, languages: list[str]) -> None:
        self.languages = languages

    def __str__(self) -> str:
        return str(self.message) % {"languages": pgettext("between names", ", ").join(self.languages)}


class Audience(NamedTuple):
    """How many parties an announcement goes to, and in which languages they read."""

    parties: int
    languages: dict[str, int]


def recipients(announcement: Announcement) -> QuerySet[Party]:
    return Party.objects.wanting_news().filter(season=announcement.season_id)


def audience(announcement: Announcement) -> Audience:
    """Who would get it now; or who got it, once it is owed to all."""
    parties = recipients(announcement)
    if announcement.owed_at:
        key = outbox.mailing_key(NoticeKind.ANNOUNCEMENT, f"{announcement.pk}")
        parties = Party.objects.filter(notices__dedupe_key__startswith=key)
    languages = dict(parties.order_by().values_list("language").annotate(Count("pk")))
    return Audience(sum(languages.values()), languages)


@transaction.atomic
def send(announcement_pk: int, *, now: datetime, who: str) -> None:
    """Promise it to every party that may be sent it; the clock owes it to them one part after the other.

    Raises AlreadySent, NobodyToTell, and LanguageMissing where a party would read it in a language it did not choose.
    """
    if not Announcement.objects.filter(pk=announcement_pk, posted_at=None).update(posted_at=now, posted_by=who):
        raise AlreadySent
    announcement = Announcement.objects.get(pk=announcement_pk)
    languages = set(recipients(announcement).order_by().values_list("language", flat=True).distinct())
    if not languages:
        raise NobodyToTell
    names = dict(settings.LANGUAGES)
    if missing := [names[language] for language in sorted(languages) if not is_written_in(announcement, language)]:
        raise LanguageMissing(missing)


def owe_announcements(*, now: datetime) -> int:
    """Owe what was promised and is not owed to everybody yet; returns how many parties were gone through. Stopped in
    the middle, it begins anew and owes nobody twice. Whoever joins after the promise does not get it."""
    owed = 0
    for announcement in Announcement.objects.filter(posted_at__lte=now, owed_at=None).order_by("pk"):
        promised_at = announcement.posted_at or now
        owed += outbox.post_to_parties(
            NoticeKind.ANNOUNCEMENT,
            recipients(announcement).filter(asked_at__lte=promised_at),
            key=f"{announcement.pk}",
            now=now,
            expires_at=promised_at + STAYS_NEWS,
            facts={"announcement": announcement.pk},
        )
        Announcement.objects.filter(pk=announcement.pk).update(owed_at=now)
    return owed


def stop(party_pk: int, *, now: datetime) -> None:
    """No more announcements for this person, in any season; what is about its own visit still comes."""
    Party.objects.filter(pk=party_pk, wants_no_news_at=None).update(wants_no_news_at=now)


def is_written_in(announcement: Announcement, language: str) -> bool:
    texts = (announcement.subject, announcement.words)
    return all(isinstance(text.data, dict) and (text.data.get(language) or "").strip() for text in texts)
