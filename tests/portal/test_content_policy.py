"""What a page may load, as the browser is told: what stands in the settings, and for pages of hosts what they say."""

from collections.abc import Callable

import pytest
from csp.constants import HEADER, HEADER_REPORT_ONLY, NONCE, SELF
from csp.decorators import csp_exempt, csp_update
from csp.middleware import CSPMiddleware
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import override_settings

from portal.middleware import ContentPolicy

View = Callable[[HttpRequest], HttpResponse]


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@csp_update({"frame-src": ["https://frames.example"]})
def with_frames(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@csp_exempt()
def without_policy(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def with_one_of_its_own(request: HttpRequest) -> HttpResponse:
    return HttpResponse(headers={HEADER: "default-src 'self'"})


def with_nonce(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Template("{{ request.csp_nonce }}").render(Context({"request": request})))


def not_there(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=404)


@pytest.mark.parametrize("view", [plain, with_frames, without_policy, with_one_of_its_own, not_there])
@pytest.mark.parametrize("debug", [False, True])
def test_each_page_says_what_the_library_would_say(rf, settings, view, debug):
    settings.DEBUG = debug

    assert said(ContentPolicy, view, rf.get("/")) == said(CSPMiddleware, view, rf.get("/"))


@pytest.mark.parametrize("view", [plain, with_frames])
def test_what_else_the_library_reads_of_the_settings_holds(rf, settings, view):
    policy = settings.CONTENT_SECURITY_POLICY
    for said_more in (
        {"CONTENT_SECURITY_POLICY": policy | {"EXCLUDE_URL_PREFIXES": ["/hosts/"]}},
        {"CONTENT_SECURITY_POLICY_REPORT_ONLY": {"DIRECTIVES": {"default-src": [SELF]}}},
    ):
        with override_settings(**said_more):
            for path in ("/", "/hosts/"):
                for name in (HEADER, HEADER_REPORT_ONLY):
                    ours = said(ContentPolicy, view, rf.get(path), name)
                    assert ours == said(CSPMiddleware, view, rf.get(path), name)


def test_a_page_with_a_nonce_says_it(rf, settings):
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"script-src": [SELF, NONCE]}}

    request = rf.get("/")
    policy = said(ContentPolicy, with_nonce, request)

    assert f"script-src 'self' 'nonce-{request.csp_nonce}'" in policy


def test_nothing_is_loaded_from_elsewhere(client, db):
    policy = parts(client.get("/en/")[HEADER])

    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


def said(middleware: type[CSPMiddleware], view: View, request: HttpRequest, name: str = HEADER) -> set[str]:
    response = middleware(view)(request)
    assert isinstance(response, HttpResponse)
    return parts(response.get(name, ""))


def parts(policy: str) -> set[str]:
    """Their order is nobody's."""
    return {part.strip() for part in policy.split(";")}
