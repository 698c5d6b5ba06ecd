"""What a party changes on its own page: who comes, and what the house should prepare."""

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Fieldset, Layout, Submit
from django import forms
from django.utils.translation import gettext_lazy as _

from bookings.models import Party
from portal.forms.layout import SizeTiles
from portal.forms.people import PeopleForm, initial_people
from portal.forms.sign_up import NeedsField, people

CHOOSE = _("Choose how many people will come.")


class FewerForm(PeopleForm):
    """A smaller party: how many, and who of them."""

    def __init__(self, party: Party, data: Any, *, day: str) -> None:
        tour = party.season.tour
        super().__init__(tour, data, day=day, most=party.size - 1, initial=initial_people(party.people()))
        sizes = range(tour.smallest_party, party.size)
        self.fields["size"] = forms.TypedChoiceField(
            label=_("How many people will come?"),
            choices=[(size, people(size)) for size in sizes],
            coerce=int,
            initial=party.size - 1,
            widget=forms.RadioSelect,
            error_messages={"required": CHOOSE, "invalid_choice": CHOOSE},
        )
        self.helper = FormHelper()
        self.helper.layout = Layout(
            Fieldset(_("Your party"), SizeTiles("size"), self.lead_pair(), *self.companion_pairs()),
            Submit("fewer", _("Come with fewer people")),
        )

    @property
    def party_size(self) -> int | None:
        size: int | None = self.cleaned_data.get("size")
        return size


class PeopleOfPartyForm(PeopleForm):
    """The same number of people, their names and ages put right."""

    def __init__(self, party: Party, data: Any, *, day: str) -> None:
        first = {**initial_people(party.people()), "access_needs": party.access_needs}
        super().__init__(party.season.tour, data, day=day, most=party.size, initial=first)
        self.fields["access_needs"] = NeedsField()
        self.helper = FormHelper()
        self.helper.layout = Layout(
            Fieldset(_("Your party"), self.lead_pair(), *self.companion_pairs(), "access_needs"),
            Submit("people", _("Keep these names")),
        )
