"""Notices: every mail a party was owed, its state in words, what it says, and sending it again."""

from typing import Any

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp, csp_update
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.clickjacking import xframe_options_sameorigin

from bookings import outbox
from bookings.admin.reasons import WrittenByRules, who
from bookings.emails import build
from bookings.models import Notice, NoticeKind

# Mails carry their styles inside, as mail programs want it; they are shown in a frame that may do nothing else.
MAIL_POLICY = {"default-src": [NONE], "style-src": [UNSAFE_INLINE], "frame-ancestors": [SELF], "sandbox": []}


@admin.register(Notice)
class NoticeAdmin(WrittenByRules):
    list_display = [
        "kind",
        "code",
        "status",
        "lane",
        "created_at",
        "sent_at",
        "attempts",
        "last_error",
    ]
    list_filter = ["status", "kind", "lane", "party__season"]
    search_fields = ["party__code", "party__lead_name", "party__email", "message_id"]
    date_hierarchy = "created_at"
    actions = ["send_again"]
    readonly_fields = (
        "kind",
        "code",
        "status",
        "lane",
        "created_at",
        "next_attempt_at",
        "expires_at",
        "sent_at",
        "attempts",
        "last_error",
        "message_id",
        "preview_link",
    )
    fields = readonly_fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notice]:
        return super().get_queryset(request).select_related("party__season__tour", "booking__session__venue")

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("<int:pk>/preview/", self.admin_site.admin_view(self.preview), name="bookings_notice_preview"),
            path("<int:pk>/preview/html/", self.admin_site.admin_view(self.preview_html), name="bookings_notice_html"),
        ]
        return [*own, *super().get_urls()]

    @admin.display(description=_("party"), ordering="party__code")
    def code(self, notice: Notice) -> str:
        return notice.party.code_in_words

    @admin.display(description=_("what it says"))
    def preview_link(self, notice: Notice) -> SafeString:
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:bookings_notice_preview", args=[notice.pk]), _("Show the mail")
        )

    @method_decorator(csp_update({"frame-src": [SELF]}))
    def preview(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Subject, text and HTML as they would be built now."""
        notice, message = self._message(request, pk)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("What the mail says now"),
            "opts": self.opts,
            "notice": notice,
            "message": message,
            "html_url": reverse("admin:bookings_notice_html", args=[pk]),
        }
        return TemplateResponse(request, "admin/bookings/notice/preview.html", context)

    @method_decorator([xframe_options_sameorigin, csp(MAIL_POLICY)])
    def preview_html(self, request: HttpRequest, pk: int) -> HttpResponse:
        _notice, message = self._message(request, pk)
        return HttpResponse(str(message.alternatives[0].content) if message else "")

    def _message(self, request: HttpRequest, pk: int) -> tuple[Notice, Any]:
        notice = self.get_object(request, str(pk))
        if notice is None or not self.has_view_permission(request, notice):
            raise Http404
        if notice.party.erased_at:
            return notice, None
        return notice, build(notice, now=timezone.now())

    @admin.action(description=_("Send again"), permissions=["change"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Notice]) -> None:
        """Owe the same mail once more. When its turn comes it is still left out if it is no longer true."""
        now = timezone.now()
        for notice in queryset.filter(party__erased_at=None):
            outbox.post(
                NoticeKind(notice.kind),
                notice.party,
                booking=notice.booking,
                key=f"again:{notice.pk}:{who(request)}:{now.isoformat()}"[:100],
                now=now,
                expires_at=notice.expires_at,
                facts=notice.facts,
            )
        self.message_user(request, _("The mails are owed again. What is no longer true is not sent."), messages.SUCCESS)
