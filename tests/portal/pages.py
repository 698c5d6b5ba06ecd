"""How tests read a page: its words as a visitor has them."""

import html
import re
from typing import Protocol

from django.http import HttpResponse


class Page(Protocol):
    """An answer of a view, or what the test client made of it."""

    @property
    def content(self) -> bytes: ...


def words(response: Page) -> str:
    """The text of a page without markup, with common spaces."""
    text = re.sub(r"(?s)<(script|style|svg|head).*?</\1>", " ", response.content.decode())
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def rows(response: Page) -> list[str]:
    """The sessions of a list, each in words."""
    found = re.findall(r'(?s)<li class="session-row.*?</li>', response.content.decode())
    return [words(HttpResponse(row)) for row in found]


def links(response: Page) -> list[str]:
    return [html.unescape(link) for link in re.findall(r'<a [^>]*?href="([^"]*)"', response.content.decode())]
