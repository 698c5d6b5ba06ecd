"""A real browser before the real pages: what it sees, and what it complains of."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

# Playwright's synchronous interface runs a loop of its own; the rows are read between its steps, never inside them.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# Chromium must ask nobody outside for anything.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE, TABLET, DESK = 320, 768, 1280


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_browser(chromium: Browser, live_server: LiveServer) -> Iterator[Callable[..., Page]]:
    """A page in a browser of its own, which fails the test at its end if the browser complained of anything."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(
        *, width: int = PHONE, javascript: bool = True, scheme: Literal["light", "dark"] = "light", **given: Any
    ) -> Page:
        context = chromium.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": 800},
            java_script_enabled=javascript,
            color_scheme=scheme,
            **given,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{page.url}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        return page

    yield open_page
    for context in contexts:
        context.close()
    # What a page answers (404, 410) is the test's own matter.
    if heard := [text for text in complaints if "Failed to load resource" not in text]:
        pytest.fail("\n".join(heard), pytrace=False)


def accessibility_faults(page: Page) -> list[str]:
    # Without copies of stylesheets, which axe would put inline against our policy.
    rules = {"type": "tag", "values": TAGS}
    found = Axe().run(page, options={"runOnly": rules, "resultTypes": ["violations"], "preload": False})
    return [
        f"{fault['id']} ({fault['impact']}): {node['html'][:160]}"
        for fault in found.response["violations"]
        for node in fault["nodes"]
    ]


def scrolls_sideways(page: Page) -> bool:
    page.wait_for_load_state()  # A page that a press has led to may still wait for its stylesheets.
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
