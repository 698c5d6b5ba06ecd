"""What a notice says: one message in the party's language, as text and as HTML from the same words.

``templates/emails/<kind>.txt`` holds the words of a kind in blocks. It is rendered over three layouts,
``_base.subject.txt``, ``_base.txt`` and ``_base.html``, so that subject, text and HTML cannot drift apart. This package
sends nothing.
"""

from bookings.emails.building import build, message_id
from bookings.emails.changes import changes_to_tell
from bookings.emails.links import party_link
from bookings.emails.words import PROVE_WITHIN

__all__ = ["PROVE_WITHIN", "build", "changes_to_tell", "message_id", "party_link"]
