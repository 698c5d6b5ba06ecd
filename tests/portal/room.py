"""What tests of the waiting room do to it: what stands in Redis, and what a process remembers."""

from portal import shared
from portal.waiting_room import line, middleware
from portal.waiting_room.tickets import seconds
from tests.factories import HOUR, NOON


def forget():
    """What another process would not know."""
    middleware.doors.forget()
    middleware.pages.forget()
    middleware.load.take()
    middleware.view.forget()


def asked(question):
    return shared.ask(question, otherwise=None)


def others_wait(number, *, pace=1, since=NOON, is_known=1):
    """Nobody is let in at this moment, and so many came before."""
    state = {"pace": pace, "credit": 0, "ticked": seconds(since), "judged": seconds(since), "is_known": is_known}
    asked(lambda redis: redis.hset(line.PACE, mapping=state))
    if number:
        stood = {f"other-{one}": seconds(since) - HOUR.total_seconds() + one / 1000 for one in range(number)}
        asked(lambda redis: redis.zadd(line.LINE, stood))
        asked(lambda redis: redis.hset(line.DUE, mapping=dict.fromkeys(stood, seconds(since) + HOUR.total_seconds())))
