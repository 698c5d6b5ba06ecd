"""On which other dates a confirmed party would come, if a party there wants its own."""

from collections.abc import Collection, Iterable
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Fieldset, Layout, Submit
from django import forms
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from bookings.models import Booking

CHOOSE = _("Choose at least one date.")


class SwapForm(forms.Form):
    """``sessions`` are ids and words of the sessions that can be wished for, ``wished`` the ids wished now.

    It names the booking it was made for, so that an old page wishes nothing for another.
    """

    def __init__(
        self, booking: Booking, sessions: Iterable[tuple[int, str]], data: Any = None, *, wished: Collection[int]
    ) -> None:
        super().__init__(data, initial={"booking": booking.pk, "sessions": list(wished)})
        self.fields["booking"] = forms.IntegerField(widget=forms.HiddenInput)
        self.fields["sessions"] = forms.TypedMultipleChoiceField(
            label=_("We would also come on"),
            help_text=_("A party of your size always fits, a larger one only where places are free for all of it."),
            choices=list(sessions),
            coerce=int,
            widget=forms.CheckboxSelectMultiple,
            error_messages={"required": CHOOSE, "invalid_choice": CHOOSE},
        )
        self.helper = FormHelper()
        self.helper.form_action = reverse("visit_swap", kwargs={"code": booking.party.code})
        self.helper.layout = Layout(
            "booking",
            Fieldset(_("Your wish"), "sessions"),
            Submit("swap", _("Change our wish") if wished else _("Wish to swap")),
        )
