"""When visitors come: seconds from the opening, in order."""

import math
import random
from collections.abc import Callable

SHAPES: dict[str, str] = {
    "second": "all within one second",
    "minute": "evenly over a minute",
    "tail": "half within three seconds, the rest ever more seldom, up to two minutes",
}


def arrivals(shape: str, count: int, *, seed: int = 1) -> list[float]:
    """The same moments at every run."""
    chance = random.Random(seed)  # noqa: S311
    draw: dict[str, Callable[[], float]] = {
        "second": chance.random,
        "minute": lambda: 60 * chance.random(),
        "tail": lambda: min(120.0, math.exp(chance.gauss(math.log(3.0), 1.3))),
    }
    return sorted(draw[shape]() for _visitor in range(count))
