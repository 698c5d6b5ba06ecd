"""Bookings: a status changes only through the rules, with a reason."""

from collections.abc import Callable
from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bookings.admin.histories import who_in_words, why_in_words
from bookings.admin.reasons import ReadOnlyInline, WrittenByRules, who, with_reason
from bookings.domain import check_in, visit, waitlist
from bookings.models import Booking, BookingEvent, BookingStatus


class EventInline(ReadOnlyInline):
    model = BookingEvent
    fields = ["happened_at", "from_status", "to_status", "by", "reason"]
    readonly_fields = ["by", "reason"]

    @admin.display(description=_("who"))
    def by(self, event: BookingEvent) -> str:
        return who_in_words(event)

    @admin.display(description=_("why"))
    def reason(self, event: BookingEvent) -> str:
        return why_in_words(event)


def cancel_these_places(booking: Booking, *, now: datetime, who: str, why: str) -> None:
    """A party gives up what it holds; chosen was this booking, so nothing else may go. Raises NothingConfirmed."""
    if booking.status != BookingStatus.CONFIRMED:
        raise visit.NothingConfirmed
    visit.cancel_places(booking.party_id, now=now, who=who, why=why)


@admin.register(Booking)
class BookingAdmin(WrittenByRules):
    list_display = [
        "code",
        "lead_name",
        "session",
        "status",
        "places",
        "queue_number",
        "status_since",
        "offer_expires_at",
    ]
    list_display_links = ["code", "lead_name"]
    list_filter = ["status", "session__season", ("session__starts_at", admin.DateFieldListFilter), "party__language"]
    search_fields = ["party__code", "party__lead_name", "party__email", "party__members__name"]
    search_help_text = _("Code, name of anybody in the party, or email.")
    inlines = [EventInline]
    actions = ["accept", "decline", "cancel", "check_in", "undo_check_in", "no_show"]
    readonly_fields = [
        "party",
        "session",
        "preference",
        "places",
        "status",
        "status_since",
        "queue_number",
        "offer_expires_at",
        "offer_source",
        "arrived",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Booking]:
        return super().get_queryset(request).select_related("party", "session__venue", "session__season")

    def in_words(self, row: Booking) -> str:
        return f"{row.party.code_in_words} · {row.session} · {row.get_status_display()}"

    @admin.display(description=_("code"), ordering="party__code")
    def code(self, booking: Booking) -> str:
        return booking.party.code_in_words

    @admin.display(description=_("lead"), ordering="party__lead_name")
    def lead_name(self, booking: Booking) -> str:
        return booking.party.lead_name

    @admin.action(description=_("Accept the offer for the party"), permissions=["change"])
    def accept(self, request: HttpRequest, queryset: QuerySet[Booking]) -> HttpResponse | None:
        return self._with_reason(
            request, queryset, "accept", lambda booking, **facts: waitlist.accept_offer(booking.pk, **facts)
        )

    @admin.action(description=_("Decline the offer for the party"), permissions=["change"])
    def decline(self, request: HttpRequest, queryset: QuerySet[Booking]) -> HttpResponse | None:
        return self._with_reason(
            request, queryset, "decline", lambda booking, **facts: waitlist.decline_offer(booking.pk, **facts)
        )

    @admin.action(description=_("Cancel the confirmed places"), permissions=["change"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Booking]) -> HttpResponse | None:
        return self._with_reason(request, queryset, "cancel", cancel_these_places)

    @admin.action(description=_("Check the whole party in"), permissions=["change"])
    def check_in(self, request: HttpRequest, queryset: QuerySet[Booking]) -> HttpResponse | None:
        return self._with_reason(
            request, queryset, "check_in", lambda booking, **facts: check_in.check_in_party(booking.pk, **facts)
        )

    @admin.action(description=_("Undo the check-in"), permissions=["change"])
    def undo_check_in(self, request: HttpRequest, queryset: QuerySet[Booking]) -> HttpResponse | None:
        return self._with_reason(
            request, queryset, "undo_check_in", lambda booking, **facts: check_in.undo_check_in(booking.pk, **facts)
        )

    @admin.action(description=_("Mark as no-show"), permissions=["change"])
    def no_show(self, request: HttpRequest, queryset: QuerySet[Booking]) -> HttpResponse | None:
        return self._with_reason(
            request, queryset, "no_show", lambda booking, **facts: check_in.mark_no_show(booking.pk, **facts)
        )

    def _with_reason(
        self, request: HttpRequest, queryset: QuerySet[Booking], action: str, change: Callable[..., None]
    ) -> HttpResponse | None:
        now = timezone.now()
        return with_reason(
            self,
            request,
            queryset,
            action=action,
            title=getattr(self, action).short_description,
            change=lambda booking, why: change(booking, now=now, who=who(request), why=why),
        )
