"""The picture of a party's code."""

import io

import pytest

from bookings.drawn_codes import drawn_code, picture_of


@pytest.mark.parametrize("code", ["7KQM3F9T", "AAAA1111", "x"])
@pytest.mark.parametrize(("scale", "border"), [(5, 4), (3, 1)])
def test_the_picture_is_what_the_library_would_write(code: str, scale: int, border: int) -> None:
    plain = io.BytesIO()
    drawn_code(code).save(plain, kind="png", scale=scale, border=border)

    assert picture_of(code, scale=scale, border=border) == plain.getvalue()
