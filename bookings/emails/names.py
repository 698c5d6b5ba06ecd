"""Names as a mail may carry them."""

import re
import unicodedata
from collections.abc import Sequence

from django.utils.translation import pgettext

from bookings.models import Party

LONGEST_NAME = 60


def neutral_name(name: str) -> str:
    """A name as it may stand in a mail to a stranger: one short line without link, markup or turned direction."""
    kept = "".join(" " if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"} else char for char in name)
    kept = re.sub(r"[<>@/\\:|\[\]{}()\"]+", " ", kept)
    kept = re.sub(r"[.。．｡․](?=\S)", ". ", kept)
    kept = " ".join(kept.split())
    if len(kept) > LONGEST_NAME:
        kept = kept[: LONGEST_NAME - 1].rstrip() + "…"
    if any(unicodedata.bidirectional(char) in {"R", "AL"} for char in kept):
        return f"\u2068{kept}\u2069"
    return kept


def names_of(party: Party) -> str:
    """Everybody by name; to a mailbox nobody has proven only the lead, who is the one who should know the mail."""
    people: Sequence[str] = [name for name, _from, _to in party.people()] if party.is_proven else [party.lead_name]
    return pgettext("between names", ", ").join(filter(None, map(neutral_name, people)))
