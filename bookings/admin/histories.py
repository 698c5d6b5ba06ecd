"""What happened to bookings, one line a passage, in words a host reads."""

from collections.abc import Iterable

from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bookings.domain.reconfirming import SILENT, STILL_COMING
from bookings.domain.visit import NAMES_CHANGED, comes_as
from bookings.models import BookingEvent, DecisionTrigger

NOBODY_BY_NAME: dict[str, Promise] = {
    "party": gettext_lazy("the party"),
    "clock": gettext_lazy("the clock"),
    "line": gettext_lazy("the line"),
}
# What the rules write themselves; what a host writes stands as it was written.
SAID_BY_RULES: dict[str, str | Promise] = {
    **{str(trigger.value): trigger.label for trigger in DecisionTrigger},
    "said yes elsewhere": gettext_lazy("said yes elsewhere"),
    "second lapse": gettext_lazy("second lapse"),
    "check-in undone": gettext_lazy("check-in undone"),
    STILL_COMING: gettext_lazy("still coming"),
    SILENT: gettext_lazy("did not answer whether it is still coming"),
    NAMES_CHANGED: gettext_lazy("names changed"),
}


def history(events: Iterable[BookingEvent]) -> SafeString:
    """The events in the order they happened; each needs booking, session and venue at hand."""
    lines = ((_line(event),) for event in sorted(events, key=lambda event: (event.happened_at, event.pk)))
    return format_html('<ol class="history">{}</ol>', format_html_join("", "<li>{}</li>", lines))


def who_in_words(event: BookingEvent) -> str:
    name = event.who.removeprefix("host:")
    if name != event.who:
        return _("host %(name)s") % {"name": name}
    return str(NOBODY_BY_NAME.get(event.who, event.who))


def why_in_words(event: BookingEvent) -> str:
    if people := comes_as(event):
        return ngettext("comes as %(n)d person", "comes as %(n)d people", people) % {"n": people}
    is_typed = event.who.startswith("host:") and event.from_status != event.to_status
    return str(event.why if is_typed else SAID_BY_RULES.get(event.why, event.why))


def _line(event: BookingEvent) -> SafeString:
    """One passage: when at the venue, which session, from what to what, who and why."""
    session, why = event.booking.session, why_in_words(event)
    return format_html(
        "{} · {} · {} → {} · {}{}",
        f"{event.happened_at.astimezone(session.venue.zone):%Y-%m-%d %H:%M}",
        session,
        event.get_from_status_display() or "–",
        event.get_to_status_display(),
        who_in_words(event),
        f" · {why}" if why else "",
    )
