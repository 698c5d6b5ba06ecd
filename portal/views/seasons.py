"""Which seasons are shown, and in which order."""

from datetime import datetime, timedelta

from django.db.models import Max

from bookings.models import Season


def shown_seasons(*, now: datetime) -> list[Season]:
    """Published seasons with a session still to come: those that take sign-ups, then those that will, then the closed.

    Among equals the one whose opening is nearest to now stands first.
    """
    seasons = Season.objects.public().annotate(over_at=Max("sessions__ends_at")).filter(over_at__gt=now)
    return sorted(seasons.select_related("tour"), key=lambda season: _standing(season, now=now))


def _standing(season: Season, *, now: datetime) -> tuple[int, timedelta]:
    if now < season.opens_at:
        return 1, season.opens_at - now
    return (0 if now < season.closes_at else 2), now - season.opens_at
