"""The sign-up form as everybody first sees it, rendered once: it differs by a few signs that are put in afterwards.

Laying a form out costs as much as all the rest of a sign-up. What makes one visitor's form his own are the token
against forged forms and the key of his submit; what changes by the minute is how the other sessions stand.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from crispy_forms.utils import render_crispy_form
from django.conf import settings
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from bookings.models import SessionState, TourSession
from portal.forms.sign_up import SignUpForm, count_others

# Letters alone, which no template escapes.
TOKEN, KEY, NOTE, OPTIONS = "tokenAgainstForgedForms", "keyOfTheSubmit", "untilWhenToSend", "optionsOfOthers"
NUMBER, WORDS = "numberOfTheSession", "wordsOfTheSession"

MOST_FORMS = 64


class BlankForm(NamedTuple):
    """Rendered, with marks where TOKEN, KEY and OPTIONS stand. ``option`` is one of the others in the list of them."""

    html: str
    option: str

    def naming(self, others: Sequence[tuple[int, str]]) -> SafeString:
        """With the other sessions; TOKEN and KEY are still marks."""
        options = (self.option.replace(NUMBER, str(pk)).replace(WORDS, escape(words)) for pk, words in others)
        return mark_safe(self.html.replace(OPTIONS, "".join(options)))  # noqa: S308


_rendered: dict[tuple[object, ...], BlankForm] = {}


def blank_form(
    session: TourSession, others: Sequence[tuple[int, str]], *, state: SessionState, now: datetime
) -> SafeString:
    """What ``{% crispy SignUpForm(session, others, state=state, now=now) %}`` gives, with TOKEN and KEY as marks."""
    number = count_others(session, others)
    made_of = _made_of(session, number, state)
    blank = _rendered.get(made_of)
    if blank is None:
        if len(_rendered) >= MOST_FORMS:
            _rendered.clear()
        blank = _rendered[made_of] = _render(session, number, state, now)
    return blank.naming(others)


def _made_of(session: TourSession, others: int, state: SessionState) -> tuple[object, ...]:
    """All that a form that nobody filled in yet depends on, but for its marks."""
    tour = session.season.tour
    return (
        get_language(),
        settings.PROOF_OF_WORK,
        state,
        others,
        session.season.asks_phone,
        tour.smallest_party,
        tour.largest_party,
        *tour.age_bands,
        *((consent.pk, str(consent.text), consent.required) for consent in tour.consents.all()),
    )


def _render(session: TourSession, others: int, state: SessionState, now: datetime) -> BlankForm:
    named = [(f"{NUMBER}{n}", f"{WORDS}{n}") for n in range(others)]
    form = SignUpForm(session, named, state=state, now=now)
    form.initial["submission_key"] = KEY
    html = render_crispy_form(form, context={"csrf_token": TOKEN})
    option = re.search(rf'\s*<option value="{NUMBER}0">{WORDS}0</option>', html)
    if option is None:
        return BlankForm(html, "")
    each = [option[0].replace(f"{NUMBER}0", f"{NUMBER}{n}").replace(f"{WORDS}0", f"{WORDS}{n}") for n in range(others)]
    one = option[0].replace(f"{NUMBER}0", NUMBER).replace(f"{WORDS}0", WORDS)
    return BlankForm(html.replace("".join(each), OPTIONS), one)
