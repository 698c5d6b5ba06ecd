"""Texts that hosts write are typed once for each language."""

from typing import Any

from i18nfield.fields import I18nCharField, I18nTextField
from i18nfield.forms import I18nTextarea, I18nTextInput

IN_EACH_LANGUAGE: dict[type[Any], dict[str, Any]] = {
    I18nTextField: {"widget": I18nTextarea},
    I18nCharField: {"widget": I18nTextInput},
}
