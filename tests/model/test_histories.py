"""Random histories, played against the portal and against the reference model, step by step.

`PORTAL_EXAMPLES=2000 python3 manage.py test tests/model` plays that many, other ones each time; the suite plays the
same few every time, the first third of them on the second database.
"""

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from bookings import models
from bookings.domain import choices, sessions, swaps, visit, waitlist
from bookings.domain.errors import BookingError
from bookings.domain.invariants import broken_promises
from tests.acts import ask, people
from tests.factories import DAY, HOUR, NOON, make_season, make_session, make_tour
from tests.model.line import LAST_CALL
from tests.model.season import LIVE, Booking, Party, Refused, Season, Session

EXAMPLES = int(os.environ.get("PORTAL_EXAMPLES", "0"))
IN_THE_SUITE = {"postgresql": 42, "sqlite": 14}
STEPS = 30
CHOICES_ALLOWED = 2
MINUTE = timedelta(minutes=1)

Thing = TypeVar("Thing")

which = st.integers(0, 20)
sizes = st.sampled_from([1, 2, 2, 3, 3, 4])
least = st.sampled_from([1, 1, 2, 4])
named = st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True)
in_most_cases = st.sampled_from([True, True, True, False])


def come_with_fewer(party_pk: int, size: int, *, now: datetime) -> None:
    lead, companions = people(size)
    visit.come_with_fewer(party_pk, lead=lead, companions=companions, now=now)


def accept(booking_pk: int, *, now: datetime) -> None:
    """If fewer places are offered, those named last stay at home."""
    places = models.Booking.objects.get(pk=booking_pk).places
    waitlist.accept_offer(booking_pk, coming=range(2, places + 1), now=now)


def change_wishes(party_pk: int, least: int, short_notice: bool, *, now: datetime) -> None:
    choices.change_wishes(party_pk, smallest_size=least, short_notice=short_notice, now=now)


def resize(session_pk: int, capacity: int, max_parties: int, sell_limit: int, recall: bool, *, now: datetime) -> None:
    offers = sessions.OffersOut.RECALL if recall else sessions.OffersOut.HONOUR
    sessions.resize(
        session_pk, capacity=capacity, max_parties=max_parties, sell_limit=sell_limit, offers=offers, now=now
    )


def move(session_pk: int, starts_at: datetime, locks_at: datetime, *, now: datetime) -> None:
    sessions.move(
        session_pk, starts_at=starts_at, ends_at=starts_at + HOUR, roster_locks_at=locks_at, now=now, who="host:lin"
    )


def call_off(session_pk: int, *, now: datetime) -> None:
    sessions.call_off(session_pk, reason="The line stands still.", now=now, who="host:lin")


def wish(party_pk: int, session_pks: Sequence[int], *, now: datetime) -> None:
    swaps.wish_swap(party_pk, session_pks=session_pks, now=now)


# By the name that the model has for the act.
THEIRS: dict[str, Callable[..., None]] = {
    "prove": visit.prove_mailbox,
    "leave": waitlist.leave_lines,
    "cancel": visit.cancel_places,
    "come_with_fewer": come_with_fewer,
    "change_wishes": change_wishes,
    "join": choices.join_line,
    "take": choices.take_places,
    "accept": accept,
    "decline": waitlist.decline_offer,
    "wait_for_all": waitlist.wait_for_all,
    "drop": choices.drop_choice,
    "resize": resize,
    "move": move,
    "call_off": call_off,
    "wish": wish,
}


class Happens(NamedTuple):
    """How often an act is played, of all, and with what."""

    often: int
    how: list[st.SearchStrategy[Any]]


