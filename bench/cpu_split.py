"""Where the CPU time of an act goes, by part: a look at the stack at each thousandth of a second that it works.

Looking costs next to nothing, so the parts add up to what the act costs unwatched.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import Any

LOOK_EVERY = 0.001
REST = "the rest"


def split_of(act: Callable[[], object], parts: Mapping[str, list[Callable[..., Any]]]) -> dict[str, float]:
    """Seconds of CPU in each part: in one of its functions, or in what that calls and is no part of its own.

    A name may have an argument of its functions in it, in braces: then each value of it is a part.
    """
    names: dict[CodeType, str] = {
        function.__code__: name for name, functions in parts.items() for function in functions
    }
    seen: Counter[str] = Counter()

    def look(_signal: int, frame: FrameType | None) -> None:
        while frame and frame.f_code not in names:
            frame = frame.f_back
        seen[names[frame.f_code].format_map(frame.f_locals) if frame else REST] += 1

    before = signal.signal(signal.SIGPROF, look)
    begun = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, LOOK_EVERY, LOOK_EVERY)
    try:
        act()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    spent = time.process_time() - begun
    return {name: spent * times / seen.total() for name, times in seen.most_common()}
