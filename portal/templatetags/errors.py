"""What a form could not take, told once above the heading of its page."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django import template
from django.forms import BaseForm, BaseFormSet, CheckboxSelectMultiple, RadioSelect
from django.forms.boundfield import BoundField
from django.utils.translation import gettext, ngettext

register = template.Library()


class Entry(NamedTuple):
    words: str
    target: str  # the id of the field, or nothing where the error concerns the whole form


@register.inclusion_tag("portal/_error_summary.html")
def error_summary(*forms: "BaseForm | BaseFormSet[Any]") -> dict[str, object]:
    """List every error of these forms and formsets, each a link to its field with the very words that stand there."""
    entries = [entry for form in forms if form for entry in _entries(form)]
    return {"entries": entries, "title": _title(entries)}


@register.filter
def first_choice_id(field: BoundField) -> str:
    """Where a link to the field leads: groups of choices have no control with the field's own id."""
    if isinstance(field.field.widget, RadioSelect | CheckboxSelectMultiple):
        return f"{field.auto_id}_0"
    return field.id_for_label or field.auto_id


def _entries(form: "BaseForm | BaseFormSet[Any]") -> Iterator[Entry]:
    if isinstance(form, BaseFormSet):
        yield from (Entry(str(words), "") for words in form.non_form_errors())
        for part in form.forms:
            yield from _entries(part)
        return
    yield from (Entry(str(words), "") for words in form.non_field_errors())
    for field in form:
        target = "" if field.is_hidden else first_choice_id(field)
        yield from (Entry(str(words), target) for words in field.errors)


def _title(entries: list[Entry]) -> str:
    if not any(entry.target for entry in entries):
        return gettext("Nothing has been sent yet")
    count = len(entries)
    in_words = {
        1: gettext("One answer needs another look"),
        2: gettext("Two answers need another look"),
        3: gettext("Three answers need another look"),
        4: gettext("Four answers need another look"),
        5: gettext("Five answers need another look"),
        6: gettext("Six answers need another look"),
        7: gettext("Seven answers need another look"),
        8: gettext("Eight answers need another look"),
        9: gettext("Nine answers need another look"),
    }
    return in_words.get(count) or ngettext(
        "%(count)s answer needs another look", "%(count)s answers need another look", count
    ) % {"count": count}
