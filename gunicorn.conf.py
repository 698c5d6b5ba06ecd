"""gunicorn reads this in the folder it is started in: the portal is loaded once, and its processes share that memory.

Nothing of the portal asks anybody while it is loaded, so that no connection stands open when they part.
"""

import gc
from typing import Any

preload_app = True


def when_ready(_server: Any) -> None:
    """Before the first fork: the collector would write into each object that it looks at."""
    gc.collect()
    gc.freeze()
