"""Pieces of form layout that crispy-forms does not bring."""

from typing import Any

from crispy_forms.layout import Field, LayoutObject
from django.forms import BaseForm
from django.template import Context
from django.template.loader import render_to_string


class SizeTiles(Field):  # type: ignore[misc]
    """A choice of size, shown as tiles with as many figures."""

    template = "%s/layout/size_tiles.html"


class Pair(LayoutObject):  # type: ignore[misc]
    """Two fields in one row, with what is wrong with either above both."""

    template = "%s/layout/pair.html"

    def __init__(self, first: str, second: str) -> None:
        self.fields = [first, second]

    def render(self, form: BaseForm, context: Context, template_pack: Any = "bootstrap5", **kwargs: object) -> str:
        form.rendered_fields.update(self.fields)  # type: ignore[attr-defined]
        first, second = (form[name] for name in self.fields)
        return render_to_string(self.get_template_name(template_pack), {"first": first, "second": second})
