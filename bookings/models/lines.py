"""Where a party stands in a line, at a cost that does not grow with the line."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from bookings.models.bookings import Booking

# So many parties ahead are counted one by one; more are told from the session's kept numbers.
COUNTED = 100


class Ahead(NamedTuple):
    """How many parties stand before one; ``is_about`` if they were not counted: then two figures of it are told.

    ``is_most`` in the last call: whoever of them does not fit into what becomes free is passed.
    """

    parties: int
    is_about: bool = False
    is_most: bool = False

    @property
    def number(self) -> str:
        return number_format(self.parties, force_grouping=True)

    @property
    def words(self) -> str:
        if not self.parties:
            return gettext("Nobody is ahead of you.")
        if self.is_about:
            return gettext("About %(ahead)s parties are ahead of you.") % {"ahead": self.number}
        if self.is_most:
            told = ngettext(
                "At most %(ahead)s party is ahead of you.", "At most %(ahead)s parties are ahead of you.", self.parties
            )
        else:
            told = ngettext("%(ahead)s party is ahead of you.", "%(ahead)s parties are ahead of you.", self.parties)
        return told % {"ahead": self.number}


class _Stands(NamedTuple):
    """What of a booking in line says when it is asked."""

    first_call: bool
    short_notice: bool
    number: int

    def turn(self, *, is_last_call: bool) -> tuple[bool, bool, int]:
        return not self.first_call, is_last_call and not self.short_notice, self.number


class _Group(NamedTuple):
    """Those of a line with first call, or those without: the first of them by number, and how many they are in all.

    If they are more than the first, numbers that were left are taken to lie as thick among the rest as everywhere up
    to ``end``, the next number after them.
    """

    front: Sequence[_Stands]
    size: int
    end: int

    def before(self, number: int) -> int:
        """How many of them have a lower number."""
        lower = sum(each.number < number for each in self.front)
        if lower < len(self.front) or self.size <= lower:
            return lower
        last = self.front[-1].number if self.front else 0
        share = (number - last) / max(self.end - last, 1)
        return lower + int((self.size - lower) * min(max(share, 0), 1))

    def is_read_up_to(self, number: int) -> bool:
        """Nobody of it is in line at all where it is empty: who asks holds an offer elsewhere."""
        return not self.front or number <= self.front[-1].number


def parties_ahead(booking: Booking, *, now: datetime) -> Ahead:
    """Counts the parties as they would be asked: first call, in the last call then short notice, then the number.

    Reads the front of the line and no more; in the last call those of short notice as well, as far as they are counted.
    """
    is_last_call = booking.session.is_in_last_call(now)
    own = _Stands(booking.first_call, booking.short_notice, booking.queue_number or 0)
    turn = own.turn(is_last_call=is_last_call)
    line = booking.session.bookings.in_line()
    front = _read(line)
    counted = sum(each.turn(is_last_call=is_last_call) < turn for each in front)
    if len(front) <= COUNTED or (not is_last_call and counted <= COUNTED):
        return Ahead(counted, is_most=is_last_call and counted > 0)
    return _ahead_in_a_long_line(booking, own, front, line, is_last_call=is_last_call)


def _ahead_in_a_long_line(
    booking: Booking, own: _Stands, front: Sequence[_Stands], line: QuerySet[Booking], *, is_last_call: bool
) -> Ahead:
    called, others = _groups(booking, front, line)
    group = called if own.first_call else others
    ahead = 0 if own.first_call else called.size
    lower = group.before(own.number)
    if not is_last_call:
        return _about(ahead + lower)
    short = _read(line.filter(first_call=own.first_call, short_notice=True).order_by("least", "queue_number"))
    short_and_lower = sum(each.number < own.number for each in short)
    all_short = len(short)
    if all_short > COUNTED:  # As many among the rest as among the first, and no fewer than were read.
        share = max(sum(each.short_notice for each in group.front) / len(group.front), all_short / group.size)
        all_short, short_and_lower = int(group.size * share), int(lower * share)
    ahead += short_and_lower if own.short_notice else all_short + lower - short_and_lower
    is_counted = called.size == len(called.front) and len(short) <= COUNTED
    if is_counted and (own.short_notice or group.is_read_up_to(own.number)) and ahead <= COUNTED:
        return Ahead(ahead, is_most=ahead > 0)
    return _about(ahead)


def _groups(booking: Booking, front: Sequence[_Stands], line: QuerySet[Booking]) -> tuple[_Group, _Group]:
    """Those with first call and those without. If the front holds the former alone, their numbers tell how many."""
    session = booking.session
    called = [each for each in front if each.first_call]
    others = front[len(called) :]
    size, end = len(called), 0
    if not others:
        others = _read(line.filter(first_call=False))
        latest = line.filter(first_call=True).order_by("-queue_number").values_list("queue_number", flat=True)[0]
        end = (latest or 0) + 1
        thick = size / (called[-1].number - called[0].number + 1)
        size = max(min(int(thick * (end - called[0].number)), session.parties_waiting - len(others)), size)
    size_of_others = max(session.parties_waiting - size, len(others))
    return _Group(called, size, end), _Group(others, size_of_others, session.next_queue_number)


def _read(line: QuerySet[Booking]) -> list[_Stands]:
    rows = line.values_list("first_call", "short_notice", "queue_number")[: COUNTED + 1]
    return [_Stands(first_call, short_notice, number or 0) for first_call, short_notice, number in rows]


def _about(number: int) -> Ahead:
    """In two figures, rounded down, so that nobody is told of more parties than there may be."""
    number = max(number, 2)
    unit = 10 ** max(len(str(number)) - 2, 0)
    return Ahead(int(number // unit * unit), is_about=True)
