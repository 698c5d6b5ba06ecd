"""Texts that hosts write are typed once for each language, each beside the name of its language."""

from typing import Any

from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from i18nfield.fields import I18nCharField, I18nTextField
from i18nfield.forms import I18nTextarea, I18nTextInput, I18nWidget


class NamedLanguages(I18nWidget):  # type: ignore[misc]
    """The name of a language stays readable when its text is typed."""

    def format_output(self, rendered_widgets: list[str], id_: str) -> SafeString:
        names = dict(settings.LANGUAGES)
        fields = (
            (f"{id_}_{number}", code, names[code], mark_safe(field))  # noqa: S308 -- rendered by its own widget
            for number, (code, field) in enumerate(zip(self.enabled_locales, rendered_widgets, strict=True))
        )
        shown = format_html_join("", '<div><label for="{}" lang="{}">{}</label>{}</div>', fields)
        return format_html('<div class="languages" id="{}">{}</div>', id_, shown)


class TextInput(NamedLanguages, I18nTextInput):  # type: ignore[misc]
    pass


class Textarea(NamedLanguages, I18nTextarea):  # type: ignore[misc]
    pass


IN_EACH_LANGUAGE: dict[type[Any], dict[str, Any]] = {
    I18nTextField: {"widget": Textarea},
    I18nCharField: {"widget": TextInput},
}
