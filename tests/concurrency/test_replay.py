"""Eight actors at once do what comes to their minds; the history they left is a history of the reference model."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any

import pytest
from django.db import connection

from bookings.domain import choices, sessions, visit, waitlist
from bookings.domain.errors import BookingError
from bookings.models import Booking, BookingEvent, BookingStatus, Decision, Party, TourSession
from tests.acts import ask, people
from tests.concurrency.threads import at_once
from tests.factories import DAY, HOUR, NOON, make_season, make_session, make_tour, make_venue
from tests.model import season
from tests.model.line import lapse

pytestmark = pytest.mark.postgres

ACTORS, ACTS = 8, 30

# What leaves no event of its own is noted as it is written, and numbered among the events.
NOTES = """
CREATE TABLE note (
    number bigint DEFAULT nextval(pg_get_serial_sequence('bookings_bookingevent', 'id')), of_table text, row jsonb
);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO note (of_table, row) VALUES (TG_TABLE_NAME, to_jsonb(NEW));
    RETURN NULL;
END $$;
CREATE TRIGGER note AFTER UPDATE OF capacity, called_off_at, places_kept ON bookings_toursession
    FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER note AFTER UPDATE OF mailbox_proven_at, first_call_until ON bookings_party
    FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER note AFTER UPDATE OF first_call ON bookings_booking
    FOR EACH ROW EXECUTE FUNCTION note();
