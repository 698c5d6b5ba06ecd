"""The page that ends announcements, in a real browser and without JavaScript."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from bookings.emails.links import stop_link
from bookings.models import Party
from tests.browser.conftest import accessibility_faults
from tests.factories import make_booking, make_house


@pytest.mark.parametrize("javascript", [True, False])
def test_one_press_ends_announcements(open_browser: Callable[..., Page], javascript: bool):
    make_house()
    party = make_booking(language="zh-hans", size=1).party
    page = open_browser(width=360, javascript=javascript)
    faults = accessibility_faults if javascript else no_faults  # axe is a script itself

    page.goto("/" + stop_link(party).split("/", 3)[3])
    seen = [faults(page)]
    assert Party.objects.filter(pk=party.pk, wants_no_news_at=None).exists()
    with page.expect_navigation():
        page.locator("main form button").click()
    seen += [faults(page)]

    assert seen == [[], []]
    assert page.context.cookies() == []
    assert Party.objects.filter(pk=party.pk, wants_no_news_at__lte=timezone.now()).exists()


def no_faults(_page: Page) -> list[str]:
    return []
