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
from bookings.management.simulation.season import OPENS, SIZES, ZONE, Plans
from bookings.models import Booking, BookingStatus, TourSession

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

    def __init__(self, plans: Mapping[int, Plans], *, dice: str) -> None:
        self.plans = plans
        self.dice = dice
        self.agenda = Agenda()
        self.figures = Figures()
        self.now = BEGINS
        self.empty_places = 0
        self.seen_offers: set[tuple[int, datetime]] = set()
        self.offers_made: Counter[int] = Counter()

    def under(self, rule: Rule) -> Figures:
        with rule.in_force():
            self._at(BEGINS, self._scan)
            for session in TourSession.objects.all():
                self._at(max(BEGINS, session.roster_locks_at - rule.fills_gaps), self._scan)
                self._at(session.roster_locks_at, self._lock(session.pk))
            for booking in Booking.objects.filter(status=BookingStatus.CONFIRMED).select_related("session"):
                self._expect_cancelling(booking)
            self.agenda.play(until=TourSession.objects.latest("roster_locks_at").roster_locks_at)
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

    def _lock(self, session: int) -> Callable[[datetime], None]:
        def locks(when: datetime) -> None:
            self._lapse(when)
            self.figures.sessions += 1
            self.figures.empty_places += empty_places(TourSession.objects.get(pk=session))

        return locks

    def _accept(self, offer: Booking) -> Callable[[datetime], None]:
        def accepts(when: datetime) -> None:
            waitlist.accept_offer(offer.pk, now=when)
            self._expect_cancelling(offer)

        return accepts

    def _expect_cancelling(self, booking: Booking) -> None:
        """Who joins late has the less time left to think better of it."""
        after = self.plans[booking.party_id].cancels_after
        if after is None:
            return
        cancels_at = OPENS + after * (booking.session.roster_locks_at - OPENS)
        if cancels_at > self.now:
            self._at(cancels_at, lambda when: visit.cancel_places(booking.party_id, now=when))

    def _expect_answer(self, offer: Booking, *, asked: datetime, ends: datetime) -> None:
        """The same party answers the same offer alike under every rule, if only it is asked."""
        self.offers_made[offer.pk] += 1
        chance = random.Random(f"{self.dice}/{offer.pk}/{self.offers_made[offer.pk]}")  # noqa: S311
        short_notice = self.plans[offer.party_id].short_notice
        mean = ANSWERS_SHORT_NOTICE_AFTER if short_notice else ANSWERS_AFTER
        answers_at = after_waking(asked, chance.expovariate(1) * mean)
        mood = chance.random()
        if mood >= ACCEPTS + DECLINES or answers_at >= ends:
            self._at(ends, self._lapse)
        elif mood < ACCEPTS:
            self._at(answers_at, self._accept(offer))
        else:
            self._at(answers_at, lambda when: waitlist.decline_offer(offer.pk, now=when))

    # What is seen of it.

    def _let_time_pass(self, when: datetime) -> None:
        hours = (when - self.now) / timedelta(hours=1)
        self.figures.idle_place_hours += hours * self.empty_places
        self.now = when

    def _see_what_came_of_it(self, when: datetime) -> None:
        wanted = TourSession.objects.filter(roster_locks_at__gt=when, parties_waiting__gt=0)
        self.empty_places = sum(map(empty_places, wanted))
        offered = Booking.objects.filter(status=BookingStatus.OFFERED).select_related("session")
        for booking in offered.order_by("pk"):
            if booking.offer_expires_at and (booking.pk, booking.offer_expires_at) not in self.seen_offers:
                self.seen_offers.add((booking.pk, booking.offer_expires_at))
                before = Booking.objects.in_line().filter(session=booking.session_id)
                self.figures.passed_over += before.filter(queue_number__lt=booking.queue_number).count()
                self._expect_answer(booking, asked=when, ends=booking.offer_expires_at)

    def _count_success(self) -> None:
        """Of the parties that had to wait, who was given places, whatever it did with them later."""
        placed = set(Booking.objects.filter(events__to_status=BookingStatus.CONFIRMED).values_list("party", flat=True))
        for party, plans in self.plans.items():
            if plans.waited:
                self.figures.waited[plans.size] += 1
                self.figures.placed[plans.size] += party in placed


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


def empty_places(session: TourSession) -> int:
    """Where the most parties are in, what is left over is nobody's to have."""
    return min(session.places_free, session.parties_free * max(SIZES))
