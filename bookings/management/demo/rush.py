"""A busy season, played: parties ask, prove, wait, answer, cancel, through the functions that the pages call.

Nothing here writes a booking; time is played from the opening of sign-up to `now`, every act at its moment.
"""

import heapq
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from bookings.domain import check_in, choices, reconfirming, sessions, sign_up, visit, waitlist
from bookings.domain.first_call import may_have_what_is_kept
from bookings.domain.people import Person
from bookings.domain.sign_up import Lead, Wishes
from bookings.management.demo import names, texts
from bookings.models import Booking, BookingStatus, OfferSource, Party, Season, TourSession

SEED = 960
SUBMISSIONS = uuid.UUID("6f1c4f0e-0d6b-4f64-9a53-8e2b7d1f0960")
HOST = "host:demo"

# How many parties name each of the sixteen sessions first, in order of time: the festival is wanted most.
DEMAND = [29, 54, 41, 47, 33, 44, 26, 19, 23, 17, 14, 12, 16, 8, 11, 5]
# The session of that order that the house calls off.
CALLED_OFF = 9
SIZES, SIZE_WEIGHTS = [1, 2, 3], [18, 47, 35]
# Shares of all parties.
PROVES, NAMES_MORE, IN_CHINESE, SHORT_NOTICE, WITH_NEEDS = 0.94, 0.35, 0.7, 0.3, 0.08
CANCELS, SHRINKS, LEAVES_LINE = 0.12, 0.05, 0.05
# Shares of the offers to waiting parties; the rest lapse.
TAKES_OFFER, REFUSES_OFFER = 0.55, 0.2
CLOCK_TICKS_EVERY = timedelta(minutes=30)
# Whoever is offered a place as late as this has not answered yet.
QUIET = timedelta(hours=3)


class Agenda:
    """Acts in order of their time; an act may put later ones on the agenda."""

    def __init__(self) -> None:
        self._acts: list[tuple[datetime, int, Callable[[datetime], None]]] = []
        self._count = 0

    def put(self, when: datetime, act: Callable[[datetime], None]) -> None:
        self._count += 1
        heapq.heappush(self._acts, (when, self._count, act))

    def play(self, *, until: datetime) -> None:
        while self._acts and self._acts[0][0] <= until:
            when, _count, act = heapq.heappop(self._acts)
            act(when)


