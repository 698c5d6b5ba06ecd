"""What the form of a session is made of: the sessions of its season that a party may name, as they stood a moment ago.

Read at most once a second for all visitors of a process. What decides is read again where it is decided.
"""

from datetime import datetime
from time import monotonic
from typing import NamedTuple

from django.utils import timezone
from django.utils.translation import get_language

from bookings.models import TourSession
from portal import kept
from portal.templatetags.times import session_when
from portal.views import session_words
from portal.views.session_words import SessionWords

# Of one reading: a page has one address a language, and programs that make up others get theirs rendered anew.
MOST_PAGES = 200

Choice = tuple[int, str]


class Asking(NamedTuple):
    """The sessions of one season whose rosters are open, with season, tour, consents and venue at hand."""

    sessions: dict[int, TourSession]
    read_at: float
    choices: dict[str, list[Choice]]  # by language, those that take sign-ups
    pages: dict[str, str]  # by address, as portal.forms.blank marks them

    def others(self, session: TourSession, *, now: datetime) -> list[Choice]:
        """What else a party may name: sessions of the season that take sign-ups."""
        if session.season.choices_allowed == 1:
            return []
        language = get_language() or ""
        if language not in self.choices:
            described = session_words.describe_all(list(self.sessions.values()), now=now)
            self.choices[language] = [(words.session.pk, _in_words(words)) for words in described if words.act]
        return [choice for choice in self.choices[language] if choice[0] != session.pk]

    def keep_page(self, address: str, page: str) -> None:
        """An address with a query is anybody's to make up."""
        if "?" not in address and len(self.pages) < MOST_PAGES:
            self.pages[address] = page


_read: dict[int, Asking] = {}


def asking_for(session_pk: int) -> Asking | None:
    """Of the season of this session; None if the session is not public, or its roster is locked."""
    found = _read.get(session_pk)
    if found and kept.is_fresh(found.read_at):
        return found
    read_at = monotonic()
    open_ones = TourSession.objects.public().filter(season__sessions__pk=session_pk, roster_locks_at__gt=timezone.now())
    at_hand = open_ones.select_related("season__tour", "venue").prefetch_related("season__tour__consents")
    sessions = {session.pk: session for session in at_hand}
    asking = Asking(sessions, read_at, {}, {})
    for pk in [pk for pk, old in list(_read.items()) if not kept.is_fresh(old.read_at)]:
        _read.pop(pk, None)
    _read.update(dict.fromkeys(sessions, asking))
    return asking if session_pk in sessions else None


def _in_words(words: SessionWords) -> str:
    return f"{session_when(words.session)} · {words.tag.words} · {words.language}"
