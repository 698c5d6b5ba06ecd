"""The line as this process saw it a moment ago: who stands far from its head is told its place from that.

Most looks are of these. They get what they would have got had they come half a second sooner, and cost no question to
the one Redis. All that decides asks the line itself: who is new, who is near, who sends a form. The next that asks
tells the line of those who were here meanwhile, as it tells how requests go.
"""

from bisect import bisect_right
from threading import Lock
from typing import NamedTuple

from portal.waiting_room import pace
from portal.waiting_room.line import NOTHING_MORE, Answer, Marks, More
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
        rank = place_in(seen.answer, ticket.place)
        if rank is None or len(self._looked) >= LOOKS_AT_MOST:
            return None
        with self._lock:
            self._looked[ticket.number] = now + rank / seen.answer.pace + pace.AWAY_AFTER
        return seen.answer._replace(place=rank)

    def more(self, *, now: float) -> More:
        """Taken along by who asks the line. Of many at once one brings it, and gets what the others need."""
        with self._lock:
            if abs(now - self._asked_at) < pace.VIEW_KEPT:
                return NOTHING_MORE
            self._asked_at = now
            looked, self._looked = self._looked, {}
        return More(True, looked)

    def put(self, answer: Answer, *, now: float) -> None:
        if answer.marks:
            waits = answer._replace(verdict="wait", among=answer.marks.waiting, let_in_until=0.0)
            self._seen = Seen(now, waits)

    def forget(self) -> None:
        self._seen, self._asked_at, self._looked = None, 0.0, {}


def place_in(seen: Answer, place: float) -> int | None:
    """How many stand before it; None for who is near the head, or behind all that were there."""
    waiting, places = seen.marks or Marks(0, [])
    after = bisect_right(places, place)
    if not 0 < after < len(places):
        return None
    step = (waiting - 1) / (len(places) - 1)
    if (after - 1) * step <= pace.SOON * seen.pace:
        return None
    before, behind = places[after - 1 : after + 1]
    return int(step * (after - 1 + (place - before) / (behind - before)))
