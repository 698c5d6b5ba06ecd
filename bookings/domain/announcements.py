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
    """Who would get it now; or who got it, once it was sent."""
    parties = recipients(announcement)
    if announcement.posted_at:
        key = outbox.mailing_key(NoticeKind.ANNOUNCEMENT, f"{announcement.pk}")
        parties = Party.objects.filter(notices__dedupe_key__startswith=key)
    languages = dict(parties.order_by().values_list("language").annotate(Count("pk")))
    return Audience(sum(languages.values()), languages)


@transaction.atomic
def send(announcement_pk: int, *, now: datetime, who: str) -> int:
    """Owe it to every party that may be sent it now; returns how many parties. Whoever joins later does not get it.

    Raises AlreadySent, NobodyToTell, and LanguageMissing where a party would read it in a language it did not choose.
    """
    if not Announcement.objects.filter(pk=announcement_pk, posted_at=None).update(posted_at=now, posted_by=who):
        raise AlreadySent
    announcement = Announcement.objects.get(pk=announcement_pk)
    languages = set(recipients(announcement).order_by().values_list("language", flat=True).distinct())
    if not languages:
        raise NobodyToTell
    names = dict(settings.LANGUAGES)
    if missing := [names[language] for language in sorted(languages) if not _is_written_in(announcement, language)]:
        raise LanguageMissing(missing)
    return outbox.post_to_parties(
        NoticeKind.ANNOUNCEMENT,
        recipients(announcement),
        key=f"{announcement.pk}",
        now=now,
        expires_at=now + STAYS_NEWS,
        facts={"announcement": announcement.pk},
    )


def stop(party_pk: int, *, now: datetime) -> None:
    """No more announcements for this person, in any season; what is about its own visit still comes."""
    Party.objects.filter(pk=party_pk, wants_no_news_at=None).update(wants_no_news_at=now)


def _is_written_in(announcement: Announcement, language: str) -> bool:
    texts = (announcement.subject, announcement.words)
    return all(isinstance(text.data, dict) and (text.data.get(language) or "").strip() for text in texts)
