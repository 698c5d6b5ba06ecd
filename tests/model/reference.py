"""The waitlist in plain Python, written from DESIGN part 4 and not from the code that is held against it.

It knows no database, no locks, no mail and no names. How long an offer stands it asks ``offer_ends``, which has a
table of its own for a test. `Line` is the rule by which places move on; `Waitlist` is what people do.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from bookings.domain.offers import offer_ends

LAST_CALL = timedelta(hours=24)  # docs/decisions/0012-a-last-call-of-one-day.md
SIGN_UP_OFFER_AT_MOST = timedelta(hours=6)
PROVE_WITHIN_AT_MOST = timedelta(hours=48)
FIRST_CALL = timedelta(hours=72)
LIVE = ("waiting", "offered", "confirmed")
HOLDS = ("offered", "confirmed")


class Refused(Exception):
    """The rules do not allow it now."""


@dataclass(eq=False)
class Session:
    capacity: int
    sell_limit: int
    max_parties: int
    starts_at: datetime
    locks_at: datetime
    called_off: bool = False
    numbers: int = 0
    keeps: bool = False
    kept: tuple[int, int] = (0, 0)

    def takes_nobody(self, now: datetime) -> bool:
        return self.called_off or now >= self.locks_at

    def next_number(self) -> int:
        self.numbers += 1
        return self.numbers


@dataclass(eq=False)
class Party:
    size: int
    least: int
    short_notice: bool
    proven: bool
    prove_by: datetime | None = None
    lapses: int = 0
    first_call_until: datetime | None = None

    def has_first_call(self, now: datetime) -> bool:
        return self.first_call_until is not None and now < self.first_call_until


@dataclass(eq=False)
class Booking:
    party: Party
    session: Session
    preference: int
    status: str
    places: int
    least: int
    number: int = 0
    first_call: bool = False
    until: datetime | None = None
    offered_at: datetime | None = None
    from_sign_up: bool = False

    def end(self, status: str) -> None:
        self.status, self.until = status, None

    def has_run_out(self, now: datetime) -> bool:
        return self.until is not None and self.until <= now


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
class Lines:
    """Who stands where, who is asked next, and how whatever is free moves on."""

    zone: ZoneInfo
    sessions: list[Session]
    bookings: list[Booking] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    def of(self, party: Party, *statuses: str) -> list[Booking]:
        """In the order of its wishes."""
        return sorted(
            (b for b in self.bookings if b.party is party and b.status in statuses), key=lambda b: b.preference
        )

    def is_alive(self, party: Party) -> bool:
        return bool(party.first_call_until or self.of(party, *LIVE))

    def is_visiting(self, party: Party, now: datetime) -> bool:
        return any(now >= b.session.starts_at for b in self.of(party, "confirmed"))

    def in_session(self, session: Session, *statuses: str) -> list[Booking]:
        return [b for b in self.bookings if b.session is session and b.status in statuses]

    def free(self, session: Session, *, first_call: bool = False) -> tuple[int, int]:
        """Places and parties; with first call also those that are kept for it."""
        held = [b.places for b in self.in_session(session, *HOLDS)]
        places, parties = (0, 0) if first_call else session.kept
        return max(0, session.sell_limit - sum(held) - places), max(0, session.max_parties - len(held) - parties)

    def keep(self, session: Session, now: datetime) -> None:
        """Where nobody waits when it begins, what all with first call could have is kept, until the last call."""
        called = {b.party for b in self.bookings if b.party.has_first_call(now)}
        is_open = not session.takes_nobody(now) and now < session.locks_at - LAST_CALL
        session.keeps = bool(called) and is_open and (session.keeps or not self.waiting(session))
        places, parties = self.free(session, first_call=True)
        is_any = session.keeps and places and parties
        session.kept = (min(places, sum(p.size for p in called)), min(parties, len(called))) if is_any else (0, 0)

    def serve_what_is_kept(self, now: datetime) -> None:
        for session in self.sessions:
            before = session.kept
            self.keep(session, now)
            if session.kept[0] < before[0] or session.kept[1] < before[1]:
                self.serve([session], now)

    def waiting(self, session: Session) -> list[Booking]:
        """Those with a proven mailbox, also while they hold an offer for another session; first call goes first."""
        waits = [b for b in self.in_session(session, "waiting") if b.party.proven]
        return sorted(waits, key=lambda b: (not b.first_call, b.number))

    def line(self, session: Session) -> list[Booking]:
        return [b for b in self.waiting(session) if not self.of(b.party, "offered")]

    def next_in_line(self, session: Session, now: datetime) -> tuple[Booking | None, Booking | None]:
        """Who is asked next, or else for whom the places are saved."""
        line = self.line(session)
        free = {is_called: self.free(session, first_call=is_called) for is_called in (True, False)}
        fitting = [b for b in line if free[b.first_call][1] and b.least <= free[b.first_call][0]]
        if now >= session.locks_at - LAST_CALL:
            by_class = sorted(fitting, key=lambda b: (not b.first_call, not b.party.short_notice, b.number))
            return next(iter(by_class), None), None
        return (line[0], None) if line and line[0] in fitting else (None, next(iter(line), None))

    def offer_once(self, session: Session, now: datetime, *, scan: bool = False) -> Booking | None:
        self.keep(session, now)
        if session.takes_nobody(now) or not (all(self.free(session, first_call=True)) and self.waiting(session)):
            return None
        places, parties = self.free(session)
        until = offer_ends(now, roster_locks_at=session.locks_at, zone=self.zone)
        asked, saved_for = self.next_in_line(session, now) if until else (None, None)
        kept = saved_for.least if saved_for else None
        reason = "offered" if asked else "saved" if saved_for else "no fit" if until else "too late"
        if asked:
            kept = min(asked.places, self.free(session, first_call=asked.first_call)[0])
        elif until and not (places and parties):
            reason, saved_for, kept = "kept", None, session.kept[0]
        decision = Decision(session, places, parties, reason, asked, saved_for, kept)
        last = next((d for d in reversed(self.decisions) if d.session is session), None)
        if not (scan and decision == last):
            self.decisions.append(decision)
        if asked and kept:
            asked.status, asked.places, asked.until = "offered", kept, until
            asked.offered_at, asked.from_sign_up = now, False
            self.keep(session, now)
        return asked

    def serve(self, sessions: Iterable[Session], now: datetime, *, scan: bool = False) -> None:
        """Whoever is asked stands in none of its other lines meanwhile: somebody else heads them, they are served."""
        for session, asked in [(s, self.offer_once(s, now, scan=scan)) for s in sessions]:
            while asked:
                for other in self.of(asked.party, "waiting"):
                    self.serve([other.session], now)
                asked = self.offer_once(session, now, scan=scan)

    def has_room(self, session: Session, size: int, *, first_call: bool = False) -> bool:
        places, parties = self.free(session, first_call=first_call)
        return size <= places and parties > 0

    def is_kept_for(self, session: Session, size: int) -> bool:
        """Whether first call alone gives a party places here."""
        is_enough = session.kept[0] >= size and session.kept[1] > 0
        return is_enough or (not self.waiting(session) and self.has_room(session, size, first_call=True))

    def scan(self, now: datetime) -> None:
        due = [b for b in self.bookings if b.status == "offered" and b.has_run_out(now)]
        for booking in sorted(due, key=lambda b: b.until or now):
            self.lapse(booking, now)
        for booking in self.bookings:
            if booking.status == "waiting" and booking.session.locks_at <= now:
                booking.end("closed")
            elif booking.status == "waiting" and not booking.party.proven and (booking.party.prove_by or now) <= now:
                booking.end("dropped")
            if not booking.party.has_first_call(now) or all(s.takes_nobody(now) for s in self.sessions):
                booking.party.first_call_until = None
        self.serve_what_is_kept(now)
        for party in dict.fromkeys(b.party for b in self.bookings):
            if self.is_visiting(party, now):
                self.leave(party, now)
        for session in self.sessions:
            self.serve([session], now, scan=True)

    def wait_again(self, booking: Booking, *, number: int, first_call: bool) -> None:
        """For as many as the party is; with fewer than it says by now it is not asked."""
        booking.end("waiting")
        booking.number, booking.first_call, booking.places = number, first_call, booking.party.size
        booking.least = max(booking.least, booking.party.least)

    def take_back(self, booking: Booking, now: datetime) -> None:
        """The host does it: no lapse, and the number is kept."""
        self.wait_again(booking, number=booking.number or booking.session.next_number(), first_call=booking.first_call)
        booking.party.prove_by = now + PROVE_WITHIN_AT_MOST

    def leave(self, party: Party, now: datetime) -> None:
        leaving = self.of(party, "waiting", "offered")
        for booking in leaving:
            booking.end("withdrawn")
        self.serve([b.session for b in leaving], now)

    def lapse(self, booking: Booking, now: datetime) -> None:
        """The first gives a new number at the end of that line, the second ends all waiting of the party."""
        party, session = booking.party, booking.session
        others = [b for b in self.of(party, *LIVE) if b is not booking]
        party.lapses += not booking.from_sign_up
        if booking.from_sign_up or party.lapses >= 2 or session.takes_nobody(now):
            booking.end("lapsed")
        else:
            self.wait_again(booking, number=session.next_number(), first_call=False)
        if party.lapses >= 2:
            for other in self.of(party, "waiting"):
                other.end("lapsed")
        self.serve([session, *(b.session for b in others)], now)


@dataclass
class Waitlist(Lines):
    """What parties and hosts do. Every act ends with serving the lines that it touched."""

    choices_allowed: int = 3

    def ask(self, party: Party, choices: Sequence[Session], now: datetime) -> None:
        """The first choice with room is offered, after the line before it was served; else it waits for all of them."""
        if any(s.takes_nobody(now) for s in choices) or len(choices) > self.choices_allowed:
            raise Refused
        if any(party.least > s.capacity for s in choices):
            raise Refused
        first = next((s for s in choices if self.has_room(s, party.size)), None)
        if first is None or self.waiting(first):
            for session in choices:
                self.serve([session], now)
        for preference, session in enumerate(choices, start=1):
            if self.has_room(session, party.size) and self.next_in_line(session, now) == (None, None):
                offer = Booking(party, session, preference, "offered", party.size, party.least, from_sign_up=True)
                offer.until, offer.offered_at = min(now + SIGN_UP_OFFER_AT_MOST, session.locks_at), now
                self.bookings.append(offer)
                if party.proven:
                    self.accept(offer, now)
                return
        for preference, session in enumerate(choices, start=1):
            number = session.next_number()
            self.bookings.append(Booking(party, session, preference, "waiting", party.size, party.least, number))
        party.prove_by = now + PROVE_WITHIN_AT_MOST
        if party.proven:
            self.serve(choices, now)

    def prove(self, party: Party, now: datetime) -> None:
        offers = [b for b in self.of(party, "offered") if b.from_sign_up]
        if not self.is_alive(party) or any(b.has_run_out(now) for b in offers):
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
        party = booking.party
        if booking.status != "offered" or booking.has_run_out(now) or self.is_visiting(party, now):
            raise Refused
        party.proven, party.size, party.least = True, booking.places, min(party.least, booking.places)
        others = self.of(party, "waiting", "confirmed")
        booking.end("confirmed")
        is_called, party.first_call_until = party.first_call_until, None
        for other in others:
            other.end("superseded")
        self.serve([b.session for b in others], now)
        if is_called:
            self.serve_what_is_kept(now)

    def decline(self, booking: Booking, now: datetime) -> None:
        """Not this date: the others stay."""
        if booking.status == "declined":
            return
        if booking.status != "offered":
            raise Refused
        booking.end("declined")
        self.serve([booking.session, *(b.session for b in self.of(booking.party, *LIVE))], now)

    def wait_for_all(self, booking: Booking, now: datetime) -> None:
        """Refusing fewer costs nothing; it is asked again when more than that are free."""
        if booking.status != "offered" or booking.places >= booking.party.size or booking.has_run_out(now):
            raise Refused
        others = [b for b in self.of(booking.party, *LIVE) if b is not booking]
        booking.least = booking.places + 1
        self.wait_again(booking, number=booking.number, first_call=booking.first_call)
        self.serve([booking.session, *(b.session for b in others)], now)

    def cancel(self, party: Party, now: datetime) -> None:
        confirmed = self.of(party, "confirmed")
        if not confirmed or now >= confirmed[0].session.starts_at:
            raise Refused
        confirmed[0].end("cancelled")
        self.serve([confirmed[0].session], now)

    def come_with_fewer(self, party: Party, size: int, now: datetime) -> None:
        shrinking = self.of(party, *LIVE)
        if size >= party.size or not shrinking or any(now >= b.session.starts_at for b in self.of(party, *HOLDS)):
            raise Refused
        party.size, party.least = size, min(party.least, size)
        for booking in shrinking:
            booking.places, booking.least = min(booking.places, size), min(booking.least, size)
        self.serve([b.session for b in shrinking], now)

    def change_wishes(self, party: Party, least: int, short_notice: bool, now: datetime) -> None:
        """What it learned by refusing fewer stays, unless it names another size."""
        asking = self.of(party, "waiting", "offered")
        if not self.is_alive(party) or least > party.size:
            raise Refused
        for booking in asking if least != party.least else []:
            booking.least = min(least, booking.places)
        party.least, party.short_notice = least, short_notice
        self.serve([b.session for b in asking], now)

    def join(self, party: Party, session: Session, now: datetime) -> None:
        """One more line, behind. With first call it stands before everybody, in one line."""
        live, is_called = self.check_choice(party, session, now), party.has_first_call(now)
        own = next((b for b in live if b.session is session), None)
        lines = [b for b in live if b.status == "waiting" or (b.status == "offered" and not b.from_sign_up)]
        if own and not (is_called and own.status == "waiting" and not own.first_call):
            raise Refused
        if not own and len(lines) >= self.choices_allowed:
            raise Refused
        for booking in live:
            booking.first_call &= not is_called
        if own:
            own.first_call = True
        else:
            number = session.next_number()
            self.add(Booking(party, session, 0, "waiting", party.size, party.least, number, is_called))
        self.serve([session, *(b.session for b in live if is_called and b.session is not session)], now)

    def take(self, party: Party, session: Session, now: datetime) -> None:
        """Move to free places that nobody in line wants, or that are the party's turn; everything else it has ends."""
        self.serve([session], now, scan=True)
        if any(b.session is session for b in self.of(party, "confirmed")):
            return
        live = self.check_choice(party, session, now)
        own = next((b for b in live if b.session is session), None)
        others = [b for b in live if b is not own]
        before = [(b, b.status, b.until) for b in others]
        for other in others:
            if other.status == "offered":
                other.end("withdrawn")
        if own and own.status == "offered":
            is_to_be_had = own.places == party.size and not own.has_run_out(now)
        else:
            nobody_else = self.next_in_line(session, now) in [(None, None), (own, None)]
            is_to_be_had = self.has_room(session, party.size) and nobody_else
            is_to_be_had |= party.has_first_call(now) and self.is_kept_for(session, party.size)
        if not is_to_be_had:
            for booking, status, until in before:
                booking.status, booking.until = status, until
            raise Refused
        if own is None:
            own = self.add(Booking(party, session, 0, "offered", party.size, party.least))
        own.end("confirmed")
        is_called, party.first_call_until = party.first_call_until, None
        own.places = party.size
        self.keep(session, now)
        for other in self.of(party, "waiting", "confirmed"):
            if other is not own:
                other.end("superseded")
        self.serve([b.session for b, status, _ in before if status in HOLDS], now)
        self.serve([b.session for b, status, _ in before if status == "waiting"], now)
        if is_called:
            self.serve_what_is_kept(now)

    def check_choice(self, party: Party, session: Session, now: datetime) -> list[Booking]:
        live = self.of(party, *LIVE)
        if not party.proven or not (live or party.has_first_call(now)):
            raise Refused
        if self.is_visiting(party, now):
            raise Refused
        if session.takes_nobody(now) or party.least > session.capacity:
            raise Refused
        return live

    def add(self, booking: Booking) -> Booking:
        booking.preference = 1 + max((b.preference for b in self.of(booking.party, *LIVE)), default=0)
        self.bookings.append(booking)
        return booking

    def drop(self, booking: Booking, now: datetime) -> None:
        if booking.status not in {"waiting", "withdrawn"}:
            raise Refused
        if booking.status == "waiting":
            booking.end("withdrawn")
            self.serve([booking.session], now)

    def order(self, dearest_first: Sequence[Booking]) -> None:
        for preference, booking in enumerate(dearest_first, start=1):
            booking.preference = preference

    def resize(
        self, session: Session, capacity: int, max_parties: int, sell_limit: int, recall: bool, now: datetime
    ) -> None:
        """Nobody loses a place. Offers are honoured, or recalled newest first: those keep their numbers."""
        offers = self.in_session(session, "offered")
        fixed = self.in_session(session, *(["confirmed"] if recall else HOLDS))
        if (
            sum(b.places for b in fixed) > capacity
            or len(fixed) > max_parties
            or max(max_parties, sell_limit) > capacity
        ):
            raise Refused
        session.capacity, session.max_parties, session.sell_limit = capacity, max_parties, sell_limit
        touched = [b.session for offer in offers for b in self.of(offer.party, "waiting")] if recall else []
        newest_first = sorted(
            offers, key=lambda b: (b.party.proven, b.offered_at or now, self.bookings.index(b)), reverse=True
        )
        for booking in newest_first if recall else []:
            held = self.in_session(session, *HOLDS)
            if sum(b.places for b in held) > sell_limit or len(held) > max_parties:
                self.take_back(booking, now)
        self.serve([session, *(s for s in self.sessions if s in touched)], now)

    def move(self, session: Session, starts_at: datetime, locks_at: datetime, now: datetime) -> None:
        """No offer stands longer than until the lock; one that has no time left by that is taken back."""
        if session.called_off or now >= session.starts_at or starts_at <= now:
            raise Refused
        session.starts_at, session.locks_at = starts_at, locks_at
        offers = self.in_session(session, "offered")
        touched = [b.session for offer in offers for b in self.of(offer.party, "waiting")]
        for booking in offers:
            is_cut_off = locks_at <= now and not booking.has_run_out(now)
            booking.until = min(booking.until or locks_at, locks_at)
            if is_cut_off and not booking.from_sign_up:
                self.take_back(booking, now)
        self.serve([session, *(s for s in self.sessions if s in touched)], now)

    def call_off(self, session: Session, now: datetime) -> None:
        """Who waits keeps its other choices; who was confirmed has first call on another session."""
        if session.called_off or now >= session.starts_at:
            raise Refused
        session.called_off = True
        open_until = [s.locks_at for s in self.sessions if not s.takes_nobody(now)]
        touched = [b.session for ended in self.in_session(session, "offered") for b in self.of(ended.party, "waiting")]
        for booking in self.in_session(session, *LIVE):
            if booking.status == "confirmed" and open_until:
                booking.party.first_call_until = min(now + FIRST_CALL, max(open_until))
            booking.end("called off")
        self.keep(session, now)
        self.serve([s for s in self.sessions if s in touched], now)
        self.serve_what_is_kept(now)
