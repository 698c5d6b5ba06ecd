"""Whoever lost the mail with the link asks for it by address."""

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Field, Layout, Submit
from django import forms
from django.utils.translation import gettext_lazy

from portal.forms.email import EmailField
from portal.forms.trap import TrapField


class SendLinkForm(forms.Form):
    email = EmailField(
        label=gettext_lazy("Email"), help_text=gettext_lazy("The address with which you asked for places.")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["leave_empty"] = TrapField()
        self.helper = FormHelper()
        self.helper.layout = Layout(
            "email",
            Field("leave_empty", wrapper_class="visually-hidden"),
            Submit("send", gettext_lazy("Send me my link")),
        )
