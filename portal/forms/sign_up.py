"""What a party tells of itself when it asks for places."""

import re
import unicodedata
import uuid
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Field, Fieldset, Layout, Submit
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import get_language, gettext, gettext_lazy, ngettext

from bookings.domain.sign_up import Lead, Wishes
from bookings.models import SessionState, Tour, TourSession, person_key
from portal.forms.email import EmailField
from portal.forms.layout import SizeTiles
from portal.forms.people import PeopleForm
from portal.forms.proof import shows_work
from portal.forms.stamp import StampField, with_stamp
from portal.forms.trap import TrapField
from portal.templatetags.times import session_date

MOST_NEEDS = 500
LONGEST_PHONE = 40
FEWEST_DIGITS = 5


class SignUpForm(PeopleForm):
    """One page on a phone. ``others`` are sessions of the season that may be named too: id and words.

    Of a page that is handed out, one value is its own: the stamp in ``submission_key``, made by ``new_stamp(now=now)``.
    Everything else is the same for everybody whom the session shows the same.
    """

    def __init__(
        self,
        session: TourSession,
        others: Sequence[tuple[int | str, str]],
        data: QueryDict | dict[str, Any] | None = None,
        *,
        state: SessionState = SessionState.PLACES,
        now: datetime,
    ) -> None:
        tour = session.season.tour
        super().__init__(tour, with_stamp(data, now=now), day=session_date(session))
        self.session = session
        self.fields["size"] = size_field(tour)
        self.fields["email"] = EmailField(
            label=gettext_lazy("Email"), help_text=gettext_lazy("Your places, changes and reminders come here.")
        )
        if session.season.asks_phone:
            self.fields["phone"] = PhoneField()
        for number in range(max(2, tour.smallest_party + 1), tour.largest_party + 1):
            words = gettext("Leave this empty if you are fewer than %(n)s.")
            self.fields[f"name_{number}"].help_text = words % {"n": number}
        if tour.smallest_party < tour.largest_party:
            self.fields["smallest_size"] = smallest_size_field(least=tour.smallest_party, size=tour.largest_party)
        self.fields["access_needs"] = NeedsField()
        # A choice that is gone meanwhile keeps its field, so that nobody is left out of a session unknowingly.
        numbers = [
            number
            for number in range(2, session.season.choices_allowed + 1)
            if number - 2 < count_others(session, others) or (data and data.get(f"other_{number}"))
        ]
        self.others = [f"other_{number}" for number in numbers]
        self.fields |= {f"other_{number}": other_field(others, number=number) for number in numbers}
        self.fields["short_notice"] = short_notice_field()
        self.consents = {f"consent_{consent.pk}": consent for consent in tour.consents.all()}
        for name, consent in self.consents.items():
            words = gettext("We need your yes to this: %(sentence)s") % {"sentence": consent.text}
            self.fields[name] = forms.BooleanField(
                label=str(consent.text), required=consent.required, error_messages={"required": words}
            )
        self.fields["leave_empty"] = TrapField()
        self.fields["submission_key"] = StampField(sent=str((data or {}).get("submission_key", "")), now=now)
        if settings.PROOF_OF_WORK:
            self.fields["proof"] = proof_field()
        self.order_fields(self._in_order_of_the_page())
        self.state = state

    @property
    def party_size(self) -> int | None:
        size = self.cleaned_data.get("size")
        return int(size) if size else None

    @property
    def proves_first(self) -> bool:
        """Whether places are kept only once the mailbox is proven: the form shows no work where it was asked to."""
        shown = str(self.data.get("proof", ""))
        return settings.PROOF_OF_WORK and not shows_work(shown, stamp=str(self.data["submission_key"]))

    def asked(self) -> dict[str, Any]:
        """The arguments of ``request_places``."""
        answers = self.cleaned_data
        smallest = answers.get("smallest_size") or answers["size"]
        named = [int(answers[name]) for name in self.others if answers[name]]
        return {
            "choices": list(dict.fromkeys([self.session.pk, *named])),
            "lead": Lead(
                person=self.lead,
                email=answers["email"],
                language=get_language() or "en",
                phone=answers.get("phone", ""),
            ),
            "companions": self.companions,
            "wishes": Wishes(
                smallest_size=int(smallest),
                short_notice=answers["short_notice"],
                access_needs=answers["access_needs"],
                consents=[consent.pk for name, consent in self.consents.items() if answers[name]],
            ),
            # Somebody who goes back and asks for another person means it.
            "submission_key": uuid.uuid5(answers["submission_key"], person_key(answers["email"])),
            "proves_first": self.proves_first,
        }

    def _in_order_of_the_page(self) -> list[str]:
        """Errors are told in this order."""
        rows = [f"{kind}_{number}" for number in range(2, self.most + 1) for kind in ("name", "age")]
        first = ["size", "lead_name", "lead_age", "email", "phone"]
        return [*first, *rows, "access_needs", "smallest_size", *self.others, "short_notice", *self.consents]

    @cached_property
    def helper(self) -> FormHelper:
        """How the page shows it: most forms are sent, found right and never shown."""
        helper = FormHelper()
        phone = ["phone"] if "phone" in self.fields else []
        smallest = ["smallest_size"] if "smallest_size" in self.fields else []
        pairs = self.companion_pairs()
        companions = [Fieldset(gettext_lazy("Who comes with you"), *pairs, "access_needs", css_id="companions")]
        act = (
            gettext_lazy("Join the waitlist") if self.state == SessionState.WAITLIST else gettext_lazy("Ask for places")
        )
        helper.layout = Layout(
            Fieldset(
                gettext_lazy("Your party"),
                SizeTiles("size"),
                self.lead_pair(),
                "email",
                *phone,
                *([] if pairs else ["access_needs"]),
            ),
            *(companions if pairs else []),
            Fieldset(gettext_lazy("If there is no room at once"), *smallest, *self.others, "short_notice"),
            *([Fieldset(gettext_lazy("Before you ask"), *self.consents)] if self.consents else []),
            Field("leave_empty", wrapper_class="visually-hidden"),
            "submission_key",
            *(["proof"] if "proof" in self.fields else []),
            Submit("ask", act, css_id="ask"),
        )
        return helper


