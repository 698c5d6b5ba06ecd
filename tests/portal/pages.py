"""How tests read a page: its words as a visitor has them."""

import html
import re

from django.http import HttpResponse


def words(response: HttpResponse) -> str:
    """The text of a page without markup, with common spaces."""
    text = re.sub(r"(?s)<(script|style|svg|head).*?</\1>", " ", response.content.decode())
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def rows(response: HttpResponse) -> list[str]:
    """The sessions of a list, each in words."""
    found = re.findall(r'(?s)<li class="session-row.*?</li>', response.content.decode())
    return [words(HttpResponse(row)) for row in found]


def links(response: HttpResponse) -> list[str]:
    return [html.unescape(link) for link in re.findall(r'<a [^>]*?href="([^"]*)"', response.content.decode())]
