"""What holds for whole parts of the site, whichever view answers."""

from collections.abc import Awaitable, Callable

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import cached_property

from bookings.models import Venue


def is_for_staff(request: HttpRequest) -> bool:
    return "/admin/" in request.path_info


class _OnlyForStaff(MiddlewareMixin):
    """Visitors have no account: their pages pass by."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return super().__call__(request) if is_for_staff(request) else self.get_response(request)


class StaffSession(_OnlyForStaff, SessionMiddleware):
    pass


class StaffAuthentication(_OnlyForStaff, AuthenticationMiddleware):
    pass


class StaffMessages(_OnlyForStaff, MessageMiddleware):
    pass


class ContentPolicy(CSPMiddleware):
    """The library's, but for pages that ask for nothing of their own: theirs is always the same, and built once."""

    @cached_property
    def of_all(self) -> str:
        """Empty where the settings say more than the directives, so that it is not the same for all."""
        says_more = set(settings.CONTENT_SECURITY_POLICY) != {"DIRECTIVES"}
        only_reports = getattr(settings, "CONTENT_SECURITY_POLICY_REPORT_ONLY", None)
        return "" if says_more or only_reports or settings.DEBUG else build_policy()

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        asks_for_its_own = any(name.startswith("_csp") for name in (*vars(request), *vars(response)))
        if asks_for_its_own or not self.of_all:
            return super().process_response(request, response)
        response.headers.setdefault(HEADER, self.of_all)
        return response


class StaffInVenueTime:
    """On the admin site the time zone is that of the first venue; pages of visitors name the zone of each session."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_for_staff(request):
            return self.get_response(request)
        venue = Venue.objects.order_by("pk").first()
        with timezone.override(venue.zone if venue else None):
            return self.get_response(request)


class VisitsStayPrivate:
    """Nothing under a party's address is kept by anybody in between, and no other site is told that address.

    Here and not in the views, because refusals count too: no token in a form, a method that is not allowed, no page.
    Only the link, which holds the key, is told to nobody at all. The page has forms, and with "no-referrer" browsers
    send the origin of a form as "null", which the check of forged forms refuses.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        name = (request.resolver_match and request.resolver_match.url_name) or ""
        if name.startswith("visit"):
            response["Cache-Control"] = "private, no-store"
            response["Referrer-Policy"] = "no-referrer" if name == "visit_link" else "same-origin"
        return response
