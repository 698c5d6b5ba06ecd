"""A field that people do not see and programs fill in."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy


class NeverFilled(forms.TextInput):
    """Shown empty again, so that whoever was taken for a program only has to send the form once more."""

    def format_value(self, value: Any) -> None:
        return None


class TrapField(forms.CharField):
    def __init__(self) -> None:
        super().__init__(
            label=gettext_lazy("Leave this empty"),
            required=False,
            widget=NeverFilled(attrs={"tabindex": "-1", "autocomplete": "off"}),
        )
        self.quiet_optional = True

    def clean(self, value: Any) -> str:
        if value:
            raise ValidationError(gettext_lazy("Something was written where only programs write. Send the form again."))
        return ""
