"""Announcements: written once a language, sent once, after a look at how many parties they go to."""

from datetime import datetime
from typing import Any

from csp.constants import SELF
from csp.decorators import csp, csp_update
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.clickjacking import xframe_options_sameorigin

from bookings.admin.languages import IN_EACH_LANGUAGE
from bookings.admin.reading import MAIL_POLICY, without_secret
from bookings.admin.reasons import ActsOnPage, who, with_reason
from bookings.domain import announcements
from bookings.emails import build
from bookings.emails.words import html_language
from bookings.models import Announcement, Notice, NoticeKind, Party


@admin.register(Announcement)
class AnnouncementAdmin(ActsOnPage):
    formfield_overrides = IN_EACH_LANGUAGE
    list_display = ["__str__", "goes_to", "posted_at", "season", "sent_by"]
    list_filter = ["season"]
    list_select_related = ["season"]
    actions = ["send"]
    readonly_fields = ["goes_to", "posted_at", "sent_by"]
    fields = ["season", "subject", "words", "goes_to", "posted_at", "sent_by"]
    change_form_template = "admin/bookings/announcement/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:pk>/preview/", view(self.preview), name="bookings_announcement_preview"),
            path("<int:pk>/preview/<slug:code>/", view(self.preview_html), name="bookings_announcement_html"),
        ]
        return [*own, *super().get_urls()]

    def in_words(self, row: Announcement) -> str:
        return pgettext("between clauses", ", ").join([str(row), _parties(row)])

    @admin.display(description=_("goes to"))
    def goes_to(self, announcement: Announcement) -> str:
        return "–" if announcement._state.adding else _parties(announcement)

    @admin.display(description=_("sent by"), ordering="posted_by")
    def sent_by(self, announcement: Announcement) -> str:
        return announcement.posted_by.removeprefix("host:")

    @method_decorator(csp_update({"frame-src": [SELF]}))
    def preview(self, request: HttpRequest, pk: int) -> HttpResponse:
        """In every language, for it goes out once: as a party of the season would read it."""
        announcement = self._readable(request, pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("How the mail reads"),
            "opts": self.opts,
            "announcement": announcement,
            "mails": _mails(announcement, now=timezone.now()),
        }
        return TemplateResponse(request, "admin/bookings/announcement/preview.html", context)

    @method_decorator([xframe_options_sameorigin, csp(MAIL_POLICY)])
    def preview_html(self, request: HttpRequest, pk: int, code: str) -> HttpResponse:
        mails = _mails(self._readable(request, pk), now=timezone.now())
        html = next((mail["html"] for mail in mails if mail["code"] == code), None)
        if html is None:
            raise Http404
        return HttpResponse(html)

    def _readable(self, request: HttpRequest, pk: int) -> Announcement:
        announcement: Announcement | None = self.get_object(request, str(pk))
        if announcement is None:
            raise Http404
        # It shows the data of a party.
        if not (self.has_view_permission(request, announcement) and request.user.has_perm("bookings.view_notice")):
            raise PermissionDenied
        return announcement

    @admin.action(description=_("Send to the parties of the season"), permissions=["change"])
    def send(self, request: HttpRequest, queryset: QuerySet[Announcement]) -> HttpResponse | None:
        now = timezone.now()
        told = 0

        def send(announcement: Announcement, _why: str) -> None:
            nonlocal told
            announcements.send(announcement.pk, now=now, who=who(request))
            told += announcements.audience(announcement).parties

        def in_words(_done: int) -> str:
            return ngettext("On its way to %(n)d party.", "On its way to %(n)d parties.", told) % {"n": told}

        return with_reason(
            self,
            request,
            queryset,
            action="send",
            title=_("Send to the parties of the season"),
            change=send,
            asks_why=False,
            told=in_words,
        )

    def acts_of(self, request: HttpRequest, row: Any) -> list[Any]:
        """What was sent is not sent twice."""
        return [] if _was_sent(row) else super().acts_of(request, row)

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


def _mails(announcement: Announcement, *, now: datetime) -> list[dict[str, Any]]:
    """The mail in each language, to the newest party that may be sent it; none where there is no such party."""
    party = announcements.recipients(announcement).select_related("season__tour").order_by("-pk").first()
    return [_mail(announcement, party, code, name, now=now) for code, name in settings.LANGUAGES] if party else []


def _mail(announcement: Announcement, party: Party, code: str, name: str, *, now: datetime) -> dict[str, Any]:
    shown = {"code": code, "html_code": html_language(code), "name": name}
    if not announcements.is_written_in(announcement, code):
        return shown | {"missing": True, "html": None}
    party.language = code  # For this page alone; nothing is saved.
    facts = {"announcement": announcement.pk}
    notice = Notice(pk=0, kind=NoticeKind.ANNOUNCEMENT, party=party, facts=facts, created_at=now, next_attempt_at=now)
    message = build(notice, now=now)
    return shown | {
        "subject": str(message.subject),
        "text": without_secret(str(message.body), notice),
        "html": without_secret(str(message.alternatives[0][0]), notice),
    }
