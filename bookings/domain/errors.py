"""A rule said no."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class BookingError(Exception):
    """A refusal, with a sentence fit for the visitor. Each is defined beside the rule that raises it."""

    message: str | Promise = _("This is not possible now.")

    def __str__(self) -> str:
        return str(self.message)
