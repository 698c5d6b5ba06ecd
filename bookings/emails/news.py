"""What the template of an announcement speaks of: the words of a host, in the active language."""

from bookings.emails.links import stop_link
from bookings.models import Announcement, Notice, NoticeKind


def news_of(notice: Notice) -> dict[str, object]:
    """Nothing for a mail of any other kind."""
    if notice.kind != NoticeKind.ANNOUNCEMENT:
        return {}
    announcement = Announcement.objects.get(pk=notice.facts["announcement"])
    return {
        "news_subject": " ".join(str(announcement.subject).split()),
        "news_words": str(announcement.words),
        "stop_link": stop_link(notice.party),
    }
