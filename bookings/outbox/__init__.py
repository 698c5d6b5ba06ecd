"""The outbox: ``post`` writes the notice that a change owes a party, in the transaction of the change itself;
``deliver`` claims one and hands it over.

The row is the promise and the only queue. A worker claims it by one conditional UPDATE with a lease, commits, works
with no transaction open and marks it; whoever comes second finds nothing to claim.
"""

from bookings.outbox.delivery import deliver_due
from bookings.outbox.mailings import mailing_key, post_to_parties
from bookings.outbox.posting import post, post_all, post_at_most_hourly
from bookings.outbox.silence import late_lanes, mail_server_is_silent, oldest_waiting
from bookings.outbox.truth import still_true

__all__ = [
    "deliver_due",
    "late_lanes",
    "mail_server_is_silent",
    "mailing_key",
    "oldest_waiting",
    "post",
    "post_all",
    "post_at_most_hourly",
    "post_to_parties",
    "still_true",
]
