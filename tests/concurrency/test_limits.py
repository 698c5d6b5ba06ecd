"""Fifty askings in the same moment, counted in rows: as many count as may, whoever comes first."""

from functools import partial

import pytest

from portal import shared
from portal.limits import Limit, wait_before
from tests.concurrency.threads import at_once
from tests.factories import NOON

pytestmark = pytest.mark.postgres


@pytest.mark.usefixtures("postgres")
def test_of_fifty_at_once_ten_count_without_redis(settings):
    settings.SHARED_REDIS_URL = ""
    shared.shared_redis.cache_clear()
    network = (Limit("network", 10, 10), "203.0.113.0/24")
    asking = [partial(wait_before, [(Limit("person", 5, 5), str(number)), network], now=NOON) for number in range(50)]
    told = at_once(*asking)
    shared.shared_redis.cache_clear()
    assert sorted(told) == [0] * 10 + [6] * 40
