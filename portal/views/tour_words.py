"""How a tour is told to a visitor: who may come, and what to know before coming."""

from typing import NamedTuple

from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext

from bookings.models import Tour

# A rule that begins with a sentence this short is headed by it: “Flat, closed shoes”.
SHORT_SENTENCE = 40
SENTENCE_ENDS = (". ", "。", ".\n")


class Rule(NamedTuple):
    icon: str
    title: str
    words: str
    in_short: str


def party_size(tour: Tour) -> str:
    if tour.smallest_party == tour.largest_party:
        return ngettext("%(n)s person", "%(n)s people", tour.largest_party) % {"n": tour.largest_party}
    if tour.smallest_party == 1:
        return ngettext("Up to %(n)s person", "Up to %(n)s people", tour.largest_party) % {"n": tour.largest_party}
    return gettext("%(least)s to %(most)s people") % {"least": tour.smallest_party, "most": tour.largest_party}


def age(tour: Tour) -> str:
    if not tour.minimum_age:
        return gettext("All ages")
    # Translators: the youngest age that may come: 「6 岁起」
    return gettext("From %(age)s") % {"age": tour.minimum_age}


def rules(tour: Tour) -> list[Rule]:
    """What to know before coming, in the order in which it matters; what a host left empty is left out."""
    told = [
        Rule("age", from_years(tour), _age_words(tour), from_years(tour)),
        _rule("id", gettext("ID"), str(tour.identification)),
        _rule("shoe", gettext("What to wear"), str(tour.clothing)),
        _rule("camera", gettext("Photography"), str(tour.photography)),
        _rule("locker", gettext("Lockers"), str(tour.lockers)),
        _rule("wheelchair", gettext("Accessibility"), str(tour.accessibility)),
    ]
    return [rule for rule in told if rule.title]


def _rule(icon: str, name: str, words: str) -> Rule:
    words = words.strip()
    if not words:
        return Rule(icon, "", "", "")
    cuts = [words.find(end) for end in SENTENCE_ENDS if 0 < words.find(end) <= SHORT_SENTENCE]
    if not cuts:
        return Rule(icon, name, words, Truncator(words).chars(2 * SHORT_SENTENCE))
    first, rest = words[: min(cuts)], words[min(cuts) + 1 :].strip()
    return Rule(icon, first, rest, first)


def from_years(tour: Tour) -> str:
    if not tour.minimum_age:
        return gettext("All ages")
    return ngettext("From %(n)s year", "From %(n)s years", tour.minimum_age) % {"n": tour.minimum_age}


def _age_words(tour: Tour) -> str:
    return gettext("At least one adult of %(age)s or older in every party.") % {"age": tour.adult_age}
