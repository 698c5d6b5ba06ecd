"""The line as this process saw it a moment ago: who stands far from its head is told its place from that.

Most looks are of these, and cost no question to the one Redis: what they are told, about how many stand before them and
when to look again, does not change in half a second. All that decides asks the line itself: who is new, who is near,
who sends a form. The next that asks tells the line of those who were here meanwhile, as it tells how requests go.
"""

from bisect import bisect_right
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from portal.waiting_room import pace
from portal.waiting_room.line import NOTHING, Answer, Brought, Marks
from portal.waiting_room.tickets import Ticket

LOOKS_AT_MOST = 2000


class Seen(NamedTuple):
    at: float
    answer: Answer


class View:
    """Of one process; its threads share it."""

    def __init__(self) -> None:
        self._seen: Seen | None = None
        self._asked_at = 0.0
        self._looked: dict[str, float] = {}
        self._lock = Lock()

    def place(self, ticket: Ticket, *, now: float) -> Answer | None:
        """Where it stands, by what was seen within the last half second; None where the line has to be asked."""
        seen = self._seen
        if seen is None or not seen.at <= now <= seen.at + pace.VIEW_KEPT or ticket.let_in_until > now:
            return None
        found = place_in(seen.answer, ticket.place)
        if found is None or len(self._looked) >= LOOKS_AT_MOST:
            return None
        with self._lock:
            self._looked[ticket.number] = now + found.place / found.pace + pace.AWAY_AFTER
        return found

    def asking(self, ask: Callable[[Brought], Answer | None], *, now: float) -> Answer | None:
        """The answer of the line. Of many who ask at once one brings who was here, and gets what the others need."""
        brought = self._take(now=now)
        answer = ask(brought)
        if answer is None:
            with self._lock:
                self._looked = {**brought.looked, **self._looked}
        elif answer.marks:
            self._seen = Seen(now, answer._replace(verdict="wait", among=answer.marks.waiting))
        return answer

    def forget(self) -> None:
        self._seen, self._asked_at, self._looked = None, 0.0, {}

    def _take(self, *, now: float) -> Brought:
        with self._lock:
            if abs(now - self._asked_at) < pace.VIEW_KEPT:
                return NOTHING
            self._asked_at = now
            looked, self._looked = self._looked, {}
        return Brought(True, looked)


def place_in(seen: Answer, place: float) -> Answer | None:
    """How many stand before this place; None for who is near the head, or behind all that were there."""
    waiting, places = seen.marks or Marks(0, [])
    after = bisect_right(places, place)
    if not 0 < after < len(places):
        return None
    step = (waiting - 1) / (len(places) - 1)
    at_least = (after - 1) * step
    if at_least <= pace.NEAR * seen.pace:
        return None
    before, behind = places[after - 1 : after + 1]
    more = step * (place - before) / (behind - before)
    return seen._replace(place=int(at_least + more), perhaps_less=int(more) + 1)
