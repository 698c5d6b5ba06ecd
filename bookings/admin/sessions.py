"""Sessions: watch them fill; close, call off, move and resize them through the rules."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from i18nfield.forms import I18nFormField
from i18nfield.strings import LazyI18nString

from bookings.admin import roster
from bookings.admin.languages import IN_EACH_LANGUAGE, Textarea
from bookings.admin.moments import NamesMoments
from bookings.admin.reasons import FROM_PAGE, ActsOnPage, who
from bookings.admin.standing import bar, tag, touched, with_places_offered
from bookings.domain import sessions, waitlist
from bookings.domain.errors import BookingError
from bookings.domain.explaining import last_serving, serving_in_words
from bookings.domain.first_call import first_call_ends
from bookings.domain.locks import in_one_transaction
from bookings.models import Booking, Decision, Season, TourSession

LIMITS = ["capacity", "max_parties", "sell_limit"]
TIMES = ["starts_at", "ends_at", "roster_locks_at"]
# What parties chose a session by; it stays as it is while somebody holds places or waits.
CHOSEN_BY = ["season", "venue", "language"]
LATEST_DECISIONS = 20
# A year mistyped further ahead lies where calendars end, and the waking minutes until then take long to count.
FURTHEST_AHEAD = timedelta(days=36_525)


class TourSessionForm(forms.ModelForm):
    """Whoever changes the time says that it has been seen who is told; whoever lowers the limits, what of offers."""

    told = forms.BooleanField(label=_("Yes, tell them of the new time"), required=False)
    offers = forms.ChoiceField(
        label=_("If more is offered than that"),
        help_text=_("Whoever loses an offer keeps its number in line and is sent an apology."),
        choices=sessions.OffersOut.choices,
        initial=sessions.OffersOut.HONOUR,
        widget=forms.RadioSelect,
        required=False,
    )

    class Meta:
        model = TourSession
        fields = ["season", "venue", "label", "language", *TIMES, *LIMITS]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.touched = touched(self.instance) if self.instance.pk else {}
        self.fields["told"].help_text = touched_in_words(self.touched) if self.touched else ""

    def clean_offers(self) -> sessions.OffersOut:
        return sessions.OffersOut(self.cleaned_data["offers"] or sessions.OffersOut.HONOUR)

    def clean(self) -> dict[str, Any]:
        """What the rules would refuse is said beside what was typed."""
        cleaned = super().clean() or self.cleaned_data
        now = timezone.now()
        if any(cleaned[name] - now > FURTHEST_AHEAD for name in TIMES if cleaned.get(name)):
            raise ValidationError(_("That is more than a hundred years ahead. Look at the year again."))
        if self.errors or not self.instance.pk:
            return cleaned
        if {"starts_at", "ends_at"} & {*self.changed_data} and self.touched["mails"] and not cleaned["told"]:
            self.add_error("told", _("Nothing is saved yet. Look at who is told, tick the box and save again."))
        session = TourSession.objects.get(pk=self.instance.pk)
        try:
            if {*TIMES} & {*self.changed_data}:
                sessions.check_move(session, starts_at=cleaned["starts_at"], now=now)
            sessions.check_limits(session, **{name: cleaned[name] for name in LIMITS}, offers=cleaned["offers"])
        except BookingError as refusal:
            raise ValidationError(str(refusal)) from refusal
        return cleaned


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

    reason = I18nFormField(label=_("Reason"), widget=Textarea, required=True)

    def clean_reason(self) -> LazyI18nString:
        reason: LazyI18nString = self.cleaned_data["reason"]
        if not any(text.strip() for text in reason.data.values()):
            raise ValidationError(str(sessions.ReasonMissing.message))
        return reason


@admin.register(TourSession)
class TourSessionAdmin(NamesMoments, ActsOnPage):
    form = TourSessionForm
    formfield_overrides = IN_EACH_LANGUAGE
    list_display = ["when", "spoken", "state", "parties", "people", "links"]
    list_display_links = ["when"]
    list_filter = [StateFilter, "season", "language", ("starts_at", admin.DateFieldListFilter)]
    list_select_related = ["season__tour", "venue"]
    date_hierarchy = "starts_at"
    actions = ["publish", "close_sign_up", "reopen_sign_up", "call_off"]
    readonly_fields = ["standing", "decisions", "links"]
    fieldsets = [
        (
            None,
            {
                "fields": ["season", "venue", "language", "label"],
                "description": _("Season, venue and language stay as they are while a party holds places or waits."),
            },
        ),
        (
            _("When"),
            {
                "fields": [*TIMES, "told"],
                "description": _("A new time is mailed to everybody who holds places or waits."),
            },
        ),
        (
            _("How many"),
            {
                "fields": [*LIMITS, "offers"],
                "description": _("Nobody loses a place. What becomes free goes to the line first."),
            },
        ),
        (_("How it stands"), {"fields": ["standing", "links", "decisions"]}),
    ]

    def get_urls(self) -> list[URLPattern]:
        own = [path(address, view, name=name) for address, view, name in roster.urls(self.admin_site)]
        return [*own, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[TourSession]:
        return with_places_offered(super().get_queryset(request))

    def get_fieldsets(self, request: HttpRequest, obj: TourSession | None = None) -> Any:
        """What concerns nobody is not asked."""
        asked = {"told": bool(obj and obj.bookings.live().exists()), "offers": bool(obj and obj.parties_offered)}
        return [
            (title, {**options, "fields": [name for name in options["fields"] if asked.get(str(name), True)]})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: TourSession | None = None) -> list[str]:
        return [*self.readonly_fields, *(CHOSEN_BY if obj and obj.bookings.live().exists() else [])]

    def has_delete_permission(self, request: HttpRequest, obj: TourSession | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or not obj.bookings.exists())

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleting many at once would not ask each whether it has bookings."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def save_model(self, request: HttpRequest, obj: TourSession, form: Any, change: bool) -> None:
        """What others are told of, and what frees places, goes through the rules; the rest is plain."""
        if not change:
            super().save_model(request, obj, form, change)
            waitlist.serve_what_is_kept_after(obj.season_id, now=timezone.now())  # It may be wanted by first call.
            return
        now = timezone.now()
        plain = [name for name in form.changed_data if name not in {*LIMITS, *TIMES, "told", "offers"}]
        if plain:
            obj.save(update_fields=plain)
        if set(form.changed_data) & set(TIMES):
            times = {name: getattr(obj, name) for name in TIMES}
            sessions.move(obj.pk, **times, now=now, who=who(request))
        if set(form.changed_data) & set(LIMITS):
            limits = {name: getattr(obj, name) for name in LIMITS}
            sessions.resize(obj.pk, **limits, offers=form.cleaned_data["offers"], now=now, who=who(request))

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        view = super().changeform_view
        if request.method == "POST":
            # Started over where it is: within Django's own it could not be. Adding a session twice adds two.
            view = in_one_transaction(view, is_repeatable=object_id is not None)
        try:
            return view(request, object_id, form_url, extra_context)
        except BookingError as refusal:  # Somebody was faster between the check of the form and the change.
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    @admin.display(description=_("when"), ordering="starts_at")
    def when(self, session: TourSession) -> str:
        return f"{session.local_start:%Y-%m-%d %H:%M}"

    @admin.display(description=_("language"), ordering="language")
    def spoken(self, session: TourSession) -> SafeString:
        """And the label of a festival day below it, so that the list keeps the width of the page."""
        lines = [(line,) for line in (session.get_language_display(), str(session.label)) if line]
        return format_html_join(SafeString("<br>"), "{}", lines)

    @admin.display(description=_("state"))
    def state(self, session: TourSession) -> SafeString:
        return format_html('<span class="tag tag-{}">{}</span>', *tag(session, now=timezone.now()))

    @admin.display(description=_("parties"))
    def parties(self, session: TourSession) -> SafeString:
        context = {"bar": bar(session), "session": session}
        return SafeString(render_to_string("admin/bookings/toursession/bar.html", context))

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
        decisions = session.decisions.select_related("offered_to__party", "saved_for__party")
        read = list(decisions.order_by("-decided_at", "-pk")[: LATEST_DECISIONS + 1])
        if not read:
            return gettext("Nothing was decided yet: places went to whoever asked first.")
        latest, zone = read[:LATEST_DECISIONS], session.venue.zone
        is_longer = len(read) > LATEST_DECISIONS
        return format_html(
            '<p><b>{}</b></p><ol class="history">{}</ol>{}',
            serving_in_words(session, last_serving(read), now=timezone.now()),
            format_html_join(
                "",
                "<li>{} · {} · {}</li>",
                (
                    (f"{d.decided_at.astimezone(zone):%Y-%m-%d %H:%M}", d.get_trigger_display(), decision_in_words(d))
                    for d in latest
                ),
            ),
            format_html("<p>{}</p>", gettext("More was decided before; only the latest is shown."))
            if is_longer
            else "",
        )

    @admin.action(description=_("Publish (the whole season)"), permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[TourSession]) -> None:
        hidden = Season.objects.filter(pk__in=queryset.values("season"), published=False)
        self._tell(request, hidden.update(published=True), seasons=True)

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
        now, together = timezone.now(), [session.pk for session in queryset]
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "title": _("Call off"),
                "opts": self.opts,
                "form": form,
                "rows": [(session, touched(session), _first_call(session, together, now=now)) for session in queryset],
                "from_page": request.POST.get(FROM_PAGE, ""),
            }
            return TemplateResponse(request, "admin/bookings/toursession/call_off.html", context)
        reason, done = form.cleaned_data["reason"], 0
        for session in queryset:
            try:
                sessions.call_off(session.pk, reason=reason, now=now, who=who(request), besides=together)
            except BookingError as refusal:
                self.message_user(request, f"{session}: {refusal}", messages.ERROR)
            else:
                done += 1
        self._tell(request, done)
        return None

    def _tell(self, request: HttpRequest, changed: int, *, seasons: bool = False) -> None:
        if seasons:
            told = ngettext("%(n)d season changed.", "%(n)d seasons changed.", changed)
        else:
            told = ngettext("%(n)d session changed.", "%(n)d sessions changed.", changed)
        self.message_user(request, told % {"n": changed}, messages.SUCCESS if changed else messages.INFO)


def touched_in_words(counts: dict[str, int]) -> str:
    """Whom a change of the session concerns, as ``touched`` counts them."""
    confirmed = ngettext("%(n)d confirmed party", "%(n)d confirmed parties", counts["confirmed"])
    people = ngettext("%(n)d person", "%(n)d people", counts["people"])
    mails = ngettext("%(n)d mail goes out.", "%(n)d mails go out.", counts["mails"])
    # Translators: whom a change of a session concerns: "3 confirmed parties (7 people), 1 offered, 4 waiting. 8 mails"
    return _("%(confirmed)s (%(people)s), %(offered)d offered, %(waiting)d waiting. %(mails)s") % {
        "confirmed": confirmed % {"n": counts["confirmed"]},
        "people": people % {"n": counts["people"]},
        "offered": counts["offered"],
        "waiting": counts["waiting"],
        "mails": mails % {"n": counts["mails"]},
    }


def _first_call(session: TourSession, together: Collection[int], *, now: datetime) -> datetime | None:
    """Until when, on the clock of the venue, its confirmed parties would go first elsewhere."""
    ends = first_call_ends(session, besides=together, now=now)
    return ends and ends.astimezone(session.venue.zone)


def decision_in_words(decision: Decision) -> str:
    """Free places and parties, and who got them or for whom they are saved."""
    places = ngettext("%(n)d place", "%(n)d places", decision.places_free) % {"n": decision.places_free}
    parties = ngettext("%(n)d party", "%(n)d parties", decision.parties_free) % {"n": decision.parties_free}
    # Translators: how much room a session had: "2 places and 1 party free"
    room = _("%(places)s and %(parties)s free") % {"places": places, "parties": parties}
    whom = decision.offered_to or decision.saved_for
    party = f": {whom.party.code_in_words} ({_places_of(decision, whom)})" if whom else ""
    return f"{room}; {decision.get_reason_display()}{party}"


def _places_of(decision: Decision, whom: Booking) -> str:
    """How many were offered or are saved, and of how many people where those are fewer: "1 of 3"."""
    places, size = decision.places or whom.places, whom.party.size
    return f"{places}" if places >= size else gettext("%(n)d of %(size)d") % {"n": places, "size": size}
