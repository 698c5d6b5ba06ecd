"""What a line decided, and what may come of waiting in it: the same words for hosts and for parties.

Source of the rules: docs/decisions/0011-honest-chance.md.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import reduce
from itertools import takewhile
from operator import or_
from typing import NamedTuple

from django.db.models import Count, OuterRef, Q, Subquery, Sum
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext, pgettext

from bookings.durations import time_left
from bookings.models import Ahead, Decision, DecisionReason, Season, TourSession

# With fewer offers than this, or over a shorter time, nothing is said about what is to come.
ENOUGH_OFFERS = 5
ENOUGH_TIME = timedelta(days=1)
# Likely if so many times the offers needed are to be expected, unlikely if less than one in so many.
MARGIN = 2


class Verdict(StrEnum):
    LIKELY = "likely"
    POSSIBLE = "possible"
    UNLIKELY = "unlikely"


class SoFar(NamedTuple):
    """What happened in a season so far: offers to its lines, and how many lines there were."""

    offers: int
    lines: int


class Outlook(NamedTuple):
    """The numbers behind a verdict. There is none as long as there is too little to go by."""

    verdict: Verdict | None
    offers: int  # to this line, or to all lines of the season
    own: int  # of them to this line
    is_of_season: bool


def season_so_far(season: Season) -> SoFar:
    with_line = Count("pk", filter=Q(next_queue_number__gt=1))
    told = TourSession.objects.filter(season=season).aggregate(offers=Sum("offers_made", default=0), lines=with_line)
    return SoFar(told["offers"], told["lines"])


def outlook(session: TourSession, ahead: Ahead, so_far: SoFar, *, now: datetime) -> Outlook | None:
    """Whether the line will come as far as this party if it goes on as it did; None once it is closed.

    Every offer moves a line on by one party, whatever its answer. A line that had few is judged by the average one of
    its season.
    """
    if not session.serves_its_line(now):
        return None
    is_young = session.offers_made < ENOUGH_OFFERS
    offers, lines = so_far if is_young else (session.offers_made, 1)
    elapsed, left = now - session.season.opens_at, session.roster_locks_at - now
    verdict = None
    if offers >= ENOUGH_OFFERS and elapsed >= ENOUGH_TIME:
        verdict = _verdict(offers / max(lines, 1) * (left / elapsed), needed=ahead.parties + 1)
    return Outlook(verdict, offers, session.offers_made, is_young)


def _verdict(to_come: float, *, needed: int) -> Verdict:
    if to_come >= needed * MARGIN:
        return Verdict.LIKELY
    return Verdict.UNLIKELY if to_come * MARGIN < needed else Verdict.POSSIBLE


def last_servings(sessions: Collection[TourSession]) -> dict[int, list[Decision]]:
    """The decisions of the last serving of each line, newest first, at two queries for all of them."""
    latest = Decision.objects.filter(session=OuterRef("pk")).order_by("-decided_at").values("decided_at")[:1]
    found = TourSession.objects.filter(pk__in=[session.pk for session in sessions]).annotate(served=Subquery(latest))
    served = dict(found.exclude(served=None).order_by().values_list("pk", "served"))
    servings: dict[int, list[Decision]] = {pk: [] for pk in served}
    if served:
        each = reduce(or_, (Q(session=pk, decided_at=at) for pk, at in served.items()))
        for decision in Decision.objects.filter(each).select_related("saved_for").order_by("-decided_at", "-pk"):
            servings[decision.session_id].append(decision)
    return {pk: last_serving(decisions) for pk, decisions in servings.items()}


def last_serving(newest_first: Sequence[Decision]) -> list[Decision]:
    """Those of the decisions of one line that were made together: one for each offer, then why it stopped."""
    return list(takewhile(lambda decision: _is_of_one_serving(decision, newest_first[0]), newest_first))


def _is_of_one_serving(decision: Decision, last: Decision) -> bool:
    return (decision.decided_at, decision.trigger) == (last.decided_at, last.trigger)


def serving_in_words(session: TourSession, serving: Sequence[Decision], *, now: datetime) -> str:
    """One sentence: whom the last serving of the line asked, what it left and why, and when the line closes.

    Empty for a session that never had a line and keeps nothing for first call. What is left is told as it is now.
    """
    if session.next_queue_number == 1 and not session.places_kept:
        return ""
    clauses = [*_what_was_done(session, serving), _when_it_closes(session, now=now)]
    return capfirst(
        # Translators: clauses of one sentence, as in "Last offered to 1 party; 2 places saved for a party of 3."
        gettext("%(clauses)s.") % {"clauses": pgettext("between the clauses of a sentence", "; ").join(clauses)}
    )


def _what_was_done(session: TourSession, serving: Sequence[Decision]) -> Iterator[str]:
    offers = sum(decision.reason == DecisionReason.OFFERED for decision in serving)
    if offers:
        yield ngettext("last offered to %(n)s party", "last offered to %(n)s parties", offers) % {"n": offers}
    if session.places_kept:
        yield _what_is_kept(session.places_kept)
    is_free = bool(session.places_free and session.parties_free)
    stands = _why_it_stopped(session, serving[0]) if serving and is_free else ""
    if stands:
        yield stands
    elif is_free and session.parties_waiting:
        yield gettext("the next in line is asked at any moment")
    elif not session.parties_waiting:
        yield gettext("nobody waits")
    elif not serving:
        yield gettext("nothing has become free for this line so far")
    elif not session.places_kept:
        yield gettext("nothing is free now")


def _what_is_kept(places: int) -> str:
    return ngettext(
        "%(n)s place kept for parties whose session was called off",
        "%(n)s places kept for parties whose session was called off",
        places,
    ) % {"n": places}


def _why_it_stopped(session: TourSession, last: Decision) -> str:
    """Empty if that is no longer so."""
    free = session.places_free
    if last.reason == DecisionReason.SAVED and last.saved_for and last.saved_for.in_line:
        numbers = {"n": free, "size": last.saved_for.places, "least": last.saved_for.least}
        if last.saved_for.least < last.saved_for.places:
            told = ngettext(
                "%(n)s place saved for a party of %(size)s that would come with %(least)s",
                "%(n)s places saved for a party of %(size)s that would come with %(least)s",
                free,
            )
        else:
            told = ngettext(
                "%(n)s place saved for a party of %(size)s", "%(n)s places saved for a party of %(size)s", free
            )
        return told % numbers
    if last.reason == DecisionReason.NO_FIT:
        told = ngettext(
            "%(n)s place free, fewer than any party in line would come with",
            "%(n)s places free, fewer than any party in line would come with",
            free,
        )
        return told % {"n": free}
    if last.reason == DecisionReason.TOO_LATE:
        told = ngettext(
            "%(n)s place free, but too little time is left to ask anybody",
            "%(n)s places free, but too little time is left to ask anybody",
            free,
        )
        return told % {"n": free}
    return ""


def _when_it_closes(session: TourSession, *, now: datetime) -> str:
    if session.called_off_at:
        return gettext("the session was called off")
    if now >= session.roster_locks_at:
        return gettext("the line is closed")
    return gettext("the line closes in %(time)s") % {"time": time_left(session.roster_locks_at, now=now)}
