"""The code of a party as a picture that the desk reads."""

import segno

# The standard lets eight patterns be tried, and the one taken that scanners like best; any of them is read. To try all
# takes five times as long as the rest of the drawing, and each code has the same few signs.
PATTERN = 2


def drawn_code(code: str) -> segno.QRCode:
    return segno.make(code, micro=False, mask=PATTERN)
