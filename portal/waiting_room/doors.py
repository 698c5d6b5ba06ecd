"""Which sign-up forms the room guards, without asking the database at every look."""

from datetime import datetime, timedelta
from threading import Lock
from typing import NamedTuple

from django.db import DatabaseError

from bookings.models import SeasonMode, SessionState, TourSession
from portal.waiting_room.pace import BEFORE_OPENING

KNOWN_FOR = timedelta(seconds=5)
AT_MOST = 2000


class Door(NamedTuple):
    session: TourSession | None  # as it was when it was read; None where there is none
    read_at: datetime


class Doors:
    """What this process has read lately. Whoever finds it old reads it anew; the others meanwhile take the old."""

    def __init__(self) -> None:
        self._known: dict[int, Door] = {}
        self._lock = Lock()

    def guarded(self, pk: int, *, now: datetime) -> TourSession | None:
        """The session whose form is guarded now: it takes sign-ups, or will within an hour, in order of arrival."""
        session = self._session(pk, now=now)
        if session is None or session.season.mode != SeasonMode.FIRST_COME:
            return None
        match session.state(now):
            case SessionState.PLACES | SessionState.WAITLIST:
                return session
            case SessionState.NOT_YET if session.season.opens_at - now <= timedelta(seconds=BEFORE_OPENING):
                return session
            case _:
                return None

    def forget(self) -> None:
        self._known.clear()

    def _session(self, pk: int, *, now: datetime) -> TourSession | None:
        with self._lock:
            door = self._known.get(pk)
            if door and abs(now - door.read_at) <= KNOWN_FOR:
                return door.session
            if door:
                self._known[pk] = Door(door.session, now)
        try:
            found = TourSession.objects.public().select_related("season__tour", "venue").filter(pk=pk).first()
        except DatabaseError:
            # The view will say so, to those who get there.
            return door.session if door else None
        with self._lock:
            if len(self._known) >= AT_MOST:
                self._known.clear()
            self._known[pk] = Door(found, now)
        return found
