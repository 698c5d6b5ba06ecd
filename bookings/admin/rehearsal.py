"""A form asks the rules by rehearsal: the change is made, and undone before anybody could see it."""

from collections.abc import Callable

from django.db import transaction

from bookings.domain.errors import BookingError


def refusal_of(change: Callable[[], None]) -> str:
    """What the rules would answer to this change now; nothing if they take it.

    Between the rehearsal and the change somebody may be faster, so that the change itself may still be refused.
    """
    try:
        with transaction.atomic():
            change()
            transaction.set_rollback(True)
    except BookingError as refusal:
        return str(refusal)
    return ""
