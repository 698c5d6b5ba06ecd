"""What `manage.py check --deploy` says of our own settings."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register


@register(Tags.security, deploy=True)
def proxies_are_named(**_given: Any) -> Sequence[CheckMessage]:
    """The web processes speak no TLS: under https another server stands in front."""
    if settings.TRUSTED_PROXIES or not settings.IS_HTTPS:
        return []
    return [
        Warning(
            "TRUSTED_PROXIES is empty: visitors cannot be told apart, and what limits one holds for nobody or for all.",
            hint="Name the servers in front of the portal, such as 10.0.0.0/8, or unix for those on a Unix socket.",
            id="portal.W001",
        )
    ]
