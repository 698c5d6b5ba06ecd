"""What a first visit costs: bytes as sent and requests, from the real server with the files it really serves."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Browser, Page, Request

from tests.browser.conftest import DESK, PHONE
from tests.browser.example import Example
from tests.processes import Processes, processes

MOST_BYTES, MOST_REQUESTS = 100 * 1024, 10


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Processes]:
    """Gunicorn with compressed files, as in production: tests themselves serve them plain from where they lie."""
    Example(timezone.now())
    with processes(tmp_path, email_url="smtp://127.0.0.1:9") as started:
        # As in production: with it the settings serve files as they lie in their folders.
        del started.environment["PORTAL_TEST_DATABASE"]
        started.environment |= {"SITE_URL": started.address, "ALLOWED_HOSTS": "127.0.0.1"}
        subprocess.run(
            [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"],
            cwd=settings.BASE_DIR,
            env=started.environment,
            check=True,
        )
        started.start("web")
        started.wait_for_web()
        yield started


def test_the_first_view_of_home_is_light(portal: Processes, chromium: Browser):
    for language in ("en", "zh-hans"):
        for width in (PHONE, DESK):
            context = chromium.new_context(base_url=portal.address, viewport={"width": width, "height": 800})
            page = context.new_page()
            requests = requests_of(page)
            page.goto(f"/{language}/", wait_until="networkidle")
            weights = [(request.url, weight(request)) for request in requests]
            packed = {request.url: packing(request) for request in requests}
            context.close()
            told = f"{language} at {width}: {weights}"
            assert sum(heavy for _url, heavy in weights) <= MOST_BYTES, told
            assert len(requests) <= MOST_REQUESTS, told
            # Else the figures above would say nothing of production.
            assert all(packed[url] for url in packed if url.endswith((".css", "/"))), packed


def requests_of(page: Page) -> list[Request]:
    """Those that finish from now on."""
    finished: list[Request] = []
    # Playwright hangs marks on what it is given, which a method of a list does not bear.
    page.on("requestfinished", lambda request: finished.append(request))
    return finished


def packing(request: Request) -> str | None:
    response = request.response()
    assert response
    return response.headers.get("content-encoding")


def weight(request: Request) -> int:
    """Bytes that came for it, as they were sent."""
    sizes = request.sizes()
    return sizes["responseBodySize"] + sizes["responseHeadersSize"]
