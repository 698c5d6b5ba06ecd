"""Work that a browser does while somebody fills in the form: find the number whose hash was told.

The challenge and the answer are those of ALTCHA (protocol 1, SHA-256), made from the form's stamp instead of a number
drawn for each page: so nothing is stored, no page carries a value more, and one answer is good for one form.
"""

import base64
import hashlib
import json
from typing import Any

from django.utils.crypto import salted_hmac

# A telephone tries them all in a few seconds; on average half of them.
MOST = 60_000
LONGEST_ANSWER = 1000


def challenge(stamp: str) -> dict[str, Any]:
    """What a browser that was handed this stamp is told."""
    wanted = _hash(stamp)
    return {
        "algorithm": "SHA-256",
        "challenge": wanted,
        "maxnumber": MOST,
        "salt": stamp,
        "signature": salted_hmac("portal.forms.proof.signature", wanted, algorithm="sha256").hexdigest(),
    }


def shows_work(answer: str, *, stamp: str) -> bool:
    """Whether the answer is the one to the challenge of this stamp, which is known to be ours."""
    if len(answer) > LONGEST_ANSWER:
        return False
    try:
        found = json.loads(base64.b64decode(answer, validate=True))
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("number") == _number(stamp)


def _number(stamp: str) -> int:
    return int(salted_hmac("portal.forms.proof.number", stamp, algorithm="sha256").hexdigest(), 16) % (MOST + 1)


def _hash(stamp: str) -> str:
    return hashlib.sha256(f"{stamp}{_number(stamp)}".encode()).hexdigest()