# One rule for all acts: hypothesis would else leave out half of the rules of each example, and little would happen.
ACTS = {
    "ask": Happens(5, [sizes, least, st.booleans(), named]),
    "prove": Happens(2, [which]),
    "leave": Happens(1, [which]),
    "cancel": Happens(9, [which]),
    "come_with_fewer": Happens(3, [which, st.integers(1, 3)]),
    "answer": Happens(12, [which, st.sampled_from(["accept", "decline", "wait_for_all"])]),
    "answer_out_of_turn": Happens(2, [which, st.sampled_from(["accept", "decline", "wait_for_all"])]),
    "choose": Happens(8, [which, which, st.sampled_from(["join", "join", "take"])]),
    "drop": Happens(1, [which]),
    "reverse_choices": Happens(1, [which]),
    "change_wishes": Happens(2, [which, least, st.booleans()]),
    "swap": Happens(6, [which, which, st.booleans(), st.sampled_from(["alike", "alike", "roomy"])]),
    "resize": Happens(5, [which, st.integers(1, 8), st.integers(1, 5), st.integers(0, 4), st.booleans()]),
    "move": Happens(2, [which, st.integers(-1, 6), st.integers(0, 2)]),
    "call_off": Happens(2, [which]),
    "time_goes_on": Happens(4, [st.sampled_from([MINUTE, 20 * MINUTE, 2 * HOUR, 7 * HOUR])]),
    "an_offer_runs_out": Happens(7, []),
    "time_comes": Happens(2, [which]),
    "the_clock_is_away": Happens(2, [st.sampled_from([MINUTE, 2 * HOUR, DAY])]),
}
anything = st.sampled_from([name for name, act in ACTS.items() for _time in range(act.often)]).flatmap(
    lambda name: st.tuples(st.just(name), *ACTS[name].how)
)


