"""What only hosts write, at hand for pages that speak of it: asked once a second for all visitors of a process.

What is given is shared: change nothing.
"""

from datetime import datetime

from bookings.models import Season, TourSession, Venue
from portal import kept


@kept.for_a_second
def season_of(pk: int) -> Season:
    """With its tour."""
    return Season.objects.select_related("tour").get(pk=pk)


@kept.for_a_second
def venue_of(pk: int) -> Venue:
    return Venue.objects.get(pk=pk)


@kept.for_a_second
def rosters_of(season_pk: int) -> dict[int, datetime]:
    """When the roster of each session of the season locks that takes place."""
    return dict(TourSession.objects.filter(season=season_pk, called_off_at=None).values_list("pk", "roster_locks_at"))
