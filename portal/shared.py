"""What web processes share and may forget: the Redis beside the queue, which can be gone at any moment.

Nothing that was promised stands here. Whoever asks says what holds without an answer, and nobody waits long for one:
after a failure this process asks nobody for a second.
"""

import logging
from collections.abc import Callable
from functools import cache
from time import monotonic
from typing import TypeVar

from django.conf import settings
from redis import Redis, RedisError

Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)

SECONDS_FOR_AN_ANSWER = 0.25
SECONDS_WITHOUT_ASKING = 1.0


class Silence:
    """Until when this process asks nobody."""

    until = 0.0


def ask(question: Callable[[Redis], Answer], *, otherwise: Answer) -> Answer:
    """The answer of the shared Redis; ``otherwise`` where there is none or it does not answer."""
    redis = shared_redis()
    if redis is None or monotonic() < Silence.until:
        return otherwise
    try:
        return question(redis)
    except RedisError as error:
        Silence.until = monotonic() + SECONDS_WITHOUT_ASKING
        logger.warning("Redis does not answer: %s", type(error).__name__)
        return otherwise


def is_there() -> bool:
    """Whether it answers now."""
    return bool(ask(lambda redis: redis.ping(), otherwise=False))


@cache
def shared_redis() -> Redis | None:
    """One pool of connections for this process; answers are bytes. Made at first use, never before a fork."""
    if not settings.SHARED_REDIS_URL:
        return None
    return Redis.from_url(
        settings.SHARED_REDIS_URL,
        socket_connect_timeout=SECONDS_FOR_AN_ANSWER,
        socket_timeout=SECONDS_FOR_AN_ANSWER,
    )
