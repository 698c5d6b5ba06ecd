"""Time passes for a form that a test has just read: its stamp becomes one of an hour ago, with the same key."""

import re
from datetime import timedelta

from portal.forms.stamp import new_stamp, read_stamp

IN_A_PAGE = re.compile(r'name="submission_key" value="([^"]+)"')


def older(stamp: str) -> str:
    made = read_stamp(stamp)
    assert made, f"no stamp of ours: {stamp}"
    return new_stamp(now=made.made_at - timedelta(hours=1), key=made.key)


def older_one_of(page: str) -> str:
    found = IN_A_PAGE.search(page)
    assert found, page
    return older(found[1])
