"""A moment is typed as a date and a time: each of the two fields says to a screen reader which it is, and of what."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Field
from django.http import HttpRequest
from django.utils.text import format_lazy

# The words stand beside the fields already, in Django's own catalogue.
from django.utils.translation import gettext_lazy as in_djangos_words


class NamesMoments(admin.ModelAdmin):
    def formfield_for_dbfield(
        self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(field, forms.SplitDateTimeField) and isinstance(field.widget, forms.MultiWidget):
            for widget, word in zip(field.widget.widgets, ("Date:", "Time:"), strict=True):
                widget.attrs["aria-label"] = format_lazy("{} {}", field.label, in_djangos_words(word))
        return field
