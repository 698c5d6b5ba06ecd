"""What a party wishes of the lines it stands in."""

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Fieldset, Layout, Submit
from django import forms
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from bookings.models import Party
from portal.forms.sign_up import short_notice_field, smallest_size_field


class WishesForm(forms.Form):
    """With how few people the party would come, and whether at short notice."""

    def __init__(self, party: Party, data: Any = None) -> None:
        fewer = party.smallest_size if party.smallest_size < party.size else ""
        super().__init__(data, initial={"smallest_size": str(fewer), "short_notice": party.short_notice})
        self.size = party.size
        least = party.season.tour.smallest_party
        if least < party.size:
            self.fields["smallest_size"] = smallest_size_field(least=least, size=party.size)
        self.fields["short_notice"] = short_notice_field()
        self.helper = FormHelper()
        self.helper.form_action = reverse("visit_wishes", kwargs={"code": party.code})
        self.helper.layout = Layout(
            Fieldset(_("Your wishes"), *self.fields),
            Submit("wishes", _("Keep these wishes")),
        )

    def wished(self) -> dict[str, Any]:
        """The arguments of ``change_wishes``."""
        smallest = self.cleaned_data.get("smallest_size")
        return {
            "smallest_size": int(smallest) if smallest else self.size,
            "short_notice": self.cleaned_data["short_notice"],
        }
