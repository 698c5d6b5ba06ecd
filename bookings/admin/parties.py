"""Parties: found by code, name or address; changed only through the rules, with a reason."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from bookings import outbox
from bookings.admin.reasons import ReadOnlyInline, WrittenByRules, who, with_reason
from bookings.domain import retention, visit, waitlist
from bookings.models import Booking, BookingEvent, Member, Notice, NoticeKind, Party, person_key


class MemberInline(ReadOnlyInline):
    model = Member
    fields = ["position", "name", "age_from", "age_to"]


class BookingInline(ReadOnlyInline):
    model = Booking
    fields = [
        "session",
        "preference",
        "places",
        "status",
        "status_since",
        "queue_number",
        "offer_expires_at",
        "arrived",
    ]
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("session__venue").order_by("preference", "pk")


class NoticeInline(ReadOnlyInline):
    model = Notice
    fields = ["kind", "status", "created_at", "sent_at", "attempts", "last_error"]
    ordering = ["-created_at"]
    show_change_link = True


class ContactForm(forms.ModelForm):
    """How the lead is reached; the rest of a party is its own to change."""

    class Meta:
        model = Party
        fields = ["email", "phone", "language"]

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        others = Party.objects.live().filter(season=self.instance.season_id, person_key=person_key(email))
        if not self.instance.ended_at and others.exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(str(visit.AddressTaken.message))
        return email


@admin.register(Party)
class PartyAdmin(WrittenByRules):
    form = ContactForm
    list_display = ["code_in_words", "lead_name", "size", "season", "language", "statuses", "asked_at"]
    list_display_links = ["code_in_words", "lead_name"]
    list_filter = ["season", "language", "bookings__status"]
    search_fields = ["code", "lead_name", "email", "members__name"]
    search_help_text = _("Code with or without the dash, name of anybody in the party, or email.")
    date_hierarchy = "asked_at"
    inlines = [BookingInline, MemberInline, NoticeInline]
    actions = ["cancel_places", "leave_lines", "send_link", "revoke_links", "erase_now"]
    readonly_fields = [
        "code_in_words",
        "season",
        "lead_name",
        "lead_age_from",
        "lead_age_to",
        "size",
        "smallest_size",
        "short_notice",
        "access_needs",
        "asked_at",
        "prove_by",
        "mailbox_proven_at",
        "lapses",
        "ended_at",
        "erased_at",
        "history",
    ]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "code_in_words",
                    "season",
                    "lead_name",
                    "size",
                    "smallest_size",
                    "short_notice",
                    "access_needs",
                ]
            },
        ),
        (
            _("How the lead is reached"),
            {
                "fields": ["email", "phone", "language"],
                "description": _("A new address ends the links that were sent to the old one."),
            },
        ),
        (
            _("What happened"),
            {"fields": ["history", "asked_at", "mailbox_proven_at", "lapses", "ended_at", "erased_at"]},
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Party]:
        return super().get_queryset(request).select_related("season").prefetch_related("bookings")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, duplicates = super().get_search_results(request, queryset, search_term)
        code = search_term.replace("-", "").strip().upper()
        if code and code != search_term:
            found |= super().get_search_results(request, queryset, code)[0]
        return found, duplicates

    def save_model(self, request: HttpRequest, obj: Party, form: Any, change: bool) -> None:
        visit.change_contact(obj.pk, email=obj.email, phone=obj.phone, language=obj.language)

    @admin.display(description=_("code"), ordering="code")
    def code_in_words(self, party: Party) -> str:
        return party.code_in_words

    @admin.display(description=_("bookings"))
    def statuses(self, party: Party) -> str:
        return ", ".join(booking.get_status_display() for booking in party.bookings.all())

    @admin.display(description=_("history"))
    def history(self, party: Party) -> SafeString:
        events = BookingEvent.objects.filter(booking__party=party).select_related("booking__session__venue")
        return format_html(
            '<ol class="history">{}</ol>',
            SafeString("".join(_line(event) for event in events.order_by("happened_at", "pk"))),
        )

    @admin.action(description=_("Cancel the confirmed places"), permissions=["change"])
    def cancel_places(self, request: HttpRequest, queryset: QuerySet[Party]) -> HttpResponse | None:
        now = timezone.now()
        return with_reason(
            self,
            request,
            queryset,
            action="cancel_places",
            title=_("Cancel the confirmed places"),
            change=lambda party, why: visit.cancel_places(party.pk, now=now, who=who(request), why=why),
        )

    @admin.action(description=_("Take out of every line"), permissions=["change"])
    def leave_lines(self, request: HttpRequest, queryset: QuerySet[Party]) -> HttpResponse | None:
        now = timezone.now()
        return with_reason(
            self,
            request,
            queryset,
            action="leave_lines",
            title=_("Take out of every line"),
            change=lambda party, why: waitlist.leave_lines(party.pk, now=now, who=who(request), why=why),
        )

    @admin.action(description=_("Send the link again"), permissions=["change"])
    def send_link(self, request: HttpRequest, queryset: QuerySet[Party]) -> None:
        now = timezone.now()
        for party in queryset.filter(erased_at=None):
            outbox.post(NoticeKind.LINK, party, key=f"{party.pk}:{who(request)}:{now.isoformat()}", now=now)
        self.message_user(request, _("The links are on their way."), messages.SUCCESS)

    @admin.action(description=_("End all links sent so far"), permissions=["change"])
    def revoke_links(self, request: HttpRequest, queryset: QuerySet[Party]) -> HttpResponse | None:
        def revoke(party: Party, why: str) -> None:
            visit.revoke_links(party.pk)
            self.log_change(request, party, f"{self.opts.verbose_name}: {why}")

        return with_reason(
            self, request, queryset, action="revoke_links", title=_("End all links sent so far"), change=revoke
        )

    @admin.action(description=_("Erase the personal data now"), permissions=["change"])
    def erase_now(self, request: HttpRequest, queryset: QuerySet[Party]) -> HttpResponse | None:
        now = timezone.now()

        def erase(party: Party, why: str) -> None:
            retention.erase(party.pk, now=now)
            self.log_change(request, party, why)

        return with_reason(
            self, request, queryset, action="erase_now", title=_("Erase the personal data now"), change=erase
        )


def _line(event: BookingEvent) -> SafeString:
    """One passage: when at the venue, which session, from what to what, who and why."""
    zone = event.booking.session.venue.zone
    return format_html(
        "<li>{} · {} · {} → {} · {}{}</li>",
        f"{event.happened_at.astimezone(zone):%Y-%m-%d %H:%M}",
        event.booking.session,
        event.get_from_status_display() or "–",
        event.get_to_status_display(),
        event.who,
        f" · {event.why}" if event.why else "",
    )
