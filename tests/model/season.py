"""What people do with the lines of a season; each act ends with serving those it touched. Source: DESIGN part 4."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.model.line import LAST_CALL, Line, lapse

SIGN_UP_OFFER_AT_MOST = timedelta(hours=6)
PROVE_WITHIN_AT_MOST = timedelta(hours=48)
FIRST_CALL = timedelta(hours=72)
LIVE = ("waiting", "offered", "confirmed")
HOLDS = ("offered", "confirmed")


class Refused(Exception):
    """The rules do not allow it now."""


def refuse(if_so: object) -> None:
    if if_so:
        raise Refused


@dataclass(eq=False, kw_only=True)
class Session(Line):
    capacity: int
    starts_at: datetime
    called_off: bool = False
    keeps: bool = False

    def of(self, *statuses: str) -> list["Booking"]:
        return [b for b in self.bookings if b.status in statuses]

    def takes_nobody(self, now: datetime) -> bool:
        return self.called_off or now >= self.locks_at

    def has_waiting(self) -> bool:
        """Also such as hold an offer for another session."""
        return any(b.party.proven for b in self.of("waiting"))

    def leaves_to(self, party: "Party", now: datetime, *, own: "Booking | None" = None) -> bool:
        """What the line does not want a newcomer may have, or who moves and is ``own`` next; kept is for first call.

        Where another with first call heads the line, what is kept is saved for that one.
        """
        heads = next((b for b in self.in_order() if b.least <= self.sell_limit), None)
        is_theirs = not (heads and heads.first_call and heads is not own)
        is_kept = self.kept[0] >= party.size and self.kept[1]
        if party.has_first_call(now) and ((is_kept and is_theirs) or not self.has_waiting()):
            return self.has_room(party.size, first_call=True)
        return self.has_room(party.size) and self.next(now) in [(None, None), (own, None)]


@dataclass(eq=False)
class Party:
    size: int
    least: int
    short_notice: bool
    proven: bool
    prove_by: datetime | None = None
    lapses: int = 0
    first_call_until: datetime | None = None
    bookings: list["Booking"] = field(default_factory=list)

    def of(self, *statuses: str) -> list["Booking"]:
        """In the order of its wishes."""
        return sorted((b for b in self.bookings if b.status in statuses), key=lambda b: b.preference)

    def sessions(self, *statuses: str) -> list[Session]:
        return [b.session for b in self.of(*statuses)]

    def is_alive(self) -> bool:
        return bool(self.first_call_until or self.of(*LIVE))

    def has_first_call(self, now: datetime) -> bool:
        return self.first_call_until is not None and now < self.first_call_until

    def is_visiting(self, now: datetime) -> bool:
        return any(now >= session.starts_at for session in self.sessions("confirmed"))


@dataclass(eq=False)
class Booking:
    party: Party
    session: Session
    status: str
    preference: int
    number: int = 0
    first_call: bool = False
    until: datetime | None = None
    offered_at: datetime | None = None
    from_sign_up: bool = False

    def __post_init__(self) -> None:
        self.places, self.least = self.party.size, self.party.least
        self.party.bookings.append(self)
        self.session.bookings.append(self)

    def end(self, status: str) -> None:
        self.status, self.until = status, None

    def has_run_out(self, now: datetime) -> bool:
        return self.until is not None and self.until <= now

    def wait_again(self, number: int, *, first_call: bool = False) -> None:
        """For as many as the party is; with fewer than it says by now it is not asked."""
        self.end("waiting")
        self.number, self.first_call, self.places = number, first_call, self.party.size
        self.least = max(self.least, self.party.least)

    def take_back(self, now: datetime) -> None:
        """The host does it: no lapse, and the number is kept."""
        self.wait_again(self.number or self.session.next_number(), first_call=self.first_call)
        self.party.prove_by = now + PROVE_WITHIN_AT_MOST


@dataclass
class Season:
    sessions: list[Session]
    choices_allowed: int
    bookings: list[Booking] = field(default_factory=list)
    # Of each serving: where, places and parties free, what became of it, to whom offered, for whom saved, how many.
    decisions: list[tuple[Any, ...]] = field(default_factory=list)
    wishes: list[tuple[Booking, Session]] = field(default_factory=list)

    def begin(self, party: Party, session: Session, status: str, preference: int = 0, number: int = 0) -> Booking:
        """Behind all other wishes, unless it is said where."""
        behind = 1 + max((b.preference for b in party.of(*LIVE)), default=0)
        self.bookings.append(Booking(party, session, status, preference or behind, number))
        return self.bookings[-1]

    # How whatever is free moves on.

    def serve(self, sessions: Iterable[Session], now: datetime, *, only_news: bool = False) -> None:
        """Whoever is asked stands in none of its other lines meanwhile: somebody else heads them, they are served.

        Where nothing became free, what was decided before is not said again: ``only_news``.
        """
        for session, asked in [(s, self.offer_once(s, now, only_news=only_news)) for s in sessions]:
            while asked:
                for other in asked.party.sessions("waiting"):
                    self.serve([other], now)
                asked = self.offer_once(session, now, only_news=only_news)

    def offer_once(self, session: Session, now: datetime, *, only_news: bool = False) -> Booking | None:
        self.keep(session, now)
        if session.takes_nobody(now) or not all(session.free(first_call=True)) or not session.has_waiting():
            return None
        free, until = session.free(), session.offer_ends(now)
        asked, saved_for = session.next(now) if until else (None, None)
        is_called = saved_for is not None and saved_for.first_call
        reason, places = "no fit" if until else "too late", None
        if asked:
            reason, places = "offered", min(asked.places, session.free(first_call=asked.first_call)[0])
        elif until and not all(free) and not is_called:
            reason, places, saved_for = "kept", session.kept[0], None
        elif saved_for:
            reason, places, free = "saved", saved_for.least, session.free(first_call=is_called)
        decision = (session, *free, reason, asked, saved_for, places)
        if not only_news or decision != next((d for d in reversed(self.decisions) if d[0] is session), None):
            self.decisions.append(decision)
        if asked:
            asked.status, asked.places, asked.until = "offered", places, until
            asked.offered_at, asked.from_sign_up = now, False
        return asked

    # What is kept for first call: docs/decisions/0014-places-kept-for-first-call.md.

    def keep(self, session: Session, now: datetime) -> None:
        """Where nobody waits when it begins, what all with first call could have is kept, until the last call."""
        called = {b.party for b in self.bookings if b.party.has_first_call(now) and b.party.least <= session.sell_limit}
        is_open = not session.takes_nobody(now) and now < session.locks_at - LAST_CALL
        session.keeps = bool(called) and is_open and (session.keeps or not session.has_waiting())
        places, parties = session.free(first_call=True)
        keeps = session.keeps and places and parties
        session.kept = (min(places, sum(p.size for p in called)), min(parties, len(called))) if keeps else (0, 0)

    def serve_what_is_kept(self, now: datetime) -> None:
        for session in self.sessions:
            places, parties = session.kept
            self.keep(session, now)
            if session.kept[0] < places or session.kept[1] < parties:
                self.serve([session], now, only_news=True)

    def need_other_places(self, party: Party, now: datetime) -> None:
        if party.first_call_until:
            self.serve_what_is_kept(now)

    def use_first_call(self, party: Party, now: datetime) -> None:
        if party.first_call_until:
            party.first_call_until = None
            self.serve_what_is_kept(now)

    # What the clock does.

    def scan(self, now: datetime) -> None:
        due = [b for b in self.bookings if b.status == "offered" and b.has_run_out(now)]
        for booking in sorted(due, key=lambda b: b.until or now):
            self.lapse(booking, now)
        for booking in self.bookings:
            party = booking.party
            if booking.status == "waiting" and booking.session.locks_at <= now:
                booking.end("closed")
            elif booking.status == "waiting" and not party.proven and (party.prove_by or now) <= now:
                booking.end("dropped")
            if not party.has_first_call(now):
                party.first_call_until = None
        self.serve_what_is_kept(now)
        for party in dict.fromkeys(b.party for b in self.bookings):
            if party.is_visiting(now):
                self.leave(party, now)
        for session in self.sessions:
            self.serve([session], now, only_news=True)
        for party in dict.fromkeys(b.party for b, _wanted in self.standing_wishes(now)):
            self.exchange(party, now)

    def lapse(self, booking: Booking, now: datetime) -> None:
        others = [b.session for b in booking.party.of(*LIVE) if b is not booking]
        lapse(booking, is_open=not booking.session.takes_nobody(now))
        self.serve([booking.session, *others], now)

    # What parties do.

    def ask(self, party: Party, choices: Sequence[Session], now: datetime) -> None:
        """The first choice with room is offered, after the line before it was served; else it waits for all of them."""
        refuse(
            len(choices) > self.choices_allowed or any(s.takes_nobody(now) or party.least > s.capacity for s in choices)
        )
        first = next((s for s in choices if s.has_room(party.size)), None)
        for session in choices if first is None or first.has_waiting() else []:
            self.serve([session], now, only_news=True)
        for preference, session in enumerate(choices, start=1):
            if session.leaves_to(party, now):
                offer = self.begin(party, session, "offered", preference)
                offer.until, offer.offered_at = min(now + SIGN_UP_OFFER_AT_MOST, session.locks_at), now
                offer.from_sign_up = True
                return self.accept(offer, now) if party.proven else None
        for preference, session in enumerate(choices, start=1):
            self.begin(party, session, "waiting", preference, session.next_number())
        party.prove_by = now + PROVE_WITHIN_AT_MOST
        return self.serve(choices, now, only_news=True) if party.proven else None

    def prove(self, party: Party, now: datetime) -> None:
        offers = [b for b in party.of("offered") if b.from_sign_up]
        refuse(not party.is_alive() or any(b.has_run_out(now) for b in offers))
        if not party.proven:
            party.proven = True
            for offer in offers:
                self.accept(offer, now)
            self.serve(party.sessions("waiting"), now, only_news=True)

    def accept(self, booking: Booking, now: datetime) -> None:
        """Yes ends the party's other bookings; who takes fewer places is that size from then on."""
        if booking.status == "confirmed":
            return
        party = booking.party
        refuse(booking.status != "offered" or booking.has_run_out(now) or party.is_visiting(now))
        party.proven, party.size, party.least = True, booking.places, min(party.least, booking.places)
        others = party.of("waiting", "confirmed")
        booking.end("confirmed")
        self.end(others, "superseded", now)
        self.use_first_call(party, now)

    def decline(self, booking: Booking, now: datetime) -> None:
        """Not this date: the others stay."""
        if booking.status == "declined":
            return
        refuse(booking.status != "offered" or booking.has_run_out(now))
        booking.end("declined")
        self.serve([booking.session, *booking.party.sessions(*LIVE)], now)

    def wait_for_all(self, booking: Booking, now: datetime) -> None:
        """Refusing fewer costs nothing; it is asked again when more than that are free."""
        refuse(booking.status != "offered" or booking.places >= booking.party.size or booking.has_run_out(now))
        others = [b.session for b in booking.party.of(*LIVE) if b is not booking]
        booking.least = booking.places + 1
        booking.wait_again(booking.number, first_call=booking.first_call)
        self.serve([booking.session, *others], now)

    def leave(self, party: Party, now: datetime) -> None:
        self.end(party.of("waiting", "offered"), "withdrawn", now)

    def cancel(self, party: Party, now: datetime) -> None:
        refuse(not party.of("confirmed") or party.is_visiting(now))
        self.end(party.of("confirmed"), "cancelled", now)

    def drop(self, booking: Booking, now: datetime) -> None:
        refuse(booking.status not in {"waiting", "withdrawn"})
        self.end([booking] if booking.status == "waiting" else [], "withdrawn", now)

    def end(self, bookings: Sequence[Booking], status: str, now: datetime) -> None:
        for booking in bookings:
            booking.end(status)
        self.serve([b.session for b in bookings], now)

    def come_with_fewer(self, party: Party, size: int, now: datetime) -> None:
        shrinking = party.of(*LIVE)
        refuse(size >= party.size or not shrinking or any(now >= s.starts_at for s in party.sessions(*HOLDS)))
        party.size, party.least = size, min(party.least, size)
        for booking in shrinking:
            booking.places, booking.least = min(booking.places, size), min(booking.least, size)
        self.serve([b.session for b in shrinking], now)
        self.need_other_places(party, now)

    def change_wishes(self, party: Party, least: int, short_notice: bool, now: datetime) -> None:
        """What it learned by refusing fewer stays, unless it names another size."""
        asking = party.of("waiting", "offered")
        refuse(not party.is_alive() or least > party.size)
        for booking in asking if least != party.least else []:
            booking.least = min(least, booking.places)
        party.least, party.short_notice = least, short_notice
        self.serve([b.session for b in asking], now)
        self.need_other_places(party, now)

    def join(self, party: Party, session: Session, now: datetime) -> None:
        """One more line, behind. With first call it stands before everybody, in one line."""
        live, is_called = self.check_choice(party, session, now), party.has_first_call(now)
        own = next((b for b in live if b.session is session), None)
        lines = [b for b in live if b.status == "waiting" or (b.status == "offered" and not b.from_sign_up)]
        refuse(own and not (is_called and own.status == "waiting" and not own.first_call))
        refuse(not own and len(lines) >= self.choices_allowed)
        own = own or self.begin(party, session, "waiting", number=session.next_number())
        for booking in party.of(*LIVE) if is_called else []:
            booking.first_call = booking is own
        touched = [session, *(b.session for b in live if is_called and b.session is not session)]
        self.serve(touched, now, only_news=True)

    def take(self, party: Party, session: Session, now: datetime) -> None:
        """Move to free places that nobody in line wants, or that are the party's turn; everything else it has ends."""
        self.serve([session], now, only_news=True)
        if session in party.sessions("confirmed"):
            return
        live = self.check_choice(party, session, now)
        own = next((b for b in live if b.session is session), None)
        others = [(b, b.status, b.until) for b in live if b is not own]
        for other, status, _until in others:
            if status == "offered":
                other.end("withdrawn")
        if own and own.status == "offered":
            may_have = own.places == party.size and not own.has_run_out(now)
        else:
            may_have = session.leaves_to(party, now, own=own)
        for other, status, until in others:
            other.status, other.until = status, until
        refuse(not may_have)
        own = own or self.begin(party, session, "offered")
        own.end("confirmed")
        own.places = party.size
        for other, status, _until in others:
            other.end("withdrawn" if status == "offered" else "superseded")
        self.serve([b.session for b, status, _until in others if status in HOLDS], now)
        self.serve([b.session for b, status, _until in others if status == "waiting"], now)
        self.use_first_call(party, now)

    def check_choice(self, party: Party, session: Session, now: datetime) -> list[Booking]:
        live = party.of(*LIVE)
        refuse(not party.proven or not (live or party.has_first_call(now)) or party.is_visiting(now))
        refuse(session.takes_nobody(now) or party.least > session.capacity)
        return live

    # Swaps: two that wish for each other's session exchange at the second wish, within both capacities.

    def wish(self, party: Party, wanted: Sequence[Session], now: datetime) -> None:
        """In place of what it wished before; what it wishes still is as old as it was."""
        refuse(not party.of("confirmed") or party.of("offered"))
        mine = party.of("confirmed")[0]
        refuse(mine.session in wanted or any(s.takes_nobody(now) for s in (mine.session, *wanted)))
        self.wishes = [w for w in self.wishes if w[0] is not mine or w[1] in wanted]
        self.wishes += [(mine, s) for s in wanted if (mine, s) not in self.wishes]
        self.exchange(party, now)

    def standing_wishes(self, now: datetime) -> list[tuple[Booking, Session]]:
        """The oldest first, of parties that could swap now."""
        stands = [w for w in self.wishes if w[0].status == "confirmed" and not w[0].party.of("offered")]
        return [w for w in stands if not w[0].session.takes_nobody(now)]

    def exchange(self, party: Party, now: datetime) -> None:
        """With the oldest wish that meets one of its own. The larger party needs places for which nobody waits."""
        standing = self.standing_wishes(now)
        for theirs, wanted in standing:
            for mine in [b for b in party.of("confirmed") if wanted is b.session and (b, theirs.session) in standing]:
                more = theirs.places - mine.places
                full = (mine if more > 0 else theirs).session
                if abs(more) > (0 if full.has_waiting() else full.free()[0]):
                    continue
                left = {s for b in (mine, theirs) for s in b.party.sessions("waiting")}
                for old, new in ((mine, theirs), (theirs, mine)):
                    for ended in old.party.of("waiting", "confirmed"):
                        ended.end("superseded")
                    self.begin(old.party, new.session, "confirmed", old.preference)
                first = [theirs.session] if more > 0 else [mine.session] if more < 0 else []
                return self.serve([*first, *(s for s in self.sessions if s in left and s not in first)], now)
        return None

    # What hosts do.

    def resize(self, session: Session, capacity: int, most: int, sell_limit: int, recall: bool, now: datetime) -> None:
        """Nobody loses a place. Offers are honoured, or recalled newest first: those keep their numbers."""
        fixed, offers = session.of(*(["confirmed"] if recall else HOLDS)), session.of("offered")
        refuse(max(most, sell_limit, sum(b.places for b in fixed)) > capacity or len(fixed) > most)
        session.capacity, session.max_parties, session.sell_limit = capacity, most, sell_limit
        touched = self.left_for(offers) if recall else []
        offers.sort(key=lambda b: (b.party.proven, b.offered_at or now, self.bookings.index(b)), reverse=True)
        for booking in offers if recall else []:
            held = session.of(*HOLDS)
            if sum(b.places for b in held) > sell_limit or len(held) > most:
                booking.take_back(now)
        self.serve([session, *touched], now)

    def move(self, session: Session, starts_at: datetime, locks_at: datetime, now: datetime) -> None:
        """No offer stands longer than until the lock; one that has no time left by that is taken back."""
        refuse(session.called_off or now >= session.starts_at or starts_at <= now)
        session.starts_at, session.locks_at = starts_at, locks_at
        touched = self.left_for(session.of("offered"))
        for booking in session.of("offered"):
            is_cut_off = locks_at <= now and not booking.has_run_out(now)
            booking.until = min(booking.until or locks_at, locks_at)
            if is_cut_off and not booking.from_sign_up:
                booking.take_back(now)
        self.serve([session, *touched], now)

    def call_off(self, session: Session, now: datetime) -> None:
        """Who waits keeps its other choices; who was confirmed has first call on another session."""
        refuse(session.called_off or now >= session.starts_at)
        session.called_off = True
        open_until = [s.locks_at for s in self.sessions if not s.takes_nobody(now)]
        touched = self.left_for(session.of("offered"))
        for booking in session.of(*LIVE):
            if booking.status == "confirmed" and open_until:
                booking.party.first_call_until = min(now + FIRST_CALL, max(open_until))
            booking.end("called off")
        self.serve(touched, now)
        self.serve_what_is_kept(now)

    def left_for(self, offers: Iterable[Booking]) -> list[Session]:
        """The sessions in whose lines these parties stand again without their offers."""
        lines = [s for offer in offers for s in offer.party.sessions("waiting")]
        return [s for s in self.sessions if s in lines]
