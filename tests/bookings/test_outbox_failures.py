"""What each failure of a hand-over is taken for."""

import pytest

from bookings.outbox.dialogue import Broken, Refused, Stage, refusal
from bookings.outbox.failures import Verdict, verdict

CONNECT, SENDER, RECIPIENT, DATA, TEXT = Stage

TABLE = [
    # Nobody gets in: every row would fare the same.
    (CONNECT, 421, "", Verdict.SERVER),
    (CONNECT, 535, "5.7.8", Verdict.SERVER),
    (CONNECT, 554, "", Verdict.SERVER),
    (SENDER, 421, "", Verdict.SERVER),
    (SENDER, 451, "4.3.0", Verdict.SERVER),
    (SENDER, 530, "5.7.0", Verdict.SERVER),
    (SENDER, 550, "5.7.1", Verdict.SERVER),
    (SENDER, 553, "5.1.8", Verdict.SERVER),
    (RECIPIENT, 530, "", Verdict.SERVER),
    (RECIPIENT, 550, "5.1.8", Verdict.SERVER),
    (TEXT, 550, "5.1.7", Verdict.SERVER),
    # This mail will never pass.
    (SENDER, 552, "5.3.4", Verdict.MAIL),
    (SENDER, 552, "", Verdict.MAIL),
    (TEXT, 552, "5.3.4", Verdict.MAIL),
    (TEXT, 554, "5.6.0", Verdict.MAIL),
    # Nobody is there.
    (RECIPIENT, 550, "", Verdict.ADDRESS),
    (RECIPIENT, 550, "5.1.1", Verdict.ADDRESS),
    (RECIPIENT, 552, "5.2.2", Verdict.ADDRESS),
    (RECIPIENT, 550, "5.4.1", Verdict.ADDRESS),
    (RECIPIENT, 554, "5.1.1", Verdict.ADDRESS),
    (TEXT, 550, "", Verdict.ADDRESS),
    (TEXT, 552, "5.2.2", Verdict.ADDRESS),
    # For good, and perhaps said to all of our mails.
    (RECIPIENT, 554, "", Verdict.SUSPECT),
    (RECIPIENT, 554, "5.7.1", Verdict.SUSPECT),
    (RECIPIENT, 503, "5.5.1", Verdict.SUSPECT),
    (DATA, 554, "", Verdict.SUSPECT),
    (TEXT, 550, "5.7.1", Verdict.SUSPECT),
    (TEXT, 550, "5.7.26", Verdict.SUSPECT),
    (TEXT, 554, "", Verdict.SUSPECT),
    # For a while, and perhaps said to all of our mails: 4.3 is about the whole system, and 421 ends the line.
    (RECIPIENT, 421, "", Verdict.SUSPECT),
    (RECIPIENT, 421, "4.7.0", Verdict.SUSPECT),
    (TEXT, 421, "4.7.0", Verdict.SUSPECT),
    (RECIPIENT, 452, "4.3.1", Verdict.SUSPECT),
    (DATA, 451, "", Verdict.SUSPECT),
    (DATA, 421, "4.3.2", Verdict.SUSPECT),
    (TEXT, 421, "", Verdict.SUSPECT),
    (TEXT, 451, "4.3.0", Verdict.SUSPECT),
    # For a while, and about this one.
    (RECIPIENT, 450, "4.2.0", Verdict.WAIT),
    (RECIPIENT, 451, "4.7.1", Verdict.WAIT),
    (RECIPIENT, 452, "4.2.2", Verdict.WAIT),
    (RECIPIENT, 451, "", Verdict.WAIT),
    (DATA, 451, "4.7.1", Verdict.WAIT),
    (TEXT, 452, "4.2.2", Verdict.WAIT),
    (TEXT, 451, "4.7.0", Verdict.WAIT),
]


@pytest.mark.parametrize(("stage", "code", "enhanced", "expected"), TABLE)
def test_a_refusal_is_sorted_by_stage_code_and_enhanced_code(
    stage: Stage, code: int, enhanced: str, expected: Verdict
) -> None:
    assert verdict(Refused(stage, code, enhanced)) == expected


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (CONNECT, Verdict.SERVER),
        (SENDER, Verdict.SERVER),
        (RECIPIENT, Verdict.SUSPECT),
        (DATA, Verdict.SUSPECT),
        (TEXT, Verdict.UNKNOWN),
    ],
)
def test_a_line_that_breaks_is_sorted_by_where(stage: Stage, expected: Verdict) -> None:
    assert verdict(Broken(stage, "TimeoutError")) == expected


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (b"5.1.1 <lin@visitors.example> unknown", "refused at recipient: 550 5.1.1"),
        (b"5.7.26 this mail\n5.7.26 is not from you", "refused at recipient: 550 5.7.26"),
        (b"lin@visitors.example 5.1.1", "refused at recipient: 550"),
        (b"\xff\xfe", "refused at recipient: 550"),
    ],
)
def test_of_the_words_of_a_server_only_the_codes_are_kept(words: bytes, told: str) -> None:
    assert str(refusal(RECIPIENT, 550, words)) == told
