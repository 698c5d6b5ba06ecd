"""A mail as it goes over the line is what the standard library's own policy makes of it."""

from email.generator import BytesGenerator
from email.message import Message
from email.policy import Compat32, compat32
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookings.emails import build
from bookings.models import NoticeKind
from bookings.outbox.delivery import AS_SENT
from tests.bookings.test_emails import example
from tests.factories import NOON, make_house
from tests.mail_gallery import LANGUAGES

SIGNS = st.sampled_from("ab ;,.=?<>@\"'():-_é\t\u2028界")
PLAIN = compat32.clone(linesep="\r\n", mangle_from_=False)


@settings(deadline=None, derandomize=True, database=None)  # The same values every time, however slow the machine.
@given(
    name=st.sampled_from(["To", "Subject", "Content-Type", "List-Unsubscribe-Post"]),
    value=st.text(SIGNS, max_size=20) | st.text(SIGNS, min_size=60, max_size=90),
)
def test_any_header_is_written_as_the_plain_policy_writes_it(name: str, value: str):
    assert AS_SENT.fold_binary(name, value) == PLAIN.fold_binary(name, value)


@pytest.mark.django_db
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", NoticeKind)
def test_a_mail_is_written_as_the_plain_policy_writes_it(kind: NoticeKind, language: str):
    make_house()
    message = build(example(kind, language=language), now=NOON).message()
    plain = written(message, PLAIN)  # which settles the boundaries
    assert written(message, AS_SENT) == plain


def written(message: Message, policy: Compat32) -> bytes:
    text = BytesIO()
    BytesGenerator(text, policy=policy).flatten(message)
    return text.getvalue()
