"""Parties: found by code, name or address; changed only through the rules, with a reason."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import IntegrityError
from django.db.models import QuerySet, prefetch_related_objects
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from bookings import outbox
from bookings.admin.histories import history
from bookings.admin.notices import NoticeInline
from bookings.admin.reasons import ReadOnlyInline, WrittenByRules, who, with_reason
from bookings.domain import people, retention, visit, waitlist
from bookings.domain.errors import BookingError
from bookings.models import OF_THE_ADDRESS, Booking, BookingEvent, Member, NoticeKind, Party, person_key


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


class ContactForm(forms.ModelForm):
    """What the lead is called and how it is reached; the rest of a party is its own to change."""

    class Meta:
        model = Party
        fields = ["lead_name", "email", "phone", "language"]

    def clean_lead_name(self) -> str:
        name: str = self.cleaned_data["lead_name"]
        if not name.strip():
            raise forms.ValidationError(str(people.NamesMissing.message))
        return name.strip()

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if not email:
            raise forms.ValidationError(_("Write an address: without one the party hears of nothing."))
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
        "size",
        "smallest_size",
        "short_notice",
        "access_needs",
        "asked_at",
        "prove_by",
        "mailbox_proven_at",
        "lapses",
        *OF_THE_ADDRESS,
        "ended_at",
        "erased_at",
        "what_happened",
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
                "fields": ["email", "phone", "language", *OF_THE_ADDRESS],
                "description": _("A new address ends the links that were sent to the old one and is sent its own."),
            },
        ),
        (
            _("What happened"),
            {"fields": ["what_happened", "asked_at", "mailbox_proven_at", "lapses", "ended_at", "erased_at"]},
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Party]:
        return super().get_queryset(request).select_related("season")

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Of the parties on the page their bookings as well; not of all that an action is for."""
        shown = super().get_changelist_instance(request)
        prefetch_related_objects(shown.result_list, "bookings")
        return shown

    def get_readonly_fields(self, request: HttpRequest, obj: Party | None = None) -> list[str]:
        """Of an erased party nothing is left to correct."""
        return [*self.readonly_fields, *(ContactForm.Meta.fields if obj and obj.erased_at else [])]

    def save_model(self, request: HttpRequest, obj: Party, form: Any, change: bool) -> None:
        """Raises AddressTaken, NamesAreFixed or VisitOver."""
        now = timezone.now()
        if "lead_name" in form.changed_data:
            _rename_lead(obj, now=now, who=who(request))
        visit.change_contact(obj.pk, email=obj.email, phone=obj.phone, language=obj.language)
        if "email" in form.changed_data:
            _owe_link(Party.objects.get(pk=obj.pk), now=now)
            told = _("The links sent to the old address have ended. The new address is sent one of its own.")
            self.message_user(request, told, messages.INFO)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The whole page is saved or nothing of it; what the rules refuse is said."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except BookingError as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
        except IntegrityError:  # Somebody signed up with this address at the same moment.
            self.message_user(request, str(visit.AddressTaken.message), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    @admin.display(description=_("code"), ordering="code")
    def code_in_words(self, party: Party) -> str:
        return party.code_in_words

    @admin.display(description=_("bookings"))
    def statuses(self, party: Party) -> str:
        return pgettext("between names", ", ").join(b.get_status_display() for b in party.bookings.all())

    @admin.display(description=_("history"))
    def what_happened(self, party: Party) -> SafeString:
        events = BookingEvent.objects.filter(booking__party=party).select_related("booking__session__venue")
        return history(events)

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
            _owe_link(party, now=now)
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

        def erase(party: Party, _why: str) -> None:
            retention.erase(party.pk, now=now, who=who(request))
            self.log_change(request, party, gettext("The personal data was erased."))

        return with_reason(
            self,
            request,
            queryset,
            action="erase_now",
            title=_("Erase the personal data now"),
            change=erase,
            asks_why=False,  # What is typed about a person would outlast what is erased.
        )


def _owe_link(party: Party, *, now: datetime) -> None:
    outbox.post(NoticeKind.LINK, party, key=f"{party.pk}:host:{now.isoformat()}", now=now)


def _rename_lead(party: Party, *, now: datetime, who: str) -> None:
    lead, *companions = [people.Person(*told) for told in party.people()]
    visit.change_people(party.pk, lead=lead, companions=companions, access_needs=party.access_needs, now=now, who=who)
