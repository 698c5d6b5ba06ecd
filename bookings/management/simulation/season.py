"""A season that many want: its sessions are full and parties stand in line before the first rule is tried on it."""

import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from i18nfield.strings import LazyI18nString

from bookings.domain import sign_up, visit
from bookings.domain.people import Person
from bookings.domain.sign_up import Lead, Wishes
from bookings.models import BookingStatus, Party, Season, Tour, TourSession, Venue

ZONE = ZoneInfo("Asia/Shanghai")
OPENS = datetime(2027, 3, 1, 10, 0, tzinfo=ZONE)
# The first roster locks so long after the opening, the next ones a day apart.
UNTIL_FIRST_LOCK = timedelta(days=14)
LOCKS_BEFORE_START = timedelta(days=2)
LASTS = timedelta(hours=2)
# Both limits bind: this many parties of the mean size fill a little more than the places.
PLACES, PARTIES = 60, 23
SIZES, SIZE_WEIGHTS = [1, 2, 3, 4], [1, 4, 4, 2]
# How many sessions a party names.
CHOICES, CHOICE_WEIGHTS = [1, 2, 3], [1, 1, 1]
# Parties ask until so many stand in the line of a session, on average.
IN_LINE = 30
CANCELS, SHORT_NOTICE = 0.25, 0.3
# All of them in the rush of the opening.
EVERY = timedelta(seconds=2)


@dataclass(frozen=True)
class Plans:
    """What a party is like, whatever the rule."""

    size: int
    short_notice: bool
    # The share of the weeks until the roster locks after which it gives up its places; None if it comes.
    cancels_after: float | None
    waited: bool


def fill_season(*, sessions: int, chance: random.Random) -> dict[int, Plans]:
    """Write a season and let parties ask and prove their mailboxes until its lines are long; returns their plans."""
    locks = [OPENS + UNTIL_FIRST_LOCK + timedelta(days=day) for day in range(sessions)]
    season = _write_season(locks)
    choices = list(season.sessions.order_by("starts_at").values_list("pk", flat=True))
    plans: dict[int, Plans] = {}
    asks_at = OPENS
    while sum(season.sessions.values_list("parties_waiting", flat=True)) < IN_LINE * sessions:
        size = chance.choices(SIZES, SIZE_WEIGHTS)[0]
        named = min(chance.choices(CHOICES, CHOICE_WEIGHTS)[0], sessions)
        short_notice = chance.random() < SHORT_NOTICE
        cancels_after = chance.random() if chance.random() < CANCELS else None
        asks_at += EVERY
        party = _asks(chance.sample(choices, named), size=size, short_notice=short_notice, chance=chance, now=asks_at)
        waited = party.bookings.filter(status=BookingStatus.WAITING).exists()
        plans[party.pk] = Plans(size, short_notice, cancels_after, waited)
    return plans


def _write_season(locks: list[datetime]) -> Season:
    tour = Tour.objects.create(slug="played", title=_words("A tour"), largest_party=max(SIZES))
    venue = Venue.objects.create(name=_words("A house"), gate=_words("Gate"), time_zone=ZONE.key)
    season = Season.objects.create(
        tour=tour,
        title=_words("A season"),
        published=True,
        opens_at=OPENS,
        closes_at=locks[-1],
        choices_allowed=max(CHOICES),
    )
    for lock in locks:
        TourSession.objects.create(
            season=season,
            venue=venue,
            starts_at=lock + LOCKS_BEFORE_START,
            ends_at=lock + LOCKS_BEFORE_START + LASTS,
            roster_locks_at=lock,
            capacity=PLACES,
            sell_limit=PLACES,
            max_parties=PARTIES,
        )
    return season


def _asks(choices: list[int], *, size: int, short_notice: bool, chance: random.Random, now: datetime) -> Party:
    submission_key = uuid.UUID(int=chance.getrandbits(128), version=4)
    people = [Person(f"Visitor {number}", 18, None) for number in range(1, size + 1)]
    sign_up.request_places(
        choices,
        lead=Lead(people[0], f"{submission_key.hex}@example.com", "en"),
        companions=people[1:],
        wishes=Wishes(smallest_size=size, short_notice=short_notice),
        submission_key=submission_key,
        now=now,
    )
    party = Party.objects.get(submission_key=submission_key)
    visit.prove_mailbox(party.pk, now=now + EVERY / 2)
    return party


def _words(text: str) -> LazyI18nString:
    return LazyI18nString({"en": text})
