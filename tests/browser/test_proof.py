"""The work that a sign-up may have to show, done by a real browser; and what one without JavaScript is told."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from bookings.models import Booking
from tests.browser.conftest import accessibility_faults, scrolls_sideways
from tests.factories import DAY, make_house, make_season, make_session, make_tour
from tests.stamps import older


@pytest.mark.parametrize(
    ("javascript", "status"), [pytest.param(True, "offered", id="with"), pytest.param(False, "waiting", id="without")]
)
def test_a_browser_shows_its_work_and_one_that_cannot_proves_its_mailbox_first(
    open_browser: Callable[..., Page], settings: Any, javascript: bool, status: str
):
    settings.PROOF_OF_WORK = True
    make_house()
    moment = timezone.now()
    season = make_season(tour=make_tour(), opens_at=moment - DAY, closes_at=moment + 60 * DAY)
    session = make_session(season=season, starts_at=moment + 40 * DAY)
    page = open_browser(javascript=javascript)

    # The stamp is an hour old before the page's script reads it.
    page.route("**/sign-up/", with_an_older_stamp)
    page.goto(f"/en/sessions/{session.pk}/sign-up/")
    expect(page.get_by_text("We could not tell")).to_be_visible(visible=not javascript)
    if javascript:
        assert accessibility_faults(page) == []
    page.locator("[name=size][value='1']").check(force=True)
    page.locator("#id_lead_name").fill("Lin Xiaoyun")
    page.locator("#id_email").fill("lin@visitors.example")
    page.locator("#ask").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Now press the button in our mail.")
    assert not scrolls_sideways(page)
    assert Booking.objects.get().status == status
    assert page.url.endswith("/asked/" if javascript else "/asked/first/")


def with_an_older_stamp(route: Any) -> None:
    if route.request.method != "GET":
        route.continue_()
        return
    answer = route.fetch()
    before, mark, after = answer.text().partition('name="submission_key" value="')
    stamp, quote, rest = after.partition('"')
    route.fulfill(response=answer, body=before + mark + older(stamp) + quote + rest)
