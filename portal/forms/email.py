"""An email address, as phones and input methods write it."""

import unicodedata
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from portal.forms.people import one_line

LONGEST_EMAIL = 254
IN_FULL = gettext_lazy("Write the email address in full, like name@example.com")


class EmailField(forms.EmailField):
    """Full-width signs of Chinese keyboards become the plain ones: name＠example。com"""

    default_error_messages = {
        "required": IN_FULL,
        "invalid": IN_FULL,
        "max_length": gettext_lazy("An email address has at most 254 characters. Check this one."),
    }

    def __init__(self, **kwargs: Any) -> None:
        signs = {"autocomplete": "email", "inputmode": "email", "spellcheck": "false", "autocapitalize": "none"}
        super().__init__(max_length=LONGEST_EMAIL, widget=forms.EmailInput(attrs=signs), **kwargs)
        # A browser that cuts what is pasted would send another address.
        del self.widget.attrs["maxlength"]

    def clean(self, value: Any) -> Any:
        address = super().clean(value)
        if address.endswith("]"):  # The number of a machine: nobody's address, and one machine has many spellings.
            raise forms.ValidationError(IN_FULL)
        return address

    def to_python(self, value: Any) -> str:
        plain = unicodedata.normalize("NFKC", str(value or "")).replace("。", ".")
        return super().to_python(one_line(plain)) or ""
