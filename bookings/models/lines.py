"""Where a party stands in a line, at a cost that does not grow with the line."""

from typing import NamedTuple

from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from bookings.models.bookings import Booking

# So many parties ahead are counted one by one; more are told from the session's kept numbers.
COUNTED = 100


class Ahead(NamedTuple):
    """How many parties stand before one; ``is_about`` if they were not counted: then two figures of it are told."""

    parties: int
    is_about: bool = False

    @property
    def number(self) -> str:
        return number_format(self.parties, force_grouping=True)

    @property
    def words(self) -> str:
        if not self.parties:
            return gettext("Nobody is ahead of you.")
        if self.is_about:
            return gettext("About %(ahead)s parties are ahead of you.") % {"ahead": self.number}
        told = ngettext("%(ahead)s party is ahead of you.", "%(ahead)s parties are ahead of you.", self.parties)
        return told % {"ahead": self.parties}


def parties_ahead(booking: Booking) -> Ahead:
    """Reads the front of the line and no more; counts the parties as they would be asked, first call first.

    Behind the front, numbers that were left are taken to lie as thick everywhere: so many of those that wait stand
    before this one as its number is far between the end of the front and the next number to be given.
    """
    session = booking.session
    front = list(session.bookings.in_line().values_list("first_call", "queue_number")[: COUNTED + 1])
    number = booking.queue_number or 0
    own = (not booking.first_call, number)
    counted = sum((not first_call, other or 0) < own for first_call, other in front)
    if counted <= COUNTED:
        return Ahead(counted)
    first_call, last = front[-1]
    last = 0 if first_call or last is None else last  # First call tells nothing of the numbers that are asked in turn.
    behind = max(session.parties_waiting - counted, 0)
    share = (number - last) / max(session.next_queue_number - last, 1)
    return Ahead(_in_two_figures(counted + int(behind * min(max(share, 0), 1))), is_about=True)


def _in_two_figures(number: int) -> int:
    """Rounded down, so that nobody is told of more parties than there may be."""
    unit = 10 ** (len(str(number)) - 2)
    return int(number // unit * unit)