"""
NO_NOTES = "DROP FUNCTION note CASCADE; DROP TABLE note"


@pytest.fixture
def notes(postgres: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(NOTES)
        yield
        cursor.execute(NO_NOTES)


class Actor:
    """Does random acts on the sessions; what it may not do it is told, and goes on."""

    def __init__(self, seed: int, places: list[TourSession], asked: dict[int, season.Party]) -> None:
        self.random = random.Random(seed)
        self.calls_off_a_session = seed % ACTORS == 0
        self.sessions, self.asked = places, asked
        self.refused = 0

    def act(self) -> None:
        acts: list[Callable[[], Any]] = [
            *[self.asks] * 12,
            *[partial(self.of_party, visit.cancel_places, BookingStatus.CONFIRMED)] * 3,
            *[partial(self.of_booking, self.accepts, BookingStatus.OFFERED)] * 3,
            *[partial(self.of_booking, waitlist.decline_offer, BookingStatus.OFFERED)] * 2,
            *[partial(self.of_booking, waitlist.wait_for_all, BookingStatus.OFFERED)] * 2,
            partial(self.of_booking, choices.drop_choice, BookingStatus.WAITING),
            partial(self.of_party, waitlist.leave_lines, BookingStatus.WAITING),
            partial(self.of_party, self.comes_with_fewer, BookingStatus.WAITING),
            partial(self.of_party, self.comes_with_fewer, BookingStatus.CONFIRMED),
            *[partial(self.of_party, self.joins, BookingStatus.CONFIRMED)] * 2,
            *[partial(self.of_party, self.takes, BookingStatus.CONFIRMED)] * 2,
            *[self.lets_lapse] * 2,
            *[self.proves] * 8,
            *[partial(self.of_called, self.joins), partial(self.of_called, self.takes)] * 2,
            *[self.resizes] * 2,
        ]
        for number in range(ACTS):
            now_or_never = self.calls_off_a_session and number == ACTS // 2
            try:
                self.calls_off() if now_or_never else self.random.choice(acts)()
            except BookingError:
                self.refused += 1

    def asks(self) -> None:
        size = self.random.randint(1, 4)
        least, is_short = self.random.randint(1, size), self.random.random() < 0.3
        chosen = self.random.sample(self.sessions, self.random.randint(1, 2))
        party = ask(*chosen, size=size, smallest_size=least, short_notice=is_short)
        self.asked[party.pk] = season.Party(size, least, is_short, proven=False)

    def of_booking(self, act: Callable[..., Any], status: BookingStatus) -> None:
        if pks := list(Booking.objects.filter(status=status).values_list("pk", flat=True)):
            act(self.random.choice(pks), now=NOON)

    def of_party(self, act: Callable[..., Any], status: BookingStatus) -> None:
        if pks := list(Booking.objects.filter(status=status).values_list("party", flat=True)):
            act(self.random.choice(pks), now=NOON)

    def accepts(self, booking_pk: int, **at: Any) -> None:
        places = Booking.objects.get(pk=booking_pk).places
        waitlist.accept_offer(booking_pk, coming=range(2, places + 1), **at)

    def comes_with_fewer(self, party_pk: int, **at: Any) -> None:
        lead, companions = people(self.random.randint(1, 2))
        visit.come_with_fewer(party_pk, lead=lead, companions=companions, **at)

    def joins(self, party_pk: int, **at: Any) -> None:
        choices.join_line(party_pk, self.random.choice(self.sessions).pk, **at)

    def takes(self, party_pk: int, **at: Any) -> None:
        choices.take_places(party_pk, self.random.choice(self.sessions).pk, **at)

    def lets_lapse(self) -> None:
        """Before a roster locks: after that the line is not served, and it is read at noon in the end."""
        locks_at = min(session.roster_locks_at for session in self.sessions)
        offered = Booking.objects.filter(status=BookingStatus.OFFERED, offer_expires_at__lt=locks_at)
        if ends := [end for end in offered.values_list("offer_expires_at", flat=True) if end]:
            waitlist.lapse_offers(now=self.random.choice(ends))

    def proves(self) -> None:
        unproven = Party.objects.live().filter(mailbox_proven_at=None)
        if pks := list(unproven.values_list("pk", flat=True)):
            visit.prove_mailbox(self.random.choice(pks), now=NOON)

    def of_called(self, act: Callable[..., Any]) -> None:
        if pks := list(Party.objects.filter(first_call_until__gt=NOON).values_list("pk", flat=True)):
            act(self.random.choice(pks), now=NOON)

    def resizes(self) -> None:
        capacity = self.random.randint(4, 9)
        most, sold = self.random.randint(3, min(5, capacity)), self.random.randint(3, capacity)
        session, offers = self.random.choice(self.sessions), self.random.choice(list(sessions.OffersOut))
        sessions.resize(session.pk, capacity=capacity, max_parties=most, sell_limit=sold, offers=offers, now=NOON)

    def calls_off(self) -> None:
        sessions.call_off(self.sessions[-1].pk, reason="The line stands still.", now=NOON, who="host:lin")


class Replay(season.Season):
    """The lines as the events leave them; every offer is held against whom the model would ask."""

    def __init__(self, rows: list[TourSession], asked: dict[int, season.Party]) -> None:
        limits = attrgetter("capacity", "sell_limit", "max_parties", "starts_at", "roster_locks_at")
        names = ["capacity", "sell_limit", "max_parties", "starts_at", "locks_at"]
        self.session = {
            row.pk: season.Session(zone=row.venue.zone, **dict(zip(names, limits(row), strict=True))) for row in rows
        }
        super().__init__(list(self.session.values()), choices_allowed=2)
        self.party = asked
        self.booking: dict[int, season.Booking] = {}
        self.decided = {
            row.pk: iter(Decision.objects.filter(session=row, reason="offered").order_by("pk")) for row in rows
        }

    def play_all(self) -> None:
        """Whoever writes an event or a note holds the lock of the session, so in each session they are in order."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT number, of_table, row FROM note")
            notes = {number: (table, json.loads(row)) for number, table, row in cursor.fetchall()}
        events = BookingEvent.objects.select_related("booking").in_bulk()
        for number in sorted(notes.keys() | events.keys()):
            if number in events:
                self.play(events[number])
            else:
                self.note(*notes[number])

    def note(self, of_table: str, row: dict[str, Any]) -> None:
        match of_table:
            case "bookings_toursession":
                session = self.session[row["id"]]
                session.capacity, session.sell_limit = row["capacity"], row["sell_limit"]
                session.max_parties, session.called_off = row["max_parties"], bool(row["called_off_at"])
                session.keeps, session.kept = row["keeps_for_first_call"], (row["places_kept"], row["parties_kept"])
            case "bookings_party":
                party, until = self.party[row["id"]], row["first_call_until"]
                party.proven, party.first_call_until = (
                    bool(row["mailbox_proven_at"]),
                    until and datetime.fromisoformat(until),
                )
            case "bookings_booking":
                self.booking[row["id"]].first_call = row["first_call"]

    def play(self, event: BookingEvent) -> None:
        match event.from_status, event.to_status:
            case "", _:
                self.stand(event)
            case "waiting", "offered" if event.who == "line":
                self.offer(event)
            case same, again if same == again:
                self.shrink(event)
            case _:
                self.change(event)

    def stand(self, event: BookingEvent) -> None:
        row = event.booking
        party, session = self.party[row.party_id], self.session[row.session_id]
        if event.to_status == "offered":
            assert session.leaves_to(party, event.happened_at)
        booking = self.begin(party, session, event.to_status, row.preference)
        if event.to_status == "waiting":
            booking.number, booking.first_call = session.next_number(), party.has_first_call(event.happened_at)
        else:
            booking.from_sign_up, booking.offered_at = True, event.happened_at
            booking.until = min(event.happened_at + season.SIGN_UP_OFFER_AT_MOST, session.locks_at)
        self.booking[row.pk] = booking

    def offer(self, event: BookingEvent) -> None:
        booking, decision = self.booking[event.booking_id], next(self.decided[event.booking.session_id])
        session = booking.session
        assert (decision.offered_to_id, decision.decided_at) == (event.booking_id, event.happened_at)
        assert (decision.places_free, decision.parties_free) == session.free()
        assert session.next(event.happened_at) == (booking, None)
        booking.places = min(booking.places, session.free(first_call=booking.first_call)[0])
        assert booking.places == decision.places
        booking.status, booking.from_sign_up, booking.offered_at = "offered", False, event.happened_at
        booking.until = session.offer_ends(event.happened_at)

    def shrink(self, event: BookingEvent) -> None:
        booking, size = self.booking[event.booking_id], visit.comes_as(event)
        assert size
        booking.party.size, booking.party.least = size, min(booking.party.least, size)
        booking.places, booking.least = min(booking.places, size), min(booking.least, size)

    def change(self, event: BookingEvent) -> None:
        booking = self.booking[event.booking_id]
        party, session = booking.party, booking.session
        match event.from_status, event.to_status, event.why:
            case "waiting", "offered", _:
                assert session.leaves_to(party, event.happened_at, own=booking)
                booking.places, booking.from_sign_up = party.size, True
            case "offered", "waiting", waitlist.WAITS_FOR_ALL:
                assert booking.places < party.size
                booking.least = booking.places + 1
                booking.wait_again(booking.number, first_call=booking.first_call)
            case "offered", "waiting", sessions.RECALLED:
                newest = max(
                    session.of("offered"), key=lambda b: (b.party.proven, b.offered_at, self.bookings.index(b))
                )
                assert booking is newest
                booking.take_back(event.happened_at)
            case "offered", "waiting" | "lapsed", _:
                lapse(booking, is_open=not session.takes_nobody(event.happened_at))
                assert booking.status == event.to_status
            case "confirmed", "called off", _:
                open_until = [s.locks_at for s in self.sessions if not s.takes_nobody(event.happened_at)]
                assert session.called_off
                assert party.first_call_until == min(event.happened_at + season.FIRST_CALL, max(open_until))
            case "offered", "confirmed", _:
                party.size, party.least = booking.places, min(party.least, booking.places)
        booking.end(event.to_status)


