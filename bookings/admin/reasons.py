"""An action that touches parties asks why first: the reason goes into the history."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import Truncator
from django.utils.translation import ngettext

from bookings.domain.errors import BookingError

LONGEST_REASON = 300
# The field by which an act pressed on the page of a row, and not in the list, leads back to that page.
FROM_PAGE = "from_page"


def who(request: HttpRequest) -> str:
    """How a host is named in the history."""
    return f"host:{request.user.get_username()}"


def in_words(model_admin: admin.ModelAdmin, row: Any) -> str:
    return model_admin.in_words(row) if isinstance(model_admin, ActsOnPage) else str(row)


def with_reason(
    model_admin: admin.ModelAdmin,
    request: HttpRequest,
    queryset: QuerySet[Any],
    *,
    action: str,
    title: str | Promise,
    change: Callable[[Any, str], None],
    asks_why: bool = True,
    told: Callable[[int], str] = lambda done: ngettext("Done for %d row.", "Done for %d rows.", done) % done,
) -> HttpResponse | None:
    """Show what is chosen and ask why; with the reason given, change each row and say how it went.

    ``change`` takes a row and the reason; a BookingError refuses that row and the others go on. Without ``asks_why``
    the page asks only whether it is meant, and the reason is empty: for what must leave no words. ``told`` says it when
    so many rows are done.
    """
    reason = " ".join(request.POST.get("reason", "").split()) if asks_why else ""
    if "confirmed" not in request.POST or (asks_why and not reason):
        context = {
            **model_admin.admin_site.each_context(request),
            "title": title,
            "rows": [(row.pk, in_words(model_admin, row)) for row in queryset],
            "action": action,
            "opts": model_admin.model._meta,
            "asks_why": asks_why,
            "longest": LONGEST_REASON,
            "reason_missing": "confirmed" in request.POST,
            "from_page": request.POST.get(FROM_PAGE, ""),
        }
        return TemplateResponse(request, "admin/bookings/ask_reason.html", context)
    done = 0
    for row in queryset:
        try:
            change(row, Truncator(reason).chars(LONGEST_REASON))
        except BookingError as refusal:
            model_admin.message_user(request, f"{in_words(model_admin, row)}: {refusal}", messages.ERROR)
        else:
            done += 1
    if done:
        model_admin.message_user(request, told(done), messages.SUCCESS)
    return None


class ReadOnlyInline(admin.TabularInline):
    """Rows that only the rules write: shown, never changed here."""

    template = "admin/bookings/rows.html"
    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ActsOnPage(admin.ModelAdmin):
    """The actions of the list stand on the page of each row as well."""

    change_form_template = "admin/bookings/change_form.html"

    def in_words(self, row: Any) -> str:
        """What a host calls this row."""
        return str(row)

    def acts_of(self, request: HttpRequest, row: Any) -> list[Any]:
        """What can be done with this row."""
        return [act for act in self.get_actions(request).values() if act]

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        if context.get("original"):
            acts = self.acts_of(request, context["original"])
            context |= {
                "subtitle": self.in_words(context["original"]),
                "acts": [(name, words) for _call, name, words in acts if name != "delete_selected"],
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse | None:
        answer = super().response_action(request, *args, **kwargs)
        page = request.POST.get(FROM_PAGE, "")
        if page.isdecimal() and isinstance(answer, HttpResponseRedirect):
            return HttpResponseRedirect(
                reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[page])
            )
        return answer


class WrittenByRules(ActsOnPage):
    """Rows that come, go and change only through the rules, never by saving a page."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Nothing here is typed in; writing the row back would undo what happened meanwhile."""

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """A page on which nothing can be typed has nothing to save."""
        if not context["adminform"].form.fields:
            context |= {"show_save": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """The code of a party is found as people read it, with its dash, too."""
        found, duplicates = super().get_search_results(request, queryset, search_term)
        code = search_term.replace("-", "").strip().upper()
        if code and code != search_term:
            found |= super().get_search_results(request, queryset, code)[0]
        return found, duplicates
