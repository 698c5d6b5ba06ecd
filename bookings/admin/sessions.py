"""Sessions: watch them fill; close, call off, move and resize them through the rules."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from i18nfield.forms import I18nFormField, I18nTextarea

from bookings.admin import roster
from bookings.admin.languages import IN_EACH_LANGUAGE
from bookings.admin.moments import NamesMoments
from bookings.admin.reasons import who
from bookings.admin.rehearsal import refusal_of
from bookings.admin.standing import bar, tag, touched, with_places_offered
from bookings.domain import sessions
from bookings.domain.errors import BookingError
from bookings.models import Decision, Season, TourSession

LIMITS = ["capacity", "max_parties", "sell_limit"]
TIMES = ["starts_at", "ends_at", "roster_locks_at"]
LATEST_DECISIONS = 20


class TourSessionForm(forms.ModelForm):
    now: datetime

    class Meta:
        model = TourSession
        fields = ["season", "venue", "label", "language", *TIMES, *LIMITS]

    def full_clean(self) -> None:
        super().full_clean()
        if self.is_bound and self.instance.pk and not self.errors:
            refusal = refusal_of(lambda: self.change_by_the_rules(who=""))
            if refusal:
                self.add_error(None, refusal)

    def change_by_the_rules(self, *, who: str) -> None:
        """What others are told of, and what frees places. Raises BookingError."""
        pk, given = self.instance.pk, self.cleaned_data
        if set(self.changed_data) & set(LIMITS):
            sessions.resize(pk, **{name: given[name] for name in LIMITS}, now=self.now)
        if set(self.changed_data) & set(TIMES):
            sessions.move(pk, **{name: given[name] for name in TIMES}, now=self.now, who=who)


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("coming", _("coming")),
            ("waitlist", _("with a waitlist")),
            ("closed", _("closed by a host")),
            ("off", _("called off")),
            ("over", _("over")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[TourSession]) -> QuerySet[TourSession]:
        now = timezone.now()
        match self.value():
            case "coming":
                return queryset.filter(ends_at__gt=now, called_off_at=None)
            case "waitlist":
                return queryset.filter(ends_at__gt=now, called_off_at=None, parties_waiting__gt=0)
            case "closed":
                return queryset.filter(closed_at__isnull=False, called_off_at=None)
            case "off":
                return queryset.filter(called_off_at__isnull=False)
            case "over":
                return queryset.filter(ends_at__lte=now, called_off_at=None)
        return queryset


class ReasonForm(forms.Form):
    """Why a session is called off, in each language; everybody who is touched reads it."""

    reason = I18nFormField(label=_("Reason"), widget=I18nTextarea, required=True)


@admin.register(TourSession)
class TourSessionAdmin(NamesMoments):
    form = TourSessionForm
    formfield_overrides = IN_EACH_LANGUAGE
    list_display = ["when", "festival", "language", "state", "parties", "people", "links"]
    list_display_links = ["when"]
    list_filter = [StateFilter, "season", "language", ("starts_at", admin.DateFieldListFilter)]
    list_select_related = ["season__tour", "venue"]
    date_hierarchy = "starts_at"
    actions = ["publish", "close_sign_up", "reopen_sign_up", "call_off"]
    readonly_fields = ["standing", "decisions", "links"]
    fieldsets = [
        (None, {"fields": ["season", "venue", "label", "language"]}),
        (
            _("When"),
            {"fields": [*TIMES], "description": _("A new time is mailed to everybody who holds places or waits.")},
        ),
        (
            _("How many"),
            {"fields": [*LIMITS], "description": _("Nobody loses a place. What becomes free goes to the line first.")},
        ),
        (_("How it stands"), {"fields": ["standing", "links", "decisions"]}),
    ]

    def get_urls(self) -> list[URLPattern]:
        own = [path(address, view, name=name) for address, view, name in roster.urls(self.admin_site)]
        return [*own, *super().get_urls()]

    def has_delete_permission(self, request: HttpRequest, obj: TourSession | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or not obj.bookings.exists())

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleting many at once would not ask each whether it has bookings."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def get_queryset(self, request: HttpRequest) -> QuerySet[TourSession]:
        return with_places_offered(super().get_queryset(request))

    def get_form(self, *args: Any, **kwargs: Any) -> type[forms.ModelForm]:
        form: Any = super().get_form(*args, **kwargs)
        form.now = timezone.now()
        return form  # type: ignore[no-any-return]

    def get_readonly_fields(self, request: HttpRequest, obj: TourSession | None = None) -> list[str]:
        """What a party has asked for stays what it is: another place or language is another session."""
        fixed = ["season", "venue", "language"] if obj and obj.bookings.exists() else []
        return [*self.readonly_fields, *fixed]

    def save_model(self, request: HttpRequest, obj: TourSession, form: Any, change: bool) -> None:
        """What others are told of, and what frees places, goes through the rules; the rest is plain."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        plain = [name for name in form.changed_data if name not in {*LIMITS, *TIMES}]
        if plain:
            obj.save(update_fields=plain)
        form.change_by_the_rules(who=who(request))

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except BookingError as refusal:  # Somebody was faster between the rehearsal and the change.
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    @admin.display(description=_("when"), ordering="starts_at")
    def when(self, session: TourSession) -> str:
        return f"{session.local_start:%Y-%m-%d %H:%M}"

    @admin.display(description=_("label"))
    def festival(self, session: TourSession) -> str:
        return str(session.label)

    @admin.display(description=_("state"))
    def state(self, session: TourSession) -> SafeString:
        return format_html('<span class="tag tag-{}">{}</span>', *tag(session, now=timezone.now()))

    @admin.display(description=_("parties"))
    def parties(self, session: TourSession) -> SafeString:
        return SafeString(render_to_string("admin/bookings/toursession/bar.html", {"bar": bar(session)}))

    @admin.display(description=_("confirmed"))
    def confirmed(self, session: TourSession) -> int:
        return session.parties_confirmed

    @admin.display(description=_("offers"), ordering="parties_offered")
    def offers(self, session: TourSession) -> int:
        return session.parties_offered

    @admin.display(description=_("waiting"), ordering="parties_waiting")
    def waiting(self, session: TourSession) -> int:
        return session.parties_waiting

    @admin.display(description=_("people"), ordering="places_held")
    def people(self, session: TourSession) -> str:
        return _("%(held)d of %(capacity)d") % {"held": session.places_held, "capacity": session.capacity}

    @admin.display(description=_("standing"))
    def standing(self, session: TourSession) -> SafeString:
        if session._state.adding:
            return SafeString("–")
        context = {"bar": bar(session), "session": session, "tag": tag(session, now=timezone.now())}
        return SafeString(render_to_string("admin/bookings/toursession/standing.html", context))

    @admin.display(description=_("on the day"))
    def links(self, session: TourSession) -> SafeString | str:
        if session._state.adding:
            return "–"
        return format_html(
            '<a href="{}">{}</a> · <a href="{}">{}</a>',
            reverse("admin:bookings_roster", args=[session.pk]),
            _("Roster"),
            reverse("admin:bookings_check_in", args=[session.pk]),
            _("Check-in"),
        )

    @admin.display(description=_("why places went where they went"))
    def decisions(self, session: TourSession) -> SafeString | str:
        if session._state.adding:
            return "–"
        latest = session.decisions.select_related("offered_to__party", "saved_for__party").order_by(
            "-decided_at", "-pk"
        )
        zone = session.venue.zone
        return format_html(
            '<ol class="history">{}</ol>',
            format_html_join(
                "",
                "<li>{} · {} · {}</li>",
                (
                    (f"{d.decided_at.astimezone(zone):%Y-%m-%d %H:%M}", d.get_trigger_display(), decision_in_words(d))
                    for d in latest[:LATEST_DECISIONS]
                ),
            ),
        )

    @admin.action(description=_("Publish (the whole season)"), permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[TourSession]) -> None:
        self._tell(request, Season.objects.filter(sessions__in=queryset, published=False).update(published=True))

    @admin.action(description=_("Close sign-up"), permissions=["change"])
    def close_sign_up(self, request: HttpRequest, queryset: QuerySet[TourSession]) -> None:
        now = timezone.now()
        for session in queryset:
            sessions.close_sign_up(session.pk, now=now)
        self._tell(request, len(queryset))

    @admin.action(description=_("Open sign-up again"), permissions=["change"])
    def reopen_sign_up(self, request: HttpRequest, queryset: QuerySet[TourSession]) -> None:
        now = timezone.now()
        for session in queryset:
            sessions.reopen_sign_up(session.pk, now=now)
        self._tell(request, len(queryset))

    @admin.action(description=_("Call off …"), permissions=["change"])
    def call_off(self, request: HttpRequest, queryset: QuerySet[TourSession]) -> HttpResponse | None:
        """Ask why, and show who is touched before anything happens."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "title": _("Call off"),
                "opts": self.opts,
                "form": form,
                "rows": [(session, touched(session)) for session in queryset],
            }
            return TemplateResponse(request, "admin/bookings/toursession/call_off.html", context)
        now = timezone.now()
        done = 0
        for session in queryset:
            try:
                sessions.call_off(session.pk, reason=form.cleaned_data["reason"], now=now, who=who(request))
            except BookingError as refusal:
                self.message_user(request, f"{session}: {refusal}", messages.ERROR)
            else:
                done += 1
        self._tell(request, done)
        return None

    def _tell(self, request: HttpRequest, changed: int) -> None:
        told = ngettext("Done for %(n)d row.", "Done for %(n)d rows.", changed) % {"n": changed}
        self.message_user(request, told, messages.SUCCESS if changed else messages.INFO)


def decision_in_words(decision: Decision) -> str:
    """Free places and parties, and who got them or for whom they are saved."""
    room = _("%(places)d places and %(parties)d parties free") % {
        "places": decision.places_free,
        "parties": decision.parties_free,
    }
    whom = decision.offered_to or decision.saved_for
    party = f": {whom.party.code_in_words} ({whom.places})" if whom else ""
    return f"{room}; {decision.get_reason_display()}{party}"
