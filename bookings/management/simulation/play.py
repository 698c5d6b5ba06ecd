"""The weeks until the rosters lock: parties cancel, the line is served, offers are answered or run out."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta

from bookings.domain import visit, waitlist
from bookings.domain.offers import SLEEPS, WAKES
from bookings.management.demo.rush import Agenda
from bookings.management.simulation.figures import Figures
from bookings.management.simulation.rules import Rule
from bookings.management.simulation.season import OPENS, SIZES, ZONE, Visitors
from bookings.models import Booking, BookingStatus, Decision, DecisionReason, TourSession

# Of the parties that are offered places; the rest never answer.
ACCEPTS, DECLINES = 0.6, 0.2
# Mean of waking time until the answer: half a day of waking and sleeping hours, as long as it takes to read a mail.
ANSWERS_AFTER = timedelta(hours=7)
# Whoever asked to be called at short notice keeps the phone at hand.
ANSWERS_SHORT_NOTICE_AFTER = timedelta(minutes=20)
# No roster has locked yet, everybody who was first has proven the mailbox.
BEGINS = OPENS + timedelta(hours=12)


class Play:
    """One season under one rule, from act to act; the clock does its scans only when something is due.

    It leaves the lines as they are when the roster locks: closing them changes no figure and takes long.
    """

    def __init__(self, visitors: Mapping[int, Visitors], *, dice: str) -> None:
        self.visitors = visitors
        self.dice = dice
        self.agenda = Agenda()
        self.figures = Figures()
        self.now = BEGINS
        self.empty: dict[int, int] = {}
        self.seen_offers: set[tuple[int, datetime]] = set()
        self.offers_made: Counter[int] = Counter()
        self.last_decision = 0

    def under(self, rule: Rule) -> Figures:
        with rule.in_force():
            self._at(BEGINS, self._scan)
            locks = TourSession.objects.order_by("roster_locks_at").values_list("pk", "roster_locks_at")
            for pk, roster_locks_at in locks:
                self._at(max(BEGINS, roster_locks_at - rule.fills_gaps), self._scan)
                self._at(roster_locks_at, self._lock(pk))
            for party, visitors in self.visitors.items():
                if visitors.cancels_at:
                    self._at(visitors.cancels_at, self._cancel(party))
            self.agenda.play(until=locks[len(locks) - 1][1])
        self._count_success()
        return self.figures

    def _at(self, when: datetime, act: Callable[[datetime], None]) -> None:
        def acts(when: datetime) -> None:
            self._let_time_pass(when)
            act(when)
            self._see_what_came_of_it(when)

        self.agenda.put(when, acts)

    # What happens at its moment.

    def _scan(self, when: datetime) -> None:
        waitlist.serve_waiting_lines(now=when)

    def _lapse(self, when: datetime) -> None:
        waitlist.lapse_offers(now=when)

    def _cancel(self, party: int) -> Callable[[datetime], None]:
        def cancels(when: datetime) -> None:
            if Booking.objects.filter(party=party, status=BookingStatus.CONFIRMED).exists():
                visit.cancel_places(party, now=when)

        return cancels

    def _lock(self, session: int) -> Callable[[datetime], None]:
        def locks(when: datetime) -> None:
            self._lapse(when)
            self.figures.sessions += 1
            self.figures.empty_places += _empty_places(TourSession.objects.get(pk=session))

        return locks

    def _answer(self, booking: int, party: int, session: int, *, asked: datetime, ends: datetime) -> None:
        """The same party answers the same offer alike under every rule, if only it is asked."""
        self.offers_made[booking] += 1
        chance = random.Random(f"{self.dice}/{party}/{session}/{self.offers_made[booking]}")  # noqa: S311
        mean = ANSWERS_SHORT_NOTICE_AFTER if self.visitors[party].short_notice else ANSWERS_AFTER
        answers_at = after_waking(asked, chance.expovariate(1) * mean)
        mood = chance.random()
        if mood >= ACCEPTS + DECLINES or answers_at >= ends:
            self._at(ends, self._lapse)
        elif mood < ACCEPTS:
            self._at(answers_at, lambda when: waitlist.accept_offer(booking, now=when))
        else:
            self._at(answers_at, lambda when: waitlist.decline_offer(booking, now=when))

    # What is seen of it.

    def _let_time_pass(self, when: datetime) -> None:
        hours = (when - self.now) / timedelta(hours=1)
        self.figures.idle_place_hours += hours * sum(self.empty.values())
        self.now = when

    def _see_what_came_of_it(self, when: datetime) -> None:
        open_sessions = TourSession.objects.filter(roster_locks_at__gt=when, parties_waiting__gt=0)
        self.empty = {session.pk: _empty_places(session) for session in open_sessions}
        offered = Booking.objects.filter(status=BookingStatus.OFFERED).order_by("pk")
        for booking, party, session, ends in offered.values_list("pk", "party", "session", "offer_expires_at"):
            if ends and (booking, ends) not in self.seen_offers:
                self.seen_offers.add((booking, ends))
                self._answer(booking, party, session, asked=when, ends=ends)
        made = Decision.objects.filter(pk__gt=self.last_decision, reason=DecisionReason.OFFERED).order_by("pk")
        for decision in made.select_related("session", "offered_to"):
            self.last_decision = decision.pk
            if decision.offered_to:
                before = decision.session.bookings.in_line().filter(queue_number__lt=decision.offered_to.queue_number)
                self.figures.passed_over += before.count()

    def _count_success(self) -> None:
        """Of the parties that had to wait, who was given places, whatever it did with them later."""
        placed = set(
            Booking.objects.filter(events__to_status=BookingStatus.CONFIRMED).values_list("party", flat=True)
        )
        for party, visitors in self.visitors.items():
            if visitors.waited:
                self.figures.waited[visitors.size] += 1
                self.figures.placed[visitors.size] += party in placed


def after_waking(start: datetime, span: timedelta) -> datetime:
    """When so much waking time has gone by: mails of the night are read in the morning."""
    now, rest = start.astimezone(ZONE), span
    while True:
        wakes = max(now, now.replace(hour=WAKES.hour, minute=0, second=0, microsecond=0))
        sleeps = now.replace(hour=SLEEPS.hour, minute=0, second=0, microsecond=0)
        if wakes < sleeps and wakes + rest < sleeps:
            return wakes + rest
        rest -= max(sleeps - wakes, timedelta())
        now = datetime.combine(now.date() + timedelta(days=1), time(), tzinfo=ZONE)


def _empty_places(session: TourSession) -> int:
    """Where the most parties are in, what is left over is nobody's to have."""
    return min(session.places_free, session.parties_free * max(SIZES))