class Histories(RuleBasedStateMachine):
    """Each act is done to both; ``both_agree`` compares what it left."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.clock_is_late = False
        self.decisions_seen = 0
        self.booking_pks: list[int] = []

    @initialize(
        proves_mailbox=st.booleans(),
        rooms=st.lists(
            st.tuples(st.integers(2, 6), st.integers(2, 5), st.sampled_from([1, 2, 3, 5, 8])), min_size=2, max_size=3
        ),
        asked=st.lists(st.tuples(sizes, least, st.booleans(), named, in_most_cases), min_size=6, max_size=12),
    )
    def a_season_opens(
        self,
        proves_mailbox: bool,
        rooms: list[tuple[int, int, int]],
        asked: list[tuple[int, int, bool, list[int], bool]],
    ) -> None:
        """``rooms``: places, parties, and the days until the roster locks. The first parties ask, most prove."""
        season = make_season(
            tour=make_tour(largest_party=4), proves_mailbox=proves_mailbox, choices_allowed=CHOICES_ALLOWED
        )
        self.proves_mailbox = proves_mailbox
        self.rows: dict[object, Any] = {}
        self.sessions = []
        self.parties: list[Party] = []
        for places, most, days in rooms:
            locks_at = NOON + days * DAY
            limits: dict[str, Any] = {"capacity": places, "sell_limit": places, "max_parties": min(most, places)}
            row = make_session(season=season, starts_at=locks_at + DAY, roster_locks_at=locks_at, **limits)
            session = Session(starts_at=row.starts_at, locks_at=locks_at, zone=row.venue.zone, **limits)
            self.sessions.append(session)
            self.rows[session] = row
        self.model = Season(self.sessions, CHOICES_ALLOWED)
        for size, least, short, named, proves in asked:
            self.ask(size, least, short, named)
            if proves and self.parties:
                self.act("prove", self.parties[-1])

    @rule(what=anything)
    def happens(self, what: tuple[Any, ...]) -> None:
        name, *how = what
        if self.model.bookings or name == "ask":
            getattr(self, name)(*how)

    # What parties do.

    def ask(self, size: int, least: int, short: bool, named: list[int]) -> None:
        chosen = list(dict.fromkeys(pick(self.sessions, number) for number in named))
        party = Party(size, min(least, size), short, proven=not self.proves_mailbox)

        def theirs() -> None:
            rows = [self.rows[session] for session in chosen]
            self.rows[party] = ask(*rows, size=size, smallest_size=party.least, short_notice=short, now=self.now)
            self.parties.append(party)

        self.both(theirs, lambda: self.model.ask(party, chosen, self.now))

    def prove(self, which: int) -> None:
        self.act("prove", pick([party for party in self.parties if not party.proven] or self.parties, which))

    def leave(self, which: int) -> None:
        self.act("leave", self.one("waiting", "offered", which=which).party)

    def cancel(self, which: int) -> None:
        self.act("cancel", self.one("confirmed", which=which).party)

    def come_with_fewer(self, which: int, fewer: int) -> None:
        party = self.one(*LIVE, which=which).party
        self.act("come_with_fewer", party, max(1, party.size - fewer))

    def answer(self, which: int, how: str) -> None:
        """Where nobody is asked, somebody cancels, so that somebody is."""
        offers = [b for b in self.model.bookings if b.status == "offered"]
        fewer = [b for b in offers if b.places < b.party.size]
        if how == "wait_for_all" and fewer:
            self.act(how, pick(fewer, which))
        elif offers:
            self.act(how, pick(offers, which))
        else:
            self.cancel(which)

    def answer_out_of_turn(self, which: int, how: str) -> None:
        self.act(how, pick(self.model.bookings, which))

    def choose(self, which: int, where: int, how: str) -> None:
        called = [party for party in self.parties if party.first_call_until]
        party = pick(called or self.parties, which)
        taken = party.sessions(*LIVE)
        others = [s for s in self.sessions if s not in taken and not s.takes_nobody(self.now)]
        self.act(how, party, pick(others or self.sessions, where))

    def drop(self, which: int) -> None:
        self.act("drop", self.one("waiting", which=which))

    def reverse_choices(self, which: int) -> None:
        party = self.one("waiting", which=which).party
        reverse = party.of("waiting")[::-1]
        for preference, booking in enumerate(reverse, start=1):
            booking.preference = preference
        choices.order_choices(self.pk(party), [self.pk(booking) for booking in reverse])

    def change_wishes(self, which: int, least: int, short: bool) -> None:
        self.act("change_wishes", pick(self.parties, which), least, short)

    def swap(self, which: int, whom: int, joins: bool, how: str) -> None:
        """One party wishes for all other sessions, and one that is in one of these for the opposite.

        Parties of one size can swap. For others there has to be a place, for which nobody waits.
        """
        mine = self.one("confirmed", which=which)
        others = [session for session in self.sessions if session is not mine.session]
        held = [b for session in others for b in session.of("confirmed")]
        theirs = pick([b for b in held if (b.places == mine.places) == (how == "alike")] or held or [mine], whom)
        for session in (mine.session, theirs.session) if how == "roomy" else []:
            for waiting in session.of("waiting"):
                self.act("drop", waiting)
            self.act("resize", session, session.capacity + 1, session.max_parties, session.capacity + 1, False)
        if joins:
            self.act("join", mine.party, pick(others, whom))
        self.act("wish", mine.party, others)
        self.act("wish", theirs.party, [mine.session])

    # What hosts do.

    def resize(self, which: int, capacity: int, most: int, less: int, recall: bool) -> None:
        self.act("resize", pick(self.sessions, which), capacity, min(most, capacity), max(0, capacity - less), recall)

    def move(self, which: int, days: int, before: int) -> None:
        starts_at = self.now + days * DAY + HOUR
        locks_at = starts_at - before * DAY
        self.act("move", pick(self.sessions, which), starts_at, locks_at)
        self.clock_is_late |= locks_at <= self.now  # What ended by that is taken back by the next scan.

    def call_off(self, which: int) -> None:
        session = self.one("confirmed", which=which).session  # Some have first call then, and one uses it.
        self.act("call_off", session)
        self.choose(which, which, "join")

    # How an act is done to both.

    def act(self, what: str, whose: Any, *how: Any) -> None:
        pk = self.pk(whose)
        given = [
            self.pk(it) if isinstance(it, Session) else list(map(self.pk, it)) if what == "wish" else it for it in how
        ]
        self.both(
            lambda: THEIRS[what](pk, *given, now=self.now), lambda: getattr(self.model, what)(whose, *how, self.now)
        )

    def both(self, theirs: Callable[[], Any], ours: Callable[[], Any]) -> None:
        """The same act, or the same refusal."""
        try:
            ours()
        except Refused:
            with pytest.raises(BookingError):
                theirs()
        else:
            theirs()

    def pk(self, whose: Session | Party | Booking) -> int:
        """Both write bookings in the same order."""
        if isinstance(whose, Booking):
            return self.booking_pks[self.model.bookings.index(whose)]
        pk: int = self.rows[whose].pk
        return pk

    def one(self, *statuses: str, which: int) -> Booking:
        """A booking of which the act makes sense; any, if there is none: then both refuse."""
        return pick([b for b in self.model.bookings if b.status in statuses] or self.model.bookings, which)

    # What the clock does.

    def time_goes_on(self, jump: timedelta) -> None:
        self.now += jump
        self.scan()

    def an_offer_runs_out(self) -> None:
        self.comes(sorted(b.until for b in self.model.bookings if b.until and b.until > self.now), 0)

    def time_comes(self, which: int) -> None:
        """A roster locks, or a last call begins."""
        moments = [s.locks_at - before for s in self.sessions for before in (timedelta(), LAST_CALL)]
        self.comes(sorted(moment for moment in moments if moment > self.now), which)

    def comes(self, moments: list[datetime], which: int) -> None:
        if moments:
            self.now = pick(moments, which)
            self.scan()

    def the_clock_is_away(self, jump: timedelta) -> None:
        """Time goes on and no scan runs."""
        self.now += jump
        self.clock_is_late = True

    def scan(self) -> None:
        """As the tasks do."""
        self.clock_is_late = False
        self.model.scan(self.now)
        waitlist.lapse_offers(now=self.now)
        waitlist.close_lines(now=self.now)
        waitlist.drop_unproven(now=self.now)
        sessions.end_first_calls(now=self.now)
        waitlist.end_lines_of_visitors(now=self.now)
        waitlist.serve_waiting_lines(now=self.now)
        swaps.exchange_met_wishes(now=self.now)

    # What must be so after each act.

    @invariant()
    def both_agree(self) -> None:
        fields = ["pk", "party", "session", "status", "places", "queue_number", "offer_expires_at"]
        rows = models.Booking.objects.order_by("pk").values_list(*fields)
        self.booking_pks = [pk for pk, *_row in rows]
        assert [row for _pk, *row in rows] == [
            [self.pk(b.party), self.pk(b.session), b.status, b.places, b.number or None, b.until]
            for b in self.model.bookings
        ]
        line = models.Booking.objects.in_line().values_list("session", "party", "least")
        assert sorted(line, key=lambda row: row[0]) == [
            (self.pk(session), self.pk(b.party), b.least) for session in self.sessions for b in session.in_order()
        ]
        assert [
            (row.pk, row.size, row.smallest_size, row.lapses, row.is_proven, row.first_call_until, row.ended_at is None)
            for row in models.Party.objects.order_by("pk")
        ] == [(self.pk(p), p.size, p.least, p.lapses, p.proven, p.first_call_until, p.is_alive()) for p in self.parties]
        self.decisions_agree()
        assert self.clock_is_late or list(broken_promises(now=self.now)) == []

    def decisions_agree(self) -> None:
        """The same servings in the same order, and with the same lines so the same pass-overs."""
        seen, self.decisions_seen = self.decisions_seen, len(self.model.decisions)
        fields = ["session", "places_free", "parties_free", "reason", "offered_to__party", "saved_for__party", "places"]
        assert list(models.Decision.objects.order_by("pk").values_list(*fields)[seen:]) == [
            (self.pk(session), *free, reason, *(self.pk(b.party) if b else None for b in whose), places)
            for session, *free, reason, asked, saved_for, places in self.model.decisions[seen:]
            for whose in [(asked, saved_for)]
        ]

    def teardown(self) -> None:
        for model in (
            *(
                models.SwapWish,
                models.Decision,
                models.Notice,
                models.BookingEvent,
                models.Booking,
                models.Member,
                models.Party,
            ),
            *(models.TourSession, models.ReminderPlan, models.Season, models.Tour, models.Venue),
        ):
            model._base_manager.all()._raw_delete("default")


def pick(things: Sequence[Thing], which: int) -> Thing:
    return things[which % len(things)]


@pytest.mark.django_db(transaction=True)
def test_any_history_goes_as_in_the_reference_model() -> None:
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=EXAMPLES or IN_THE_SUITE[connection.vendor],
            stateful_step_count=STEPS,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            print_blob=True,
            phases=[Phase.generate, Phase.shrink] if EXAMPLES else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