@pytest.mark.usefixtures("notes")
@pytest.mark.parametrize("seed", range(3))
def test_what_eight_actors_leave_is_a_history_of_the_model(seed: int):
    tour = make_season(tour=make_tour(largest_party=4), choices_allowed=2)
    last_call = {"starts_at": NOON + 2 * DAY, "roster_locks_at": NOON + 23 * HOUR}
    venue = make_venue()
    places = [
        make_session(season=tour, venue=venue, capacity=capacity, max_parties=4, **when)
        for capacity, when in [(6, {}), (5, last_call), (7, {}), (9, {})]
    ]
    asked: dict[int, season.Party] = {}
    actors = [Actor(seed * ACTORS + number, places, asked) for number in range(ACTORS)]

    assert at_once(*(actor.act for actor in actors)) == [None] * ACTORS
    sessions.end_first_calls(now=NOON)  # By the clock: what an act kept from another that ran beside it.

    replay = Replay(places, asked)
    replay.play_all()
    assert [list(rest) for rest in replay.decided.values()] == [[]] * len(places)
    assert {pk: (b.status, b.places, b.number or None, b.until) for pk, b in replay.booking.items()} == {
        row.pk: (row.status, row.places, row.queue_number, row.offer_expires_at) for row in Booking.objects.all()
    }
    for pk, session in replay.session.items():
        line = Booking.objects.filter(session=pk).in_line()
        assert [replay.booking[row.pk] for row in line] == session.in_order()
        assert session.next(NOON)[0] is None, "nothing lies idle"
        kept = session.kept
        replay.keep(session, NOON)
        assert session.kept == kept
    parties = {row.pk: (row.size, row.smallest_size, row.lapses) for row in Party.objects.all()}
    assert parties == {pk: attrgetter("size", "least", "lapses")(party) for pk, party in asked.items()}
