"""The waitlist in plain Python, written from DESIGN part 4 and not from the code that is held against it.

It knows no database, no locks, no mail and no names. How long an offer stands it asks ``offer_ends``, which has a
table of its own for a test.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from bookings.domain.offers import offer_ends

LAST_CALL = timedelta(hours=48)
SIGN_UP_OFFER_AT_MOST = timedelta(hours=6)
PROVE_WITHIN_AT_MOST = timedelta(hours=48)
LIVE = ("waiting", "offered", "confirmed")


class Refused(Exception):
    """The rules do not allow it now; nothing has changed."""


@dataclass(eq=False)
class Session:
    capacity: int
    sell_limit: int
    max_parties: int
    starts_at: datetime
    locks_at: datetime
    called_off: bool = False
    numbers: int = 0


@dataclass(eq=False)
class Party:
    size: int
    least: int
    short_notice: bool
    proven: bool
    prove_by: datetime | None = None
    lapses: int = 0


@dataclass(eq=False)
class Booking:
    party: Party
    session: Session
    status: str
    places: int
    least: int
    number: int | None = None
    until: datetime | None = None
    from_sign_up: bool = False


class Decision(NamedTuple):
    """One serving of a line: how much was free, and what became of it."""

    session: Session
    places_free: int
    parties_free: int
    reason: str
    offered_to: Booking | None
    saved_for: Booking | None
    places: int | None


@dataclass
class Waitlist:
    """A season. Every act ends with serving the lines that it touched: one offer each, then whoever comes after."""

    zone: ZoneInfo
    bookings: list[Booking] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    # What is so.

    def of(self, party: Party, *statuses: str) -> list[Booking]:
        """In the order of its wishes."""
        return [b for b in self.bookings if b.party is party and b.status in statuses]

    def free(self, session: Session) -> tuple[int, int]:
        held = [b.places for b in self.bookings if b.session is session and b.status in {"offered", "confirmed"}]
        return max(0, session.sell_limit - sum(held)), max(0, session.max_parties - len(held))

    def waiting(self, session: Session) -> list[Booking]:
        """Those with a proven mailbox, also while they hold an offer for another session."""
        waits = [b for b in self.bookings if b.session is session and b.status == "waiting" and b.party.proven]
        return sorted(waits, key=lambda b: b.number or 0)

    def line(self, session: Session) -> list[Booking]:
        return [b for b in self.waiting(session) if not self.of(b.party, "offered")]

    def next_in_line(self, session: Session, now: datetime) -> tuple[Booking | None, Booking | None]:
        """Who is asked next, or else for whom the places are saved."""
        line, (places, parties) = self.line(session), self.free(session)
        fitting = [b for b in line if parties and b.least <= places]
        if now >= session.locks_at - LAST_CALL:
            return min(fitting, key=lambda b: (not b.party.short_notice, b.number), default=None), None
        return (line[0], None) if fitting[:1] == line[:1] != [] else (None, next(iter(line), None))

    # What the portal does of itself.

    def offer_once(self, session: Session, now: datetime, *, scan: bool = False) -> Booking | None:
        places, parties = self.free(session)
        if session.called_off or now >= session.locks_at or not (places and parties and self.waiting(session)):
            return None
        until = offer_ends(now, roster_locks_at=session.locks_at, zone=self.zone)
        asked, saved_for = self.next_in_line(session, now) if until else (None, None)
        kept = min(asked.places, places) if asked else saved_for.least if saved_for else None
        reason = "offered" if asked else "saved" if saved_for else "no fit" if until else "too late"
        decision = Decision(session, places, parties, reason, asked, saved_for, kept)
        last = next((d for d in reversed(self.decisions) if d.session is session), None)
        if not (scan and decision == last):
            self.decisions.append(decision)
        if asked and kept:
            asked.status, asked.places, asked.until = "offered", kept, until
        return asked

    def serve(self, sessions: Iterable[Session], now: datetime, *, scan: bool = False) -> None:
        """Whoever is asked stands in none of its other lines meanwhile: somebody else heads them, they are served."""
        for session, asked in [(s, self.offer_once(s, now, scan=scan)) for s in sessions]:
            while asked:
                for other in self.of(asked.party, "waiting"):
                    self.serve([other.session], now)
                asked = self.offer_once(session, now, scan=scan)

    def scan(self, sessions: Sequence[Session], now: datetime) -> None:
        due = [b for b in self.bookings if b.status == "offered" and b.until and b.until <= now]
        for booking in sorted(due, key=lambda b: b.until or now):
            self.lapse(booking, now)
        for booking in self.bookings:
            if booking.status == "waiting" and booking.session.locks_at <= now:
                booking.status = "closed"
            elif booking.status == "waiting" and not booking.party.proven and (booking.party.prove_by or now) <= now:
                booking.status = "dropped"
        for session in sessions:
            self.serve([session], now, scan=True)

    def lapse(self, booking: Booking, now: datetime) -> None:
        """The first gives a new number at the end of that line, the second ends all waiting of the party."""
        party, session = booking.party, booking.session
        touched = [session, *(b.session for b in self.of(party, "waiting"))]
        party.lapses += not booking.from_sign_up
        again = party.lapses < 2 and now < session.locks_at and not booking.from_sign_up
        booking.status, booking.places, booking.until = "lapsed", party.size if again else booking.places, None
        if again:
            booking.status, booking.number = "waiting", self.next_number(session)
        if party.lapses >= 2:
            for other in self.of(party, "waiting"):
                other.status = "lapsed"
        self.serve(touched, now)

    def next_number(self, session: Session) -> int:
        session.numbers += 1
        return session.numbers

    # What parties do.

    def ask(self, party: Party, choices: Sequence[Session], now: datetime) -> None:
        """The first choice with room is offered, after the line before it was served; else it waits for all of them."""
        if any(s.called_off or now >= s.locks_at for s in choices):
            raise Refused
        first = next((s for s in choices if self.has_room(s, party.size)), None)
        if first is None or self.waiting(first):
            for session in choices:
                self.serve([session], now)
        for session in choices:
            if self.has_room(session, party.size) and self.next_in_line(session, now) == (None, None):
                until = min(now + SIGN_UP_OFFER_AT_MOST, session.locks_at)
                offer = Booking(party, session, "offered", party.size, party.least, until=until, from_sign_up=True)
                self.bookings.append(offer)
                if party.proven:
                    self.accept(offer, now)
                return
        for session in choices:
            number = self.next_number(session)
            self.bookings.append(Booking(party, session, "waiting", party.size, party.least, number))
        party.prove_by = now + PROVE_WITHIN_AT_MOST
        if party.proven:
            self.serve(choices, now)

    def has_room(self, session: Session, size: int) -> bool:
        places, parties = self.free(session)
        return size <= places and parties > 0

    def prove(self, party: Party, now: datetime) -> None:
        offers = [b for b in self.of(party, "offered") if b.from_sign_up]
        if not self.of(party, *LIVE) or any(b.until and b.until <= now for b in offers):
            raise Refused
        if not party.proven:
            party.proven = True
            for offer in offers:
                self.accept(offer, now)
            self.serve([b.session for b in self.of(party, "waiting")], now)

    def accept(self, booking: Booking, now: datetime) -> None:
        """Yes ends the party's other bookings; who takes fewer places is that size from then on."""
        if booking.status == "confirmed":
            return
        if booking.status != "offered" or not booking.until or booking.until <= now:
            raise Refused
        party = booking.party
        party.proven, party.size, party.least = True, booking.places, min(party.least, booking.places)
        others = self.of(party, "waiting", "confirmed")
        booking.status, booking.until = "confirmed", None
        for other in others:
            other.status = "superseded"
        self.serve([b.session for b in others], now)

    def decline(self, booking: Booking, now: datetime) -> None:
        """Not this date: the others stay."""
        if booking.status == "declined":
            return
        if booking.status != "offered":
            raise Refused
        booking.status, booking.until = "declined", None
        self.serve([booking.session, *(b.session for b in self.of(booking.party, *LIVE))], now)

    def wait_for_all(self, booking: Booking, now: datetime) -> None:
        """Refusing fewer costs nothing; it is asked again when more than that are free."""
        if booking.status != "offered" or booking.places >= booking.party.size:
            raise Refused
        booking.status, booking.until, booking.least = "waiting", None, booking.places + 1
        booking.places = booking.party.size
        others = [b.session for b in self.of(booking.party, *LIVE) if b is not booking]
        self.serve([booking.session, *others], now)

    def leave(self, party: Party, now: datetime) -> None:
        leaving = self.of(party, "waiting", "offered")
        for booking in leaving:
            booking.status, booking.until = "withdrawn", None
        self.serve([b.session for b in leaving], now)

    def cancel(self, party: Party, now: datetime) -> None:
        confirmed = self.of(party, "confirmed")
        if not confirmed or now >= confirmed[0].session.starts_at:
            raise Refused
        confirmed[0].status = "cancelled"
        self.serve([confirmed[0].session], now)

    def come_with_fewer(self, party: Party, size: int, now: datetime) -> None:
        shrinking = self.of(party, *LIVE)
        held = [b for b in shrinking if b.status != "waiting"]
        if size >= party.size or not shrinking or any(now >= b.session.starts_at for b in held):
            raise Refused
        party.size, party.least = size, min(party.least, size)
        for booking in shrinking:
            booking.places, booking.least = min(booking.places, size), min(booking.least, size)
        self.serve([b.session for b in shrinking], now)

    # What hosts do.

    def resize(self, session: Session, capacity: int, max_parties: int, sell_limit: int, now: datetime) -> None:
        """Nobody loses a place; lowering the limit only stops what is new."""
        held = [b.places for b in self.bookings if b.session is session and b.status in {"offered", "confirmed"}]
        if sum(held) > capacity or len(held) > max_parties or max(max_parties, sell_limit) > capacity:
            raise Refused
        session.capacity, session.max_parties, session.sell_limit = capacity, max_parties, sell_limit
        self.serve([session], now)

    def move(self, session: Session, starts_at: datetime, locks_at: datetime, now: datetime) -> None:
        """No offer stands longer than until the lock."""
        if session.called_off or now >= session.starts_at or starts_at <= now:
            raise Refused
        session.starts_at, session.locks_at = starts_at, locks_at
        for booking in self.bookings:
            if booking.session is session and booking.until:
                booking.until = min(booking.until, locks_at)
        self.serve([session], now)

    def call_off(self, session: Session, now: datetime) -> None:
        if session.called_off or now >= session.starts_at:
            raise Refused
        session.called_off = True
        ended = [b for b in self.bookings if b.session is session and b.status in LIVE]
        for booking in ended:
            booking.status, booking.until = "called off", None
        self.serve([b.session for ending in ended for b in self.of(ending.party, "waiting")], now)
