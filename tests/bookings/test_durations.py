"""How long it is until something ends."""

from datetime import timedelta

import pytest
from django.utils import translation

from bookings.durations import time_left
from tests.factories import DAY, HOUR, NOON


@pytest.mark.parametrize(
    ("left", "en", "zh"),
    [
        (DAY + 2 * HOUR, "1 day, 2 hours", "1 天 2 小时"),
        (23 * HOUR + timedelta(minutes=59, seconds=59), "23 hours, 59 minutes", "23 小时 59 分钟"),
        (70 * DAY, "2 months, 1 week", "2 个月 1 周"),
        (timedelta(seconds=59), "0 minutes", "0 分钟"),
    ],
)
def test_what_is_left_is_told_in_two_units_rounded_down(left, en, zh):
    for language, words in (("en", en), ("zh-hans", zh)):
        with translation.override(language):
            assert time_left(NOON + left, now=NOON).replace("\xa0", " ") == words
