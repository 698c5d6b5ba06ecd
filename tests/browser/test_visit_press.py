"""A press on the party's page, as a real browser sends it: with an origin, or with "null" for one."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.factories import DAY, make_house, make_offered, make_session
from tests.portal.visits import link


@pytest.mark.parametrize("javascript", [True, False])
def test_a_browser_may_press_the_buttons(open_browser, javascript):
    make_house()
    now = timezone.now()
    session = make_session(starts_at=now + 20 * DAY)
    offer = make_offered(session, offer_expires_at=now + timedelta(hours=5))
    page = open_browser(javascript=javascript)
    page.goto(link(offer.party))
    page.get_by_role("button", name="Take the 2 places").click()
    page.get_by_role("link", name="Cancel our 2 places").click()
    page.get_by_role("button", name="Cancel our 2 places").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Your 2 places are free again"
    offer.refresh_from_db()
    assert offer.status == "cancelled"
