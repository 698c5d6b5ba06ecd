"""Whether a session can be asked for now."""

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from bookings.domain.errors import BookingError
from bookings.models import SeasonMode, SessionState, TourSession


class SignUpClosed(BookingError):
    message = _("Sign-up for this session is closed.")


class SignUpNotYetOpen(BookingError):
    message = _("Sign-up for this session has not opened yet.")


class SessionCalledOff(BookingError):
    message = _("This session will not take place.")


class SessionUnknown(BookingError):
    message = _("There is no such session. Choose one from the list.")


class TooLargeForSession(BookingError):
    message = _("This session has fewer places than your party has people.")


def check_open(session: TourSession, *, now: datetime, is_in: bool = False) -> None:
    """Raises SessionCalledOff, SignUpClosed or SignUpNotYetOpen.

    The end of sign-up is for newcomers: a party that ``is_in`` the season may ask until the roster locks, unless a
    host closed the session.
    """
    if session.season.mode != SeasonMode.FIRST_COME:
        raise SignUpClosed
    match session.state(now, is_in=is_in):
        case SessionState.CALLED_OFF:
            raise SessionCalledOff
        case SessionState.CLOSED:
            raise SignUpClosed
        case SessionState.NOT_YET:
            raise SignUpNotYetOpen