class PhoneField(forms.CharField):
    def __init__(self) -> None:
        super().__init__(
            label=gettext_lazy("Phone"),
            help_text=gettext_lazy("Only for the day itself, if something changes at the last minute."),
            required=False,
            widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "inputmode": "tel"}),
        )

    def to_python(self, value: Any) -> str:
        phone = unicodedata.normalize("NFKC", str(value or "")).strip()
        digits = sum(sign.isdigit() for sign in phone)
        if phone and (
            not re.fullmatch(r"[0-9+()./ -]+", phone) or digits < FEWEST_DIGITS or len(phone) > LONGEST_PHONE
        ):
            raise ValidationError(gettext("Write the phone number in digits, like +86 138 0000 0000."))
        return phone


class NeedsField(forms.CharField):
    def __init__(self) -> None:
        super().__init__(
            label=gettext_lazy("Anything we should prepare?"),
            help_text=gettext_lazy("A wheelchair, a quieter place in the group, a sign language guide."),
            required=False,
            widget=forms.Textarea(attrs={"rows": 3}),
        )

    def to_python(self, value: Any) -> str:
        lines = str(value or "").replace("\r\n", "\n").replace("\r", "\n")
        needs = "".join(
            sign for sign in lines if sign == "\n" or unicodedata.category(sign) not in {"Cc", "Cs"}
        ).strip()
        if len(needs) > MOST_NEEDS:
            words = gettext("Say it in at most %(most)s characters; this has %(count)s.")
            raise ValidationError(words % {"most": MOST_NEEDS, "count": len(needs)})
        return needs


def proof_field() -> forms.CharField:
    """Filled in by proof.js, which asks for its task behind this address."""
    address = reverse("proof", args=["-"]).removesuffix("-")
    return forms.CharField(
        required=False, widget=forms.HiddenInput(attrs={"autocomplete": "off", "data-challenge": address})
    )


def count_others(session: TourSession, others: Sequence[tuple[int | str, str]]) -> int:
    """How many of ``others`` a party may name."""
    return min(session.season.choices_allowed - 1, len(others))


def size_field(tour: Tour) -> forms.ChoiceField:
    sizes = range(tour.smallest_party, tour.largest_party + 1)
    if len(sizes) == 1:
        outside = ngettext(
            "A party on this tour has %(n)s person.", "A party on this tour has %(n)s people.", sizes[0]
        ) % {"n": sizes[0]}
    else:
        outside = gettext("A party on this tour has %(least)s to %(most)s people. Choose one of the sizes.") % {
            "least": sizes[0],
            "most": sizes[-1],
        }
    return forms.ChoiceField(
        label=gettext_lazy("How many people will come?"),
        help_text=gettext_lazy("You count too."),
        choices=[(str(size), people(size)) for size in sizes],
        initial=str(min(max(2, sizes[0]), sizes[-1])),
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose how many people will come."), "invalid_choice": outside},
    )


def smallest_size_field(*, least: int, size: int) -> forms.ChoiceField:
    """With how few of ``size`` people a party would come, down to the ``least`` that the tour takes."""
    fewer = range(size - 1, least - 1, -1)
    at_least = [(str(n), ngettext("Even %(n)s of us", "Even %(n)s of us", n) % {"n": n}) for n in fewer]
    return forms.ChoiceField(
        label=gettext_lazy("Would fewer of you come, too?"),
        help_text=gettext_lazy(
            "Then you may be offered fewer places than you are people. Saying no to them costs nothing: you keep your"
            " number and wait for all of you."
        ),
        choices=[("", gettext_lazy("No, only all of us together")), *at_least],
        required=False,
        error_messages={"invalid_choice": gettext_lazy("Choose a number from the list.")},
    )


def short_notice_field() -> forms.BooleanField:
    return forms.BooleanField(
        label=gettext_lazy("We can come at short notice"),
        help_text=gettext_lazy(
            "In the last 24 hours before the list of visitors is fixed, free places go first to parties that say so."
        ),
        required=False,
    )


def other_field(others: Sequence[tuple[int | str, str]], *, number: int) -> forms.ChoiceField:
    labels = {2: gettext_lazy("Your second choice"), 3: gettext_lazy("Your third choice")}
    field = forms.ChoiceField(
        label=labels.get(number) or gettext("Choice %(number)s") % {"number": number},
        choices=[("", gettext_lazy("No other session")), *((str(pk), words) for pk, words in others)],
        required=False,
        error_messages={
            "invalid_choice": gettext_lazy("The session you had chosen takes no sign-ups any more. Choose another.")
        },
    )
    if number == 2:
        field.help_text = gettext("If this session is full, your places are kept in the first of these that has room.")
    return field


def people(size: int) -> str:
    if size == 1:
        return gettext("Just me")
    return ngettext("%(n)s person", "%(n)s people", size) % {"n": size}