class Rush:
    def __init__(self, *, now: datetime) -> None:
        self.now = now
        self.chance = random.Random(SEED)  # noqa: S311
        self.agenda = Agenda()
        self.asked: set[str] = set()
        self.seen_offers: set[tuple[int, datetime]] = set()

    def play(self, season: Season, evenings: Season) -> None:
        self._tick_from(min(season.opens_at, evenings.opens_at))
        self._plan_season(season)
        self._plan_evenings(evenings)
        self.agenda.play(until=self.now)

    # The season around the festival.

    def _plan_season(self, season: Season) -> None:
        dates = list(season.sessions.order_by("starts_at"))
        first_choices = [session for session, parties in zip(dates, DEMAND, strict=True) for _party in range(parties)]
        self.chance.shuffle(first_choices)
        open_for = self.now - season.opens_at
        for first in first_choices:
            # Most ask in the first forty minutes, the others on some later day.
            if self.chance.random() < 0.6:
                asks_at = season.opens_at + self.chance.random() * timedelta(minutes=40)
            else:
                asks_at = season.opens_at + self.chance.random() ** 2 * (open_for - QUIET)
            choices = [first]
            if self.chance.random() < NAMES_MORE:
                choices += self.chance.sample(
                    _nearest(first, dates), self.chance.randint(1, season.choices_allowed - 1)
                )
            self._plan_party(asks_at, choices, size=self._some_size(), acts_later=True)
        called_off = dates[CALLED_OFF]
        self.agenda.put(self.now - timedelta(hours=20), self._calls_off(called_off))
        # The last hours: some cancel in full sessions, so that offers are out, and some have just asked.
        for number in (2, 4, 5, 6):
            self.agenda.put(self.now - self._minutes(10, 100), self._one_party_cancels(dates[number]))
        for number in (10, 12, 14):
            self._plan_party(self.now - self._minutes(1, 12), [dates[number]], size=self._some_size(), proves=False)

    def _plan_party(
        self,
        asks_at: datetime,
        choices: list[TourSession],
        *,
        size: int,
        proves: bool | None = None,
        short_notice: bool | None = None,
        acts_later: bool = False,
    ) -> uuid.UUID:
        """A party asks at that moment, opens its mail minutes later and may change its mind on another day."""
        language = "zh-hans" if self.chance.random() < IN_CHINESE else "en"
        family = list(self._some_family(size, language))
        email = self._address(family[0][1])
        submission_key = uuid.uuid5(SUBMISSIONS, email)
        people = [Person(name, *age) for (name, _latin), age in zip(family, self._ages(size), strict=True)]
        needs = self.chance.choice(names.ACCESS_NEEDS[language]) if self.chance.random() < WITH_NEEDS else ""
        wishes = Wishes(
            smallest_size=self.chance.randint(1, size),
            short_notice=self.chance.random() < SHORT_NOTICE if short_notice is None else short_notice,
            access_needs=needs,
            consents=list(choices[0].season.tour.consents.values_list("pk", flat=True)),
        )

        def asks(when: datetime) -> None:
            still_open = [session.pk for session in choices if self._takes_sign_ups(session, when)]
            if still_open:
                sign_up.request_places(
                    still_open,
                    lead=Lead(people[0], email, language),
                    companions=people[1:],
                    wishes=wishes,
                    submission_key=submission_key,
                    now=when,
                )

        self.agenda.put(asks_at, asks)
        if proves if proves is not None else self.chance.random() < PROVES:
            self.agenda.put(asks_at + self._minutes(1, 25), lambda when: self._proves(submission_key, when))
        if acts_later:
            later = asks_at + self.chance.random() * max(self.now - QUIET - asks_at, timedelta()) + timedelta(hours=1)
            draw = self.chance.random()
            if draw < CANCELS:
                self.agenda.put(later, lambda when: self._cancels(submission_key, when))
            elif draw < CANCELS + SHRINKS and size > 1:
                self.agenda.put(later, lambda when: self._comes_with_fewer(submission_key, people[:-1], when))
            elif draw < CANCELS + SHRINKS + LEAVES_LINE:
                self.agenda.put(later, lambda when: self._leaves_lines(submission_key, when))
        return submission_key

    # The evenings dated from today.

    def _plan_evenings(self, season: Season) -> None:
        yesterday, tomorrow, in_a_week = season.sessions.order_by("starts_at")
        asked = self.now - timedelta(days=20)
        came = [self._plan_evening(yesterday, asked, size) for size in (2, 3, 1, 2, 2, 1)]
        for number, submission_key in enumerate(came[:-1]):
            arrived = 2 if number == 1 else None
            self.agenda.put(
                yesterday.starts_at - timedelta(minutes=12 - 2 * number),
                self._arrives(submission_key, arrived),
            )
        self.agenda.put(yesterday.starts_at + timedelta(minutes=20), self._does_not_come(came[-1]))

        for size in (3, 3, 2, 2, 2):
            leaving = self._plan_evening(tomorrow, asked + timedelta(days=6), size)
        for size, short_notice in ((3, False), (2, False), (2, True), (1, True)):
            self._plan_evening(tomorrow, asked + timedelta(days=8), size, short_notice=short_notice)
        self.agenda.put(self.now - timedelta(minutes=20), self._gives_up(leaving))

        # Two places become free while a party of three is first in line: they are saved for it.
        for size in (3, 3, 2, 2, 2):
            leaving = self._plan_evening(in_a_week, asked + timedelta(days=12), size)
        for size in (3, 2, 1, 2):
            self._plan_evening(in_a_week, asked + timedelta(days=14), size)
        self.agenda.put(self.now - timedelta(minutes=70), self._gives_up(leaving))

    def _plan_evening(
        self, session: TourSession, asks_at: datetime, size: int, *, short_notice: bool | None = None
    ) -> uuid.UUID:
        asks_at += timedelta(minutes=10 * len(self.asked) % 600)
        return self._plan_party(asks_at, [session], size=size, proves=True, short_notice=short_notice)

    # What a party, a host and the clock do at their moment.

    def _tick_from(self, opens_at: datetime) -> None:
        def tick(when: datetime) -> None:
            waitlist.lapse_offers(now=when)
            waitlist.drop_unproven(now=when)
            waitlist.close_lines(now=when)
            waitlist.serve_waiting_lines(now=when)
            reconfirming.plan_asks(now=when)
            self._answer_offers(when)
            self.agenda.put(when + CLOCK_TICKS_EVERY, tick)

        self.agenda.put(opens_at + CLOCK_TICKS_EVERY, tick)

    def _answer_offers(self, when: datetime) -> None:
        """Each party in line that was offered places makes up its mind once; in the last hours nobody has yet."""
        if when > self.now - QUIET:
            return
        offered = Booking.objects.filter(status=BookingStatus.OFFERED, offer_source=OfferSource.WAITLIST)
        for pk, ends in offered.order_by("pk").values_list("pk", "offer_expires_at"):
            if ends is None or (pk, ends) in self.seen_offers:
                continue
            self.seen_offers.add((pk, ends))
            answers_at = when + self.chance.random() * 0.9 * (ends - when)
            draw = self.chance.random()
            if draw < TAKES_OFFER:
                self.agenda.put(answers_at, self._takes(pk))
            elif draw < TAKES_OFFER + REFUSES_OFFER:
                self.agenda.put(answers_at, self._refuses(pk))

    def _takes(self, booking_pk: int) -> Callable[[datetime], None]:
        def takes(when: datetime) -> None:
            if Booking.objects.filter(pk=booking_pk, status=BookingStatus.OFFERED).exists():
                waitlist.accept_offer(booking_pk, now=when)

        return takes

    def _refuses(self, booking_pk: int) -> Callable[[datetime], None]:
        def refuses(when: datetime) -> None:
            if Booking.objects.filter(pk=booking_pk, status=BookingStatus.OFFERED).exists():
                waitlist.decline_offer(booking_pk, now=when)

        return refuses

    def _proves(self, submission_key: uuid.UUID, when: datetime) -> None:
        for party in Party.objects.live().filter(submission_key=submission_key):
            visit.prove_mailbox(party.pk, now=when)

    def _cancels(self, submission_key: uuid.UUID, when: datetime) -> None:
        for booking in self._confirmed(submission_key):
            visit.cancel_places(booking.party_id, now=when)

    def _calls_off(self, session: TourSession) -> Callable[[datetime], None]:
        """The house calls a session off; within hours all parties that were confirmed but one choose another."""

        def calls_off(when: datetime) -> None:
            sessions.call_off(session.pk, reason=texts.CALL_OFF_REASON, now=when, who=HOST)
            called = Party.objects.filter(season=session.season_id, first_call_until__gt=when).order_by("pk")
            for pk in list(called.values_list("pk", flat=True))[1:]:
                self.agenda.put(when + self._minutes(10, 900), self._chooses_anew(pk))

        return calls_off

    def _chooses_anew(self, party_pk: int) -> Callable[[datetime], None]:
        def chooses(when: datetime) -> None:
            party = Party.objects.get(pk=party_pk)
            others = TourSession.objects.filter(season=party.season_id).select_related("season__tour")
            open_ones = [session for session in others if session.takes_sign_ups(when, is_in=True)]
            roomy = [session for session in open_ones if may_have_what_is_kept(session, size=party.size)]
            if roomy:
                choices.take_places(party.pk, self.chance.choice(roomy).pk, now=when)
            else:
                choices.join_line(party.pk, self.chance.choice(open_ones).pk, now=when)

        return chooses

    def _gives_up(self, submission_key: uuid.UUID) -> Callable[[datetime], None]:
        return lambda when: self._cancels(submission_key, when)

    def _one_party_cancels(self, session: TourSession) -> Callable[[datetime], None]:
        def cancels(when: datetime) -> None:
            confirmed = session.bookings.filter(status=BookingStatus.CONFIRMED).order_by("pk").first()
            if confirmed:
                visit.cancel_places(confirmed.party_id, now=when)

        return cancels

    def _comes_with_fewer(self, submission_key: uuid.UUID, people: list[Person], when: datetime) -> None:
        for booking in self._confirmed(submission_key):
            visit.come_with_fewer(booking.party_id, lead=people[0], companions=people[1:], now=when)

    def _leaves_lines(self, submission_key: uuid.UUID, when: datetime) -> None:
        for party in Party.objects.live().filter(submission_key=submission_key):
            waitlist.leave_lines(party.pk, now=when)

    def _arrives(self, submission_key: uuid.UUID, arrived: int | None) -> Callable[[datetime], None]:
        def arrives(when: datetime) -> None:
            for booking in self._confirmed(submission_key):
                check_in.check_in_party(booking.pk, arrived=arrived, now=when, who=HOST)

        return arrives

    def _does_not_come(self, submission_key: uuid.UUID) -> Callable[[datetime], None]:
        def is_missing(when: datetime) -> None:
            for booking in self._confirmed(submission_key):
                check_in.mark_no_show(booking.pk, now=when, who=HOST)

        return is_missing

    def _confirmed(self, submission_key: uuid.UUID) -> list[Booking]:
        return list(Booking.objects.filter(party__submission_key=submission_key, status=BookingStatus.CONFIRMED))

    def _takes_sign_ups(self, session: TourSession, when: datetime) -> bool:
        return TourSession.objects.select_related("season__tour").get(pk=session.pk).takes_sign_ups(when)

    # Who they are.

    def _some_size(self) -> int:
        return self.chance.choices(SIZES, SIZE_WEIGHTS)[0]

    def _minutes(self, least: int, most: int) -> timedelta:
        return timedelta(minutes=self.chance.uniform(least, most))

    def _some_family(self, size: int, language: str) -> Iterator[tuple[str, str]]:
        """Names, as written and in Latin letters; a party shares its family name."""
        if language == "en":
            surname = self.chance.choice(names.ENGLISH_SURNAMES)
            for given in self.chance.sample(names.ENGLISH_GIVEN, size):
                yield f"{given} {surname}", f"{given}.{surname}"
        else:
            written, latin = self.chance.choice(names.CHINESE_SURNAMES)
            for given, given_latin in self.chance.sample(names.CHINESE_GIVEN, size):
                yield f"{written}{given}", f"{latin}.{given_latin}"

    def _ages(self, size: int) -> list[tuple[int, int | None]]:
        """The lead is an adult; of the others two in five are children."""
        return [(18, None)] + [(6, 17) if self.chance.random() < 0.4 else (18, None) for _more in range(size - 1)]

    def _address(self, latin_name: str) -> str:
        local = latin_name.lower().replace("'", "")
        domain = self.chance.choice(names.DOMAINS)
        number = 1
        while (email := f"{local}{number if number > 1 else ''}@{domain}") in self.asked:
            number += 1
        self.asked.add(email)
        return email


def _nearest(first: TourSession, dates: list[TourSession]) -> list[TourSession]:
    """The sessions closest in time: who names another date names one near by."""
    return sorted(dates, key=lambda session: abs(session.starts_at - first.starts_at))[1:5]
