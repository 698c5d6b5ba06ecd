"""Who comes: how many, how old, and by what names."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from bookings.domain.errors import BookingError
from bookings.models import Member, Party, Tour


class PartyTooLarge(BookingError):
    message = _("Your party is larger than this tour takes.")


class PartyTooSmall(BookingError):
    message = _("Your party is smaller than this tour takes.")


class TooYoung(BookingError):
    message = _("Somebody in your party would be too young for this tour on that day.")


class NoAdult(BookingError):
    message = _("At least one adult has to come with the party.")


class NamesMissing(BookingError):
    message = _("Name everybody who comes.")


@dataclass(frozen=True)
class Person:
    """Somebody who comes; ages are years on the day of the visit, ``age_to`` None for no upper end."""

    name: str
    age_from: int
    age_to: int | None


def check_people(tour: Tour, people: Sequence[Person]) -> None:
    """Raises PartyTooSmall, PartyTooLarge, NamesMissing, TooYoung or NoAdult."""
    if len(people) < tour.smallest_party:
        raise PartyTooSmall
    if len(people) > tour.largest_party:
        raise PartyTooLarge
    if not all(person.name.strip() for person in people):
        raise NamesMissing
    if any(person.age_from < tour.minimum_age for person in people):
        raise TooYoung
    if not any(person.age_from >= tour.adult_age for person in people):
        raise NoAdult


def write_members(party: Party, companions: Sequence[Person]) -> None:
    """In place of those that were written."""
    party.members.all().delete()
    add_members(party, companions)


def add_members(party: Party, companions: Sequence[Person]) -> None:
    Member.objects.bulk_create(
        Member(party=party, position=position, name=person.name, age_from=person.age_from, age_to=person.age_to)
        for position, person in enumerate(companions, start=2)
    )
