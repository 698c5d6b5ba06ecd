"""A mail as staff read it: in a frame that may do nothing, and without what would make them the party."""

from email.mime.image import MIMEImage

from csp.constants import NONE, SELF, UNSAFE_INLINE
from django.core.mail import EmailMultiAlternatives

from bookings.models import Notice

# Mails carry their styles inside, as mail programs want it; they are shown in a frame that may do nothing else.
MAIL_POLICY = {
    **dict.fromkeys(["script-src", "connect-src", "manifest-src", "font-src", "form-action"]),
    "default-src": [NONE],
    "style-src": [UNSAFE_INLINE],
    "img-src": ["data:"],
    "frame-ancestors": [SELF],
    "sandbox": [],
}
# What stands in place of the secrets in a party's mails: a host who reads one does not become the party, nor ends
# announcements for it.
LEFT_OUT = "…"


def with_pictures(message: EmailMultiAlternatives) -> str:
    """The HTML as a mail program shows it: pictures that travel with the mail are put where it names them."""
    html = str(message.alternatives[0][0])
    for picture in message.attachments:
        if isinstance(picture, MIMEImage):
            data = "".join(str(picture.get_payload()).split())
            html = html.replace(
                f"cid:{picture['Content-ID'].strip('<>')}", f"data:{picture.get_content_type()};base64,{data}"
            )
    return html


def without_secret(words: str, notice: Notice) -> str:
    return words.replace(notice.party.link_token, LEFT_OUT).replace(notice.party.stop_token, LEFT_OUT)
