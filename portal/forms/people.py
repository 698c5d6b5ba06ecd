"""Who comes, as asked on every form: full names, and ages on the day in the bands that the tour's rules cut."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, gettext_lazy, ngettext_lazy

from bookings.domain.people import Person
from bookings.models import Tour
from portal.forms.layout import Pair

LONGEST_NAME = 120

# Control, format (bidi controls, zero width), lone surrogates: nothing that an ID shows.
UNSEEN = {"Cc", "Cf", "Cs"}
# Letters by their category that show nothing.
BLANK_LETTERS = "\u115f\u1160\u3164\uffa0"
# Pictures, and the frames and tones that make one of a digit or of another picture.
PICTURES = {"So", "Me"}
SKIN_TONES = range(0x1F3FB, 0x1F400)


class NameField(forms.CharField):
    """A full name in any script, on one line."""

    default_error_messages = {
        "required": gettext_lazy("Write the full name."),
        "no_letter": gettext_lazy("Write the name in letters, in any script."),
        "picture": gettext_lazy("Write the name without emoji or symbols, as the ID shows it."),
        "too_long": ngettext_lazy(
            "This name has %(count)s character, and we can take %(most)s. Write it as short as the ID allows.",
            "This name has %(count)s characters, and we can take %(most)s. Write it as short as the ID allows.",
            "count",
        ),
    }

    def to_python(self, value: Any) -> str:
        name = one_line(super().to_python(value) or "")
        if not name:
            return ""
        if any(unicodedata.category(sign) in PICTURES or ord(sign) in SKIN_TONES for sign in name):
            raise ValidationError(self.error_messages["picture"], code="picture")
        if not any(unicodedata.category(sign).startswith("L") for sign in name):
            raise ValidationError(self.error_messages["no_letter"], code="no_letter")
        if len(name) > LONGEST_NAME:
            counts = {"count": len(name), "most": LONGEST_NAME}
            raise ValidationError(self.error_messages["too_long"], code="too_long", params=counts)
        return name


class PeopleForm(forms.Form):
    """The lead and the companions: fields ``lead_name``, ``lead_age``, ``name_2``, ``age_2`` and so on up to ``most``.

    A form says by ``party_size`` how many of them count; the other rows are kept as typed and not looked at. ``day`` is
    the day of the visit in words.
    """

    def __init__(self, tour: Tour, *args: Any, day: str, most: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tour = tour
        self.day = day
        self.most = most or tour.largest_party
        bands = age_choices(tour)
        self.fields["lead_name"] = NameField(
            label=gettext_lazy("Your full name"),
            help_text=gettext_lazy("As on the ID you will show at the gate."),
            error_messages={"required": gettext_lazy("Write your full name.")},
            widget=forms.TextInput(attrs={"autocomplete": "name", "dir": "auto"}),
        )
        self.fields["lead_age"] = forms.ChoiceField(
            label=gettext_lazy("Your age on the day"), choices=bands, initial=bands[-1][0], error_messages=WHICH_AGE
        )
        for number in range(2, self.most + 1):
            self.fields[f"name_{number}"] = _quiet(
                NameField(
                    label=gettext("Full name of person %(number)s") % {"number": number},
                    required=False,
                    widget=forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"}),
                )
            )
            self.fields[f"age_{number}"] = _quiet(
                forms.ChoiceField(
                    label=gettext_lazy("Age on the day"),
                    # Translators: the first line of a list of ages
                    choices=[("", gettext_lazy("Choose")), *bands],
                    required=False,
                    error_messages=WHICH_AGE,
                )
            )

    @property
    def party_size(self) -> int | None:
        """How many come, the lead included; None where the answer cannot be read."""
        return self.most

    @property
    def lead(self) -> Person:
        return self._person("lead_name", "lead_age")

    @property
    def companions(self) -> list[Person]:
        return [self._person(f"name_{number}", f"age_{number}") for number in self._rows()]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self._forget_what_does_not_count()
        for number in self._rows():
            self._ask_for_missing(number)
        self._check_ages()
        return cleaned

    def lead_pair(self) -> Pair:
        return Pair("lead_name", "lead_age")

    def companion_pairs(self) -> list[Pair]:
        return [Pair(f"name_{number}", f"age_{number}") for number in range(2, self.most + 1)]

    def _rows(self) -> range:
        return range(2, min(self.party_size or 1, self.most) + 1)

    def _forget_what_does_not_count(self) -> None:
        rows = self._rows()
        for number in range(2, self.most + 1):
            if number not in rows:
                self.errors.pop(f"name_{number}", None)
                self.errors.pop(f"age_{number}", None)

    def _ask_for_missing(self, number: int) -> None:
        name = self.cleaned_data.get(f"name_{number}")
        if name == "":
            words = gettext("Write the full name of person %(number)s, or choose a smaller party.")
            self.add_error(f"name_{number}", words % {"number": number})
        if self.cleaned_data.get(f"age_{number}") == "":
            who = name or gettext("person %(number)s") % {"number": number}
            words = gettext("Say how old %(name)s will be on %(day)s.")
            self.add_error(f"age_{number}", words % {"name": who, "day": self.day})

    def _check_ages(self) -> None:
        fields = {"lead_age": "lead_name"} | {f"age_{number}": f"name_{number}" for number in self._rows()}
        ages = {field: read_band(self.cleaned_data[field]) for field in fields if self.cleaned_data.get(field)}
        for field, (low, _high) in ages.items():
            if low < self.tour.minimum_age:
                words = gettext("%(name)s would be under %(age)s on %(day)s. The tour is for visitors from %(age)s.")
                self.add_error(field, words % self._facts(fields[field], self.tour.minimum_age))
        if (
            self.party_size
            and len(ages) == len(fields)
            and all(low < self.tour.adult_age for low, _high in ages.values())
        ):
            words = gettext(
                "%(name)s would be under %(age)s on %(day)s. At least one adult has to come with the party."
            )
            self.add_error("lead_age", words % self._facts("lead_name", self.tour.adult_age))

    def _facts(self, name_field: str, age: int) -> dict[str, object]:
        # Translators: stands for the name of somebody who has not given it
        name = self.cleaned_data.get(name_field) or gettext("This visitor")
        return {"name": name, "age": age, "day": self.day}

    def _person(self, name: str, age: str) -> Person:
        low, high = read_band(self.cleaned_data[age])
        return Person(self.cleaned_data[name], low, high)


WHICH_AGE = {
    "required": gettext_lazy("Choose an age from the list."),
    "invalid_choice": gettext_lazy("Choose an age from the list."),
}


def one_line(text: str) -> str:
    """The text as an ID would show it: composed, on one line, without what cannot be seen."""
    spaced = re.sub(r"\s+", " ", text)
    seen = (sign for sign in spaced if unicodedata.category(sign) not in UNSEEN and sign not in BLANK_LETTERS)
    return re.sub(" +", " ", unicodedata.normalize("NFC", "".join(seen))).strip()


def age_choices(tour: Tour) -> list[tuple[str, str]]:
    return [(write_band(low, high), band_words(low, high)) for low, high in tour.age_bands]


def write_band(low: int, high: int | None) -> str:
    """``6-17``, ``18-``: how an age is called in a form."""
    return f"{low}-{'' if high is None else high}"


def read_band(value: str) -> tuple[int, int | None]:
    low, _dash, high = value.partition("-")
    return int(low), int(high) if high else None


def initial_people(people: Sequence[tuple[str, int, int | None]]) -> dict[str, str]:
    """What ``Party.people()`` knows, as the first answers of a PeopleForm."""
    first: dict[str, str] = {}
    for number, (name, low, high) in enumerate(people, start=1):
        name_field, age_field = ("lead_name", "lead_age") if number == 1 else (f"name_{number}", f"age_{number}")
        first |= {name_field: name, age_field: write_band(low, high)}
    return first


def band_words(low: int, high: int | None) -> str:
    if high is None:
        return gettext("%(age)s or older") % {"age": low} if low else gettext("Any age")
    if not low:
        return gettext("Under %(age)s") % {"age": high + 1}
    return gettext("%(from)s to %(to)s") % {"from": low, "to": high}


def _quiet(field: forms.Field) -> forms.Field:
    """Needed by some, not by all: “(optional)” would be wrong."""
    field.quiet_optional = True  # type: ignore[attr-defined]
    return field
