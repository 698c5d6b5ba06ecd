"""Eight actors at once do what comes to their minds; the history they left is a history of the reference model."""

import random
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

import pytest

from bookings.domain import choices, visit, waitlist
from bookings.domain.errors import BookingError
from bookings.domain.offers import offer_ends
from bookings.models import Booking, BookingEvent, BookingStatus, Decision, Party, TourSession
from tests.acts import ask, people
from tests.concurrency.threads import at_once
from tests.factories import DAY, HOUR, NOON, make_season, make_session, make_tour, make_venue
from tests.model import reference

pytestmark = pytest.mark.postgres

ACTORS, ACTS = 8, 30


class Actor:
    """Does random acts on the sessions; what it may not do it is told, and goes on."""

    def __init__(self, seed: int, places: list[TourSession], asked: dict[int, reference.Party]) -> None:
        self.random = random.Random(seed)
        self.sessions, self.asked = places, asked
        self.refused = 0

    def act(self) -> None:
        acts: list[Callable[[], Any]] = [
            *[self.asks] * 4,
            *[partial(self.of_party, visit.cancel_places, BookingStatus.CONFIRMED)] * 4,
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
        ]
        for _act in range(ACTS):
            try:
                self.random.choice(acts)()
            except BookingError:
                self.refused += 1

    def asks(self) -> None:
        size = self.random.randint(1, 4)
        least, is_short = self.random.randint(1, size), self.random.random() < 0.3
        chosen = self.random.sample(self.sessions, self.random.randint(1, 2))
        party = ask(*chosen, size=size, smallest_size=least, short_notice=is_short)
        self.asked[party.pk] = reference.Party(size, least, is_short, proven=True)

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
        offered = Booking.objects.filter(status=BookingStatus.OFFERED)
        if ends := [end for end in offered.values_list("offer_expires_at", flat=True) if end]:
            waitlist.lapse_offers(now=self.random.choice(ends))


class Replay(reference.Lines):
    """The lines as the events leave them; every offer is held against whom the model would ask."""

    def __init__(self, rows: list[TourSession], asked: dict[int, reference.Party]) -> None:
        self.session = {
            row.pk: reference.Session(row.capacity, row.sell_limit, row.max_parties, row.starts_at, row.roster_locks_at)
            for row in rows
        }
        super().__init__(rows[0].venue.zone, list(self.session.values()))
        self.party = asked
        self.booking: dict[int, reference.Booking] = {}
        self.decided = {
            row.pk: iter(Decision.objects.filter(session=row, reason="offered").order_by("pk")) for row in rows
        }

    def play(self, event: BookingEvent) -> None:
        match event.from_status, event.to_status:
            case "", _:
                self.begin(event)
            case "waiting", "offered" if event.who == "line":
                self.offer(event)
            case same, again if same == again:
                self.shrink(event)
            case _:
                self.change(event)

    def begin(self, event: BookingEvent) -> None:
        row = event.booking
        party, session = self.party[row.party_id], self.session[row.session_id]
        booking = reference.Booking(party, session, row.preference, event.to_status, party.size, party.least)
        if event.to_status == "waiting":
            booking.number = session.next_number()
        else:
            booking.from_sign_up = True
            self.has_nobody_before(booking, event)
        self.booking[row.pk] = booking
        self.bookings.append(booking)

    def has_nobody_before(self, booking: reference.Booking, event: BookingEvent) -> None:
        """A newcomer, or one that moves itself, takes what the line does not want."""
        assert self.has_room(booking.session, booking.party.size)
        assert self.next_in_line(booking.session, event.happened_at) in [(None, None), (booking, None)]

    def offer(self, event: BookingEvent) -> None:
        booking, decision = self.booking[event.booking_id], next(self.decided[event.booking.session_id])
        assert (decision.offered_to_id, decision.decided_at) == (event.booking_id, event.happened_at)
        assert (decision.places_free, decision.parties_free) == self.free(booking.session)
        assert self.next_in_line(booking.session, event.happened_at) == (booking, None)
        booking.status, booking.from_sign_up = "offered", False
        booking.places = min(booking.places, decision.places_free)
        assert booking.places == decision.places
        booking.until = offer_ends(event.happened_at, roster_locks_at=booking.session.locks_at, zone=self.zone)

    def shrink(self, event: BookingEvent) -> None:
        booking, size = self.booking[event.booking_id], visit.comes_as(event)
        assert size
        booking.party.size, booking.party.least = size, min(booking.party.least, size)
        booking.places, booking.least = min(booking.places, size), min(booking.least, size)

    def change(self, event: BookingEvent) -> None:
        booking = self.booking[event.booking_id]
        party = booking.party
        match event.from_status, event.to_status, event.why:
            case "waiting", "offered", _:
                self.has_nobody_before(booking, event)
                booking.places, booking.from_sign_up = party.size, True
            case "offered", "waiting", waitlist.WAITS_FOR_ALL:
                assert booking.places < party.size
                booking.least = booking.places + 1
                self.wait_again(booking, number=booking.number, first_call=False)
            case "offered", "waiting", "lapsed":
                self.wait_again(booking, number=booking.session.next_number(), first_call=False)
                party.lapses += 1
                assert party.lapses == 1
            case "offered", "lapsed", _:
                party.lapses += not booking.from_sign_up
                too_late = booking.session.takes_nobody(event.happened_at)
                assert booking.from_sign_up or party.lapses == 2 or too_late
            case "offered", "confirmed", _:
                party.size, party.least = booking.places, min(party.least, booking.places)
        booking.end(event.to_status)


@pytest.mark.usefixtures("postgres")
@pytest.mark.parametrize("seed", range(3))
def test_what_eight_actors_leave_is_a_history_of_the_model(seed: int):
    season = make_season(tour=make_tour(largest_party=4), proves_mailbox=False, choices_allowed=2)
    venue = make_venue()
    last_call = {"starts_at": NOON + 2 * DAY, "roster_locks_at": NOON + 23 * HOUR}
    places = [
        make_session(season=season, venue=venue, capacity=capacity, max_parties=4, **when)
        for capacity, when in [(6, {}), (5, last_call), (7, {})]
    ]
    asked: dict[int, reference.Party] = {}
    actors = [Actor(seed * ACTORS + number, places, asked) for number in range(ACTORS)]

    assert at_once(*(actor.act for actor in actors)) == [None] * ACTORS

    replay = Replay(places, asked)
    for event in BookingEvent.objects.order_by("pk").select_related("booking"):
        replay.play(event)
    assert [list(rest) for rest in replay.decided.values()] == [[], [], []]
    assert {pk: (b.status, b.places, b.number or None, b.until) for pk, b in replay.booking.items()} == {
        row.pk: (row.status, row.places, row.queue_number, row.offer_expires_at) for row in Booking.objects.all()
    }
    for pk, session in replay.session.items():
        line = Booking.objects.filter(session=pk).in_line()
        assert [replay.booking[row.pk] for row in line] == replay.line(session)
        assert replay.next_in_line(session, NOON)[0] is None, "nothing lies idle"
    parties = {row.pk: (row.size, row.smallest_size, row.lapses) for row in Party.objects.all()}
    assert parties == {pk: attrgetter("size", "least", "lapses")(party) for pk, party in asked.items()}
