"""The outbox: ``post`` writes the notice that a change owes a party, in the transaction of the change itself;
senders claim the most urgent few and hand them over.

The row is the promise and the only queue. A sender claims rows with a lease, commits, works with no transaction open
and marks each; whoever comes second finds nothing to claim. Before the first byte of a text goes to the server, the row
says so: of a lost worker's rows it is known which may have left.
"""

from bookings.outbox.breaker import mails_allowed, took_mail
from bookings.outbox.delivery import deliver_due
from bookings.outbox.mailings import mailing_key, post_to_parties
from bookings.outbox.posting import follow_the_visit, post, post_all, post_at_most_hourly
from bookings.outbox.senders import nudge, send_a_slice
from bookings.outbox.silence import late_lanes, mail_server_is_silent, oldest_waiting
from bookings.outbox.truth import still_true

__all__ = [
    "deliver_due",
    "follow_the_visit",
    "late_lanes",
    "mail_server_is_silent",
    "mailing_key",
    "mails_allowed",
    "nudge",
    "oldest_waiting",
    "post",
    "post_all",
    "post_at_most_hourly",
    "post_to_parties",
    "send_a_slice",
    "still_true",
    "took_mail",
]
