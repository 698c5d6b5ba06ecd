"""Announcements: written once a language, sent once, after a look at how many parties they go to."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext

from bookings.admin.languages import IN_EACH_LANGUAGE
from bookings.admin.reasons import ActsOnPage, who, with_reason
from bookings.domain import announcements
from bookings.models import Announcement


@admin.register(Announcement)
class AnnouncementAdmin(ActsOnPage):
    formfield_overrides = IN_EACH_LANGUAGE
    list_display = ["__str__", "season", "goes_to", "posted_at", "posted_by"]
    list_filter = ["season"]
    list_select_related = ["season"]
    actions = ["send"]
    readonly_fields = ["goes_to", "posted_at", "posted_by"]
    fields = ["season", "subject", "words", "goes_to", "posted_at", "posted_by"]

    def in_words(self, row: Announcement) -> str:
        return pgettext("between clauses", ", ").join([str(row), _parties(row)])

    @admin.display(description=_("goes to"))
    def goes_to(self, announcement: Announcement) -> str:
        return "–" if announcement._state.adding else _parties(announcement)

    @admin.action(description=_("Send to the parties of the season"), permissions=["change"])
    def send(self, request: HttpRequest, queryset: QuerySet[Announcement]) -> HttpResponse | None:
        now = timezone.now()

        def send(announcement: Announcement, _why: str) -> None:
            announcements.send(announcement.pk, now=now, who=who(request))

        return with_reason(
            self,
            request,
            queryset,
            action="send",
            title=_("Send to the parties of the season"),
            change=send,
            asks_why=False,
        )

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """What was sent stays as the parties have it."""
        return super().has_change_permission(request, obj) and not _was_sent(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not _was_sent(obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleting goes by the page of each, which knows what was sent."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions


def _was_sent(row: Model | None) -> bool:
    return isinstance(row, Announcement) and row.posted_at is not None


def _parties(announcement: Announcement) -> str:
    number = announcements.audience(announcement).parties
    return ngettext("%(n)d party", "%(n)d parties", number) % {"n": number}
