"""When a form was handed out, signed: whoever sends it in the same moment is a program.

The stamp is also the form's submission key, so a page carries one hidden value of its own and not two.
"""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import ValidationError
from django.core.signing import BadSignature, Signer
from django.http import QueryDict
from django.utils.translation import gettext_lazy

# Nobody reads and fills in the form faster ...
YOUNGEST = timedelta(seconds=3)
# ... and who comes back to an older one looks it over.
OLDEST = timedelta(days=1)


class Stamp(NamedTuple):
    key: uuid.UUID
    made_at: datetime

    def is_too_young(self, now: datetime) -> bool:
        return now - self.made_at < YOUNGEST

    def is_too_old(self, now: datetime) -> bool:
        return now - self.made_at > OLDEST


def new_stamp(*, now: datetime, key: uuid.UUID | None = None) -> str:
    return _signer().sign(f"{(key or uuid.uuid4()).hex}.{int(now.timestamp() * 1000):x}")


def read_stamp(text: str) -> Stamp | None:
    """None where we did not make it."""
    try:
        key, made_at = _signer().unsign(text).split(".")
        return Stamp(uuid.UUID(hex=key), datetime.fromtimestamp(int(made_at, 16) / 1000, UTC))
    except (BadSignature, ValueError):
        return None


def _signer() -> Signer:
    return Signer(sep=".", salt="portal.forms.stamp")


def with_stamp(data: QueryDict | dict[str, Any] | None, *, now: datetime) -> QueryDict | dict[str, Any] | None:
    """What was sent, with a stamp that can be sent again where its own cannot.

    One that is too old keeps its key, so what was done with it is not done twice, and counts as read long ago.
    """
    stamp = read_stamp(str(data.get("submission_key", ""))) if data is not None else None
    if data is None or (stamp and not stamp.is_too_old(now)):
        return data
    data = data.copy()
    data["submission_key"] = new_stamp(now=now - YOUNGEST, key=stamp.key) if stamp else new_stamp(now=now)
    return data


class StampField(forms.CharField):
    """``sent`` is the stamp as it came; the form is bound to what ``with_stamp`` made of it."""

    def __init__(self, *, sent: str, now: datetime) -> None:
        super().__init__(
            widget=forms.HiddenInput(attrs={"autocomplete": "off"}), initial=lambda: new_stamp(now=now), required=False
        )
        self.sent = read_stamp(sent)
        self.now = now

    def clean(self, value: Any) -> uuid.UUID:
        if self.sent is None or self.sent.is_too_old(self.now):
            raise ValidationError(
                gettext_lazy("This page was open for a long time. Look over what you wrote, and press once more.")
            )
        if self.sent.is_too_young(self.now):
            raise ValidationError(
                gettext_lazy("That was faster than people read. Look over what you wrote, and press once more.")
            )
        return self.sent.key
