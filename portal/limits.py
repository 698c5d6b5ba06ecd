"""How often somebody may ask: a bucket for each address, its network, a person and a form, so that no program crowds
people out.

A bucket holds ``at_once`` askings and gets ``a_minute`` of them back each minute. What is kept of it is one number:
when it will be whole again. It is kept in the shared Redis, for as long as it says something; without Redis, and
whenever it does not answer, in a row of the database. A bucket that changes sides begins whole there, so at the worst
somebody has two. Names of buckets are keyed hashes: no address of anybody is kept or logged.
"""

import math
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from ipaddress import ip_network
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from redis import Redis
from redis.commands.core import Script

from bookings.models import Allowance, person_key
from portal import shared
from portal.forms.stamp import read_stamp
from portal.proxies import UNKNOWN, known_network, network_of, one_of

# A household or an office corrects its form, and a guest of theirs asks, too.
OF_A_PERSON = 6
# Whoever goes back asks for somebody else with the same form.
OF_A_FORM = 6
# So many refusals a minute come with the form as it was filled in; more come as one plain page.
FULL_REFUSALS_OF_AN_ADDRESS = 10
FULL_REFUSALS_OF_A_NETWORK = 30
MORE_OF_LARGE_NETWORKS = 10

# Redis forgets a bucket this long after it is whole: clocks of two machines differ.
SECONDS_LONGER = 60

TAKE = """
local now, wait, whole = tonumber(ARGV[1]), 0, {}
for i, key in ipairs(KEYS) do
  local each, at_once = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local whole_at = math.max(tonumber(redis.call('GET', key) or now), now)
  whole[i] = math.min(whole_at, now + each * at_once) + each
  wait = math.max(wait, whole[i] - now - each * at_once)
end
if wait > 0 then return wait end
for i, key in ipairs(KEYS) do
  local kept = whole[i] - now + tonumber(ARGV[#ARGV])
  redis.call('SET', key, string.format('%d', whole[i]), 'PX', string.format('%d', kept))
end
return 0
"""


class Limit(NamedTuple):
    name: str
    a_minute: int
    at_once: int

    @property
    def each(self) -> int:
        """Milliseconds until one more may be asked for."""
        return math.ceil(60_000 / self.a_minute)


Asking = tuple[Limit, str]


def wait_before(asked: Sequence[Asking], *, now: datetime) -> int:
    """Count one asking in all of these buckets and return 0; or in none, and return in how many seconds it would be."""
    if not asked:
        return 0
    at = int(now.timestamp() * 1000)
    buckets = sorted((_key(limit, who), limit) for limit, who in asked)  # One order of rows to lock.
    wait = shared.ask(lambda redis: _take_in_redis(redis, buckets, at), otherwise=None)
    if wait is None:
        wait = _take_in_rows(buckets, at)
    return math.ceil(wait / 1000)


def before_sign_up(request: HttpRequest, *, now: datetime) -> int:
    """Seconds to wait before this sign-up may be looked at; 0: it was counted."""
    stamp = read_stamp(request.POST.get("submission_key", ""))
    by_form = [(Limit("form", OF_A_FORM, OF_A_FORM), stamp.key.hex)] if stamp else []
    return wait_before([*_neighbours(request, "sign-up"), *_person(request, "sign-up"), *by_form], now=now)


def before_link_is_sent(request: HttpRequest, *, now: datetime) -> int:
    return wait_before([*_neighbours(request, "link"), *_person(request, "link")], now=now)


def after_wrong_link(request: HttpRequest, *, now: datetime) -> int:
    """Only what was wrong is counted, so a link that is right opens its page whoever guesses next door."""
    return wait_before(_neighbours(request, "wrong-link"), now=now)


def is_flood(request: HttpRequest, *, now: datetime) -> bool:
    """Whether so much was refused here that a form filled in anew is more than it is worth."""
    full = _of_neighbours(request, "refused", FULL_REFUSALS_OF_AN_ADDRESS, FULL_REFUSALS_OF_A_NETWORK)
    return wait_before(full, now=now) > 0


def _neighbours(request: HttpRequest, what: str) -> list[Asking]:
    return _of_neighbours(request, what, settings.ASKINGS_AN_ADDRESS, settings.ASKINGS_A_NETWORK)


def _of_neighbours(request: HttpRequest, what: str, of_address: int, of_network: int) -> list[Asking]:
    """Askings a minute, and as many at once, of the address and of its network; none for nobody in particular."""
    address, network = one_of(request), network_of(request)
    if not address:
        return []
    times = MORE_OF_LARGE_NETWORKS if _is_large(network) else 1
    return [
        (Limit(f"{what} address", times * of_address, times * of_address), address),
        (Limit(f"{what} network", times * of_network, times * of_network), network),
    ]


def _person(request: HttpRequest, what: str) -> list[Asking]:
    """Of this network only: nobody shuts another person out by asking in its name from elsewhere."""
    network = network_of(request)
    if not network:
        return []
    person = person_key(request.POST.get("email", "")[:400])
    return [(Limit(f"{what} person", OF_A_PERSON, OF_A_PERSON), f"{person} {network}")]


def _is_large(network: str) -> bool:
    if network == UNKNOWN:
        return False
    here = ip_network(network)
    return any(
        large.version == here.version and here.overlaps(large) for large in map(known_network, settings.LARGE_NETWORKS)
    )


def _key(limit: Limit, who: str) -> str:
    return salted_hmac("portal.limits", f"{limit.name}:{who}", algorithm="sha256").hexdigest()[:40]


def _take_in_redis(redis: Redis, buckets: Sequence[tuple[str, Limit]], at: int) -> int:
    numbers = [number for _key, limit in buckets for number in (limit.each, limit.at_once)]
    return int(_script(redis)(keys=[f"limit:{key}" for key, _ in buckets], args=[at, *numbers, SECONDS_LONGER * 1000]))


@cache
def _script(redis: Redis) -> Script:
    return redis.register_script(TAKE)


def _take_in_rows(buckets: Sequence[tuple[str, Limit]], at: int) -> int:
    with transaction.atomic():
        for key, limit in buckets:
            if wait := Allowance.objects.take(key, each=limit.each, at_once=limit.at_once, now=at):
                transaction.set_rollback(True)
                return wait
    return 0
