"""A crowd before the form: tickets in the line, of whom nobody looks."""

from django.utils import timezone

from portal import shared
from portal.waiting_room import line
from portal.waiting_room.tickets import Ticket, seconds

# What one host of two cores lets in when it is known.
PACE_OF_ONE_HOST = 20.0
AT_A_TIME = 10_000
LOOKS_AGAIN_IN = 900


def wait(number: int) -> float:
    """So many have come within the last second; returns this moment, as tickets count it."""
    now = seconds(timezone.now())
    redis = shared.shared_redis()
    if redis is None:
        raise RuntimeError("a crowd waits in Redis")
    for begin in range(0, number, AT_A_TIME):
        some = [one_of(number, n, now=now) for n in range(begin, min(begin + AT_A_TIME, number))]
        redis.zadd(line.LINE, {ticket.number: ticket.place for ticket in some})
        redis.hset(line.DUE, mapping={ticket.number: now + LOOKS_AGAIN_IN for ticket in some})
    redis.hset(line.PACE, mapping={"pace": PACE_OF_ONE_HOST, "is_known": 1, "credit": 0, "ticked": now, "judged": now})
    return now


def one_of(number: int, which: int, *, now: float) -> Ticket:
    return Ticket(f"visitor-{which}", now - 1 + which / number)
