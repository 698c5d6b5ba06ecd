"""What a process need not ask again within a second, so that a rush asks the database once and not once a visitor.

For what only hosts write, and for words that were true a moment ago; never for what decides who gets a place.
"""

from collections.abc import Callable
from functools import wraps
from time import monotonic
from typing import ParamSpec, TypeVar

from django.conf import settings

Question = ParamSpec("Question")
Answer = TypeVar("Answer")

# So many answers of one kind at most; whoever asks for more begins anew.
MOST_ANSWERS = 1000


def is_fresh(read_at: float) -> bool:
    """``read_at``, by ``monotonic``, is when the asking began."""
    return 0.0 <= monotonic() - read_at < settings.KEPT_SECONDS


def for_a_second(ask: Callable[Question, Answer]) -> Callable[Question, Answer]:
    """The question, answered again from memory while the last answer is fresh. What is given is shared: change nothing.

    The arguments are plain values, given by position.
    """
    kept: dict[tuple[object, ...], tuple[float, Answer]] = {}

    @wraps(ask)
    def answer(*args: Question.args, **kwargs: Question.kwargs) -> Answer:
        found = kept.get(args)
        if found and is_fresh(found[0]):
            return found[1]
        read_at = monotonic()
        told = ask(*args, **kwargs)
        if len(kept) >= MOST_ANSWERS:
            kept.clear()
        kept[args] = read_at, told
        return told

    return answer
