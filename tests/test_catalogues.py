"""Chinese is complete, and what runs is what was translated."""

import gettext

import pytest
from babel.messages.catalog import Message

from tests.catalogues import LANGUAGES, ROOT, po_file, read


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_translated_and_none_is_fuzzy(language):
    catalog = read(po_file(ROOT, language))
    empty = [m.id for m in catalog if m.id and not (m.string and all(m.string))]
    fuzzy = [m.id for m in catalog if m.id and m.fuzzy]
    assert (empty, fuzzy) == ([], [])


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_survive_translation(language):
    catalog = read(po_file(ROOT, language))
    errors = {str(message.id): list(map(str, _judged(message).check(catalog))) for message in catalog if message.id}
    assert {key: found for key, found in errors.items() if found} == {}


def _judged(message: Message) -> Message:
    """A language with one form for all numbers may name the number where English says “your place”."""
    match message.id, message.string:
        case [_one, many], [told]:
            return Message(many, told, flags=message.flags, context=message.context)
    return message


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_file_says_what_the_catalogue_says(language):
    with po_file(ROOT, language).with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message in read(po_file(ROOT, language)):
        context = message.context
        match message.id, message.string:
            case "", _header:
                continue
            case str(text), str(told):
                assert (compiled.pgettext(context, text) if context else compiled.gettext(text)) == told
            case [one, many], [*_fewer, told]:
                said = compiled.npgettext(context, one, many, 2) if context else compiled.ngettext(one, many, 2)
                assert said == told
            case unread:
                pytest.fail(f"neither a sentence nor one for numbers: {unread}")
