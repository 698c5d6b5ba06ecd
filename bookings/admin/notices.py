"""Notices: every mail a party was owed, its state in words, what it says, and sending it again."""

from datetime import datetime
from typing import Any

from csp.constants import SELF
from csp.decorators import csp, csp_update
from django.contrib import admin, messages
from django.core.mail import EmailMultiAlternatives
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.clickjacking import xframe_options_sameorigin

from bookings import outbox
from bookings.admin import mail_states
from bookings.admin.reading import MAIL_POLICY, with_pictures, without_secret
from bookings.admin.reasons import ReadOnlyInline, WrittenByRules
from bookings.admin.standing import failed_mails
from bookings.emails import build
from bookings.models import Notice, NoticeKind, NoticeStatus


class FailedFilter(admin.SimpleListFilter):
    title = _("delivery")
    parameter_name = "delivery"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("failed", _("did not arrive, or perhaps did not"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Notice]) -> QuerySet[Notice]:
        if self.value() == "failed":
            return queryset.filter(pk__in=failed_mails(now=timezone.now()))
        return queryset


class NoticeInline(ReadOnlyInline):
    """On the page of a party: every mail it was owed, the latest first."""

    model = Notice
    fields = ("kind", "state", "owed_since")
    readonly_fields = ("kind", "state", "owed_since")
    ordering = ["-created_at"]
    show_change_link = True

    @admin.display(description=_("state"))
    def state(self, notice: Notice) -> str:
        return mail_states.in_words(notice, now=timezone.now())

    @admin.display(description=_("owed since"))
    def owed_since(self, notice: Notice) -> str:
        """As in the state beside it; a date in words would be four lines of a phone."""
        return mail_states.moment(notice.created_at, now=timezone.now())


@admin.register(Notice)
class NoticeAdmin(WrittenByRules):
    list_display = [
        "kind",
        "code",
        "state",
        "lane",
        "created_at",
    ]
    list_filter = [FailedFilter, "status", "kind", "lane", "party__season"]
    search_fields = ["party__code", "party__lead_name", "party__email", "message_id"]
    date_hierarchy = "created_at"
    actions = ["send_again"]
    readonly_fields = (
        "kind",
        "code",
        "state",
        "lane",
        "created_at",
        "next_attempt_at",
        "expires_at",
        "sent_at",
        "attempts",
        "last_error",
        "id_in_mail",
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

    def in_words(self, row: Notice) -> str:
        return f"{row.get_kind_display()} · {row.party.code_in_words}"

    @admin.display(description=_("party"), ordering="party__code")
    def code(self, notice: Notice) -> str:
        return notice.party.code_in_words

    @admin.display(description=_("state"), ordering="status")
    def state(self, notice: Notice) -> str:
        return mail_states.in_words(notice, now=timezone.now())

    @admin.display(description=_("Message-ID"))
    def id_in_mail(self, notice: Notice) -> str:
        """What an operator looks for in the log of the mail server."""
        return notice.message_id

    @admin.display(description=_("what it says"))
    def preview_link(self, notice: Notice) -> SafeString:
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:bookings_notice_preview", args=[notice.pk]), _("Show the mail")
        )

    @method_decorator(csp_update({"frame-src": [SELF]}))
    def preview(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Subject, text and HTML as they would be built now."""
        notice = self._readable(request, pk)
        message = _built(notice)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("What the mail says now"),
            "opts": self.opts,
            "notice": notice,
            "subject": message.subject if message else "",
            "text": without_secret(str(message.body), notice) if message else "",
            "html_url": reverse("admin:bookings_notice_html", args=[pk]),
        }
        return TemplateResponse(request, "admin/bookings/notice/preview.html", context)

    @method_decorator([xframe_options_sameorigin, csp(MAIL_POLICY)])
    def preview_html(self, request: HttpRequest, pk: int) -> HttpResponse:
        notice = self._readable(request, pk)
        message = _built(notice)
        return HttpResponse(without_secret(with_pictures(message), notice) if message else "")

    def _readable(self, request: HttpRequest, pk: int) -> Notice:
        notice: Notice | None = self.get_object(request, str(pk))
        if notice is None or not self.has_view_permission(request, notice):
            raise Http404
        return notice

    @admin.action(description=_("Send again"), permissions=["change"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Notice]) -> None:
        """Owe the same mail once more, where it is settled and what it says is still so."""
        now = timezone.now()
        again = [notice for notice in queryset if _makes_sense_again(notice, now=now)]
        for notice in again:
            outbox.post(
                NoticeKind(notice.kind),
                notice.party,
                booking=notice.booking,
                key=f"again:{notice.pk}:{now.isoformat()}",
                now=now,
                expires_at=notice.expires_at,
                facts=notice.facts,
            )
        if again:
            told = ngettext("%(n)d mail is owed again.", "%(n)d mails are owed again.", len(again))
            self.message_user(request, told % {"n": len(again)}, messages.SUCCESS)
        if left_out := len(queryset) - len(again):
            told = ngettext(
                "%(n)d mail was left out: it still waits to be sent, or what it says is no longer so.",
                "%(n)d mails were left out: they still wait to be sent, or what they say is no longer so.",
                left_out,
            )
            self.message_user(request, told % {"n": left_out}, messages.WARNING)


def _makes_sense_again(notice: Notice, *, now: datetime) -> bool:
    is_settled = notice.status not in {NoticeStatus.QUEUED, NoticeStatus.SENDING}
    is_in_time = notice.expires_at is None or now < notice.expires_at
    return is_settled and is_in_time and outbox.still_true(notice, now)


def _built(notice: Notice) -> EmailMultiAlternatives | None:
    """The mail as it would be built now; none for a party whose data are erased."""
    return None if notice.party.erased_at else build(notice, now=timezone.now())
