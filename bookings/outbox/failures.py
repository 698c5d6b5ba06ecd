"""What a failed hand-over tells: about the address, about this mail, about us, or only that it must wait."""

from datetime import timedelta
from enum import Enum, auto

from bookings.outbox.dialogue import Broken, Refused, Stage

# After a failure that concerns one row it rests this long, the last value again and again.
BACK_OFF = [timedelta(seconds=30), *(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))]


class Verdict(Enum):
    ADDRESS = auto()  # nobody is there: bounced, and on the host's list
    MAIL = auto()  # the server will never take this text: set aside
    SERVER = auto()  # it takes nothing from us now: the breaker opens, the row waits and no try is counted
    SUSPECT = auto()  # perhaps not about this row alone: it waits, and a few such in a row open the breaker
    WAIT = auto()  # for a while, and for this row alone
    UNKNOWN = auto()  # it may have left: sent again or held, by kind


# Not logged in, or a sender the server does not want: no other row would fare better.
NOT_LET_IN = {530, 535, 538}
NOT_OUR_ADDRESS = {"5.1.7", "5.1.8", "5.7.8", "5.7.9"}
ABOUT_A_MAILBOX = {550, 551, 552, 553}


def verdict(failure: Refused | Broken) -> Verdict:
    """Sources: RFC 5321 section 4.2 and, for the enhanced codes, RFC 3463. Large providers say 5.7.x of a mailbox that
    wants nothing from us, of a text they do not trust and of a sender without SPF alike."""
    if isinstance(failure, Broken):
        return {Stage.CONNECT: Verdict.SERVER, Stage.SENDER: Verdict.SERVER, Stage.TEXT: Verdict.UNKNOWN}.get(
            failure.stage, Verdict.SUSPECT
        )
    stage, code, enhanced = failure.stage, failure.code, failure.enhanced
    if stage is Stage.CONNECT or code in NOT_LET_IN or enhanced in NOT_OUR_ADDRESS:
        return Verdict.SERVER
    if enhanced == "5.3.4" or enhanced.startswith("5.6.") or (stage, code) == (Stage.SENDER, 552):
        return Verdict.MAIL
    if stage is Stage.SENDER:
        return Verdict.SERVER
    if code < 500:
        # 421 ends the line, 4.3 is about the mail system; and once it asked for the text, what has no finer code is
        # rarely a mailbox.
        is_of_all = code == 421 or enhanced.startswith("4.3.") or (not enhanced and stage in {Stage.DATA, Stage.TEXT})
        return Verdict.SUSPECT if is_of_all else Verdict.WAIT
    if enhanced.startswith(("5.1.", "5.2.", "5.4.")) or (not enhanced and code in ABOUT_A_MAILBOX):
        return Verdict.ADDRESS
    return Verdict.SUSPECT
