"""Seasons: publish, close, and one page that says how all of it stands."""

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import InlineModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from bookings.admin import mails
from bookings.admin.languages import IN_EACH_LANGUAGE
from bookings.admin.moments import NamesMoments
from bookings.admin.reasons import ActsOnPage
from bookings.admin.reconfirming import who_is_coming
from bookings.admin.reminder_plans import USUAL, ReminderPlanInline
from bookings.admin.standing import failed_mails, machinery, season_figures, with_places_offered
from bookings.domain.reports import offers_to_dead_addresses
from bookings.models import Season


@admin.register(Season)
class SeasonAdmin(NamesMoments, ActsOnPage):
    formfield_overrides = IN_EACH_LANGUAGE
    inlines = [ReminderPlanInline]
    list_display = ["__str__", "tour", "mode", "published", "opens_at", "closes_at", "overview_link"]
    list_filter = ["published", "tour"]
    list_select_related = ["tour"]
    actions = ["publish", "unpublish", "close_sign_up"]
    readonly_fields = ["overview_link"]

    def get_formset_kwargs(
        self, request: HttpRequest, obj: Season, inline: InlineModelAdmin, prefix: str
    ) -> dict[str, Any]:
        kwargs: dict[str, Any] = super().get_formset_kwargs(request, obj, inline, prefix)
        if obj._state.adding and isinstance(inline, ReminderPlanInline):
            kwargs["initial"] = USUAL
        return kwargs

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("<int:pk>/overview/", self.admin_site.admin_view(self.overview), name="bookings_season_overview"),
            path("<int:pk>/coming/", self.admin_site.admin_view(who_is_coming), name="bookings_season_coming"),
            path(
                "<int:pk>/mails/", self.admin_site.admin_view(partial(mails.mails, self)), name="bookings_season_mails"
            ),
        ]
        return [*own, *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: Season, form: Any, change: bool) -> None:
        """What was typed and nothing else: the page may be older than what the rules wrote into the season."""
        if not change:
            super().save_model(request, obj, form, change)
        elif form.changed_data:
            obj.save(update_fields=form.changed_data)

    @admin.display(description=_("overview"))
    def overview_link(self, season: Season) -> SafeString | str:
        if season._state.adding:
            return "–"
        address = reverse("admin:bookings_season_overview", args=[season.pk])
        return format_html('<a href="{}">{}</a>', address, _("How it stands"))

    @admin.action(description=_("Publish"), permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Season]) -> None:
        self._tell(request, queryset.filter(published=False).update(published=True))

    @admin.action(description=_("Take off the site"), permissions=["change"])
    def unpublish(self, request: HttpRequest, queryset: QuerySet[Season]) -> None:
        self._tell(request, queryset.filter(published=True).update(published=False))

    @admin.action(description=_("Close sign-up now"), permissions=["change"])
    def close_sign_up(self, request: HttpRequest, queryset: QuerySet[Season]) -> None:
        """Whoever is in line stays in line."""
        now = timezone.now()
        self._tell(request, queryset.filter(opens_at__lt=now, closes_at__gt=now).update(closes_at=now))

    def _tell(self, request: HttpRequest, changed: int) -> None:
        told = ngettext("%(n)d season changed.", "%(n)d seasons changed.", changed) % {"n": changed}
        self.message_user(request, told, messages.SUCCESS if changed else messages.INFO)

    def overview(self, request: HttpRequest, pk: int) -> HttpResponse:
        season = Season.objects.select_related("tour").filter(pk=pk).first()
        if season is None:
            raise Http404
        if not self.has_view_permission(request, season):
            raise PermissionDenied
        now = timezone.now()
        sessions = with_places_offered(season.sessions.select_related("season__tour", "venue")).order_by(
            "starts_at", "pk"
        )
        context = {
            "season": season,
            "figures": season_figures(sessions, now=now),
            "venue": next((session.venue for session in sessions), None),
            "machinery": machinery(now=now),
            "mails_failed": failed_mails(now=now).filter(party__season=season).count(),
            "dead_offers": offers_to_dead_addresses(season),
            "now": now,
        }
        return TemplateResponse(request, "admin/bookings/season/overview.html", context)
