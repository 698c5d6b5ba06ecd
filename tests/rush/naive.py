"""The portal whose claim reads, thinks and writes: for the twin that must oversell. Served by gunicorn."""

import os
import threading

from portal.wsgi import application

# isort: split
from django.db.models import F

from bookings.models.tours import TourSessionQuerySet

__all__ = ["application"]

THREADS = int(os.environ["THREADS_OF_A_WEB_PROCESS"])
# More visitors come than there are threads.
PATIENCE = 180

# All threads of a web process have read before the first one writes.
everybody_has_read = threading.Barrier(THREADS)
here = threading.local()


def claim(self: TourSessionQuerySet, pk: int, *, places: int) -> bool:
    has_room = self.get(pk=pk).room_for(places) > 0
    if not hasattr(here, "has_read"):
        here.has_read = True
        everybody_has_read.wait(PATIENCE)
    if has_room:
        self.filter(pk=pk).update(
            places_held=F("places_held") + places,
            parties_held=F("parties_held") + 1,
            parties_offered=F("parties_offered") + 1,
        )
    return has_room


TourSessionQuerySet.claim = claim  # type: ignore[method-assign]
